import type { SettingsInput } from '../../module/settings/document.ts'
import { currentSlot, type Secrets } from '../secrets/store.ts'
import type { Device, Site } from '../site-file/site.ts'

/**
 * Where a device's module syncs from: through the API proxy of the device above, or in the cloud at the data endpoint, as
 * Microsoft's tools write it, where the site file tells the region, and at the login server otherwise.
 */
export function parentEndpoint(
  site: Pick<Site, 'loginServer' | 'azure' | 'apiProxyPort'>,
  device: Pick<Device, 'parent'>
): string {
  // IoT Edge expands nothing in a module's environment: the connected registry does it itself.
  if (device.parent !== undefined) return `$IOTEDGE_PARENTHOSTNAME:${site.apiProxyPort}`
  const [name = '', ...domain] = site.loginServer.split('.')
  return site.azure.region === undefined ? site.loginServer : `${name}.${site.azure.region}.data.${domain.join('.')}`
}

/**
 * The `parent` section of a device's settings, which goes before the connection string of its environment: how a password
 * reaches a device without a deployment. Undefined where none is stored.
 */
export function parentSettings(
  site: Site,
  device: Device,
  secrets: Secrets,
  now: Date
): NonNullable<SettingsInput['parent']> | undefined {
  const slot = currentSlot(secrets, device.syncToken, now)
  const record = slot === undefined ? undefined : secrets.slot(device.syncToken, slot)
  if (record?.state !== 'stored') return undefined
  return {
    endpoint: parentEndpoint(site, device),
    protocol: 'https',
    tokenName: device.syncToken,
    password: record.value
  }
}
