import type { Context } from '../context.ts'
import { artifactOf } from '../deployment/settings-artifact.ts'
import { GeneratorError } from '../errors.ts'
import { currentPassword } from '../secrets/current-password.ts'
import type { Secrets } from '../secrets/store.ts'
import { descendants, settingsPushToken, type Device, type Site } from '../site-file/site.ts'

/**
 * Brings to the cloud registry what of the devices' settings is too large for their twins, before any twin names it. Devices
 * fetch theirs from the ones above, whose own settings have them brought down: so what is for those below goes along.
 *
 * @throws {GeneratorError} `SECRET_MISSING`, `SECRET_EXPIRED`, `SETTINGS_NOT_PUSHED`, and refusals of Azure
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
  const login = { username: settingsPushToken, password: passwordFor(secrets, devices) }
  const content = await context.content(site)
  for (const artifact of artifacts)
    if ((await content.push(login, artifact.repository, artifact.tag, artifact)) === 'pushed')
      context.stderr.write(`pushed settings to ${artifact.repository}:${artifact.tag}\n`)
}

function passwordFor(secrets: Secrets, devices: readonly Device[]): string {
  try {
    return currentPassword(secrets, settingsPushToken, new Date())
  } catch (error) {
    if (!(error instanceof GeneratorError)) throw error
    throw new GeneratorError(
      error.code,
      `settings of ${devices.map(({ id }) => id).join(', ')} are too large for a twin, and ${settingsPushToken} cannot push them to the cloud registry: ${error.message}`
    )
  }
}
