/** What Azure's clouds are called, and what their services are called there. */
export const clouds = {
  AzureCloud: {
    sdk: 'AZURE_PUBLIC_CLOUD',
    authority: 'https://login.microsoftonline.com',
    resourceManager: 'management.azure.com',
    registry: 'azurecr.io',
    hub: 'azure-devices.net',
    keyVault: 'vault.azure.net'
  },
  AzureUSGovernment: {
    sdk: 'AZURE_US_GOVERNMENT',
    authority: 'https://login.microsoftonline.us',
    resourceManager: 'management.usgovcloudapi.net',
    registry: 'azurecr.us',
    hub: 'azure-devices.us',
    keyVault: 'vault.usgovcloudapi.net'
  },
  AzureChinaCloud: {
    sdk: 'AZURE_CHINA_CLOUD',
    authority: 'https://login.chinacloudapi.cn',
    resourceManager: 'management.chinacloudapi.cn',
    registry: 'azurecr.cn',
    hub: 'azure-devices.cn',
    keyVault: 'vault.azure.cn'
  }
} as const

export type CloudName = keyof typeof clouds

export const cloudNames = Object.keys(clouds) as readonly CloudName[]

/** The cloud that a registry's login server, or a vault's host, is in; the public one where its name tells nothing. */
export function cloudOf(host: string): CloudName {
  const name = host.toLowerCase()
  const found = cloudNames.find(
    (cloud) => name.endsWith(`.${clouds[cloud].registry}`) || name.endsWith(`.${clouds[cloud].keyVault}`)
  )
  return found ?? 'AzureCloud'
}
