import type { Context } from '../context.ts'
import { artifactOf } from '../deployment/settings-artifact.ts'
import { GeneratorError } from '../errors.ts'
import { currentSlot, type Secrets } from '../secrets/store.ts'
import { descendants, settingsPushToken, type Device, type Site } from '../site-file/site.ts'

/**
 * Brings to the cloud registry what of the devices' settings is too large for their twins, before any twin names it. Devices
 * fetch theirs from the ones above, whose own settings have them brought down: so what is for those below goes along.
 *
 * @throws {GeneratorError} `SECRET_MISSING`, `SETTINGS_NOT_PUSHED`, and refusals of Azure
 */
export async function pushSettings(
  context: Context,
  site: Site,
  secrets: Secrets,
  devices: readonly Device[]
): Promise<void> {
  const all = devices.flatMap((device) => [device, ...descendants(site, device.id)])
  const artifacts = new Set(all.flatMap((device) => artifactOf(site, device) ?? []))
  if (artifacts.size === 0) return
  const slot = currentSlot(secrets, settingsPushToken, new Date())
  const record = slot === undefined ? undefined : secrets.slot(settingsPushToken, slot)
  if (record?.state !== 'stored')
    throw new GeneratorError(
      'SECRET_MISSING',
      `settings of ${devices.map(({ id }) => id).join(', ')} are too large for a twin, and no password is kept here for ${settingsPushToken}, which pushes them to the cloud registry; run causeway provision`
    )
  const login = { username: settingsPushToken, password: record.value }
  const content = await context.content(site)
  for (const artifact of artifacts)
    if ((await content.push(login, artifact.repository, artifact.tag, artifact)) === 'pushed')
      context.stderr.write(`pushed settings to ${artifact.repository}:${artifact.tag}\n`)
}
