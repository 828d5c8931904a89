/**
 * What one of Azure's clouds calls its services: read from the SDKs (`cloudSettingHelpers` of @azure/arm-containerregistry,
 * `AzureAuthorityHosts` of @azure/identity) and from `az cloud show`, and on purpose not from the generator's own table.
 */
export interface CloudNames {
  /** Entra's host. */
  readonly login: string
  /** Entra's other names, by which clients keep its tokens. */
  readonly loginAliases: readonly string[]
  readonly cloudInstance: string
  readonly resourceManager: string
  /** Resources that Resource Manager's tokens are asked for, as a scope names them, and the audience that each gets. */
  readonly resourceManagerAudiences: Readonly<Record<string, string>>
  /** Of login servers and data endpoints. */
  readonly registry: string
  readonly hub: string
  readonly keyVault: string
  readonly storage: string
}

const publicCloud: CloudNames = {
  login: 'login.microsoftonline.com',
  loginAliases: ['login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
  cloudInstance: 'microsoftonline.com',
  resourceManager: 'management.azure.com',
  resourceManagerAudiences: {
    'https://management.azure.com': 'https://management.azure.com',
    'https://management.core.windows.net': 'https://management.core.windows.net/'
  },
  registry: 'azurecr.io',
  hub: 'azure-devices.net',
  keyVault: 'vault.azure.net',
  storage: 'blob.core.windows.net'
}

export const clouds = {
  AzureCloud: publicCloud,
  AzureUSGovernment: {
    login: 'login.microsoftonline.us',
    loginAliases: ['login.usgovcloudapi.net'],
    cloudInstance: 'microsoftonline.us',
    resourceManager: 'management.usgovcloudapi.net',
    resourceManagerAudiences: {
      'https://management.usgovcloudapi.net': 'https://management.usgovcloudapi.net',
      'https://management.core.usgovcloudapi.net': 'https://management.core.usgovcloudapi.net/'
    },
    registry: 'azurecr.us',
    hub: 'azure-devices.us',
    keyVault: 'vault.usgovcloudapi.net',
    storage: 'blob.core.usgovcloudapi.net'
  },
  AzureChinaCloud: {
    login: 'login.chinacloudapi.cn',
    loginAliases: ['login.partner.microsoftonline.cn'],
    cloudInstance: 'partner.microsoftonline.cn',
    resourceManager: 'management.chinacloudapi.cn',
    resourceManagerAudiences: {
      'https://management.chinacloudapi.cn': 'https://management.chinacloudapi.cn',
      'https://management.core.chinacloudapi.cn': 'https://management.core.chinacloudapi.cn/'
    },
    registry: 'azurecr.cn',
    hub: 'azure-devices.cn',
    keyVault: 'vault.azure.cn',
    storage: 'blob.core.chinacloudapi.cn'
  }
} as const satisfies Record<string, CloudNames>

export type SimulatedCloud = keyof typeof clouds

export const simulatedClouds = Object.keys(clouds) as readonly SimulatedCloud[]
