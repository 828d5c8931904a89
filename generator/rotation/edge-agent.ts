import { readTwins } from '../fleet/read.ts'
import type { Hub } from '../hub/hub.ts'
import { isRecord } from '../deployment/template.ts'
import type { SecretStore } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'

/**
 * What is missing until edgeAgent pulls with the new password of the image pull token: that one rides in the deployment, so
 * a device has it once it runs one that holds it.
 *
 * @returns a sentence for each device that does not
 */
export async function edgeAgentMissing(
  site: Site,
  store: SecretStore,
  hub: Hub,
  token: string
): Promise<readonly string[]> {
  const rotation = store.rotation(token)
  const record = rotation === undefined ? undefined : store.slot(token, rotation.to)
  if (rotation === undefined || record?.state !== 'stored') return []
  const missing: string[] = []
  const top = Object.values(site.devices).filter(({ parent }) => parent === undefined)
  const devices = [...top, ...Object.values(site.relays)].filter(({ id }) => rotation.abandoned?.includes(id) !== true)
  const twins = await readTwins(
    hub,
    devices.map(({ id }) => id),
    '$edgeAgent'
  )
  for (const device of devices) {
    const twin = twins.get(device.id)
    const held = credentialsIn(twin?.desired).filter((each) => each['username'] === token)
    if (twin === undefined || held.length === 0) continue
    if (held.some((each) => each['password'] !== record.value))
      missing.push(`${device.id} runs a deployment with the password before; run causeway deploy --device ${device.id}`)
    else if (Number(twin.reported['lastDesiredVersion'] ?? 0) < twin.desiredVersion)
      missing.push(`${device.id} has not taken its deployment yet`)
  }
  return missing
}

function credentialsIn(desired: Readonly<Record<string, unknown>> | undefined): readonly Record<string, unknown>[] {
  const runtime = isRecord(desired?.['runtime']) ? desired['runtime'] : {}
  const settings = isRecord(runtime['settings']) ? runtime['settings'] : {}
  const credentials = isRecord(settings['registryCredentials']) ? settings['registryCredentials'] : {}
  return Object.values(credentials).filter(isRecord)
}
