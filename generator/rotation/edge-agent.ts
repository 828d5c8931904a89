import { runtimeToken } from '../deployment/variables.ts'
import { isRecord } from '../deployment/template.ts'
import { readTwins } from '../fleet/read.ts'
import type { Hub, HubTwin } from '../hub/hub.ts'
import type { SecretStore } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'
import type { RotatedToken } from './plan.ts'

/** The devices whose edgeAgent does not log in with a token's new password yet. */
export interface EdgeAgentsMissing {
  /** Their deployment holds another one: nothing changes until somebody deploys. */
  readonly notDeployed: readonly string[]
  /** They were given a deployment with the new one, and have not taken it. */
  readonly notTaken: readonly string[]
}

/**
 * The logins that edgeAgents pull with. They ride in deployments, whatever token they are of: the image pull token's, the device's own
 * sync token's below another one, a client token's for the registry on the device itself, and what a template names by hand. So a
 * device has a new password once it runs a deployment that holds it.
 */
export class EdgeAgentLogins {
  readonly #store: SecretStore
  readonly #hub: Hub
  /** Devices to be looked at again: after the first look, those with a login as one of the tokens. */
  #ids: readonly string[]
  #twins: ReadonlyMap<string, HubTwin> = new Map()

  constructor(site: Site, store: SecretStore, hub: Hub) {
    this.#store = store
    this.#hub = hub
    this.#ids = [...Object.keys(site.devices), ...Object.keys(site.relays)]
  }

  /** Reads the twins anew of those devices that log in as one of these tokens. */
  async look(tokens: readonly RotatedToken[]): Promise<void> {
    this.#twins = await readTwins(this.#hub, this.#ids, '$edgeAgent')
    this.#ids = this.#ids.filter((id) => tokens.some(({ name }) => this.#loginsAs(name, id).length > 0))
  }

  missing({ name }: RotatedToken): EdgeAgentsMissing {
    const rotation = this.#store.rotation(name)
    const record = rotation === undefined ? undefined : this.#store.slot(name, rotation.to)
    const notDeployed: string[] = []
    const notTaken: string[] = []
    if (rotation === undefined || record?.state !== 'stored') return { notDeployed, notTaken }
    for (const id of this.#ids) {
      const twin = this.#twins.get(id)
      const held = this.#loginsAs(name, id)
      if (twin === undefined || held.length === 0 || rotation.abandoned?.includes(id) === true) continue
      if (held.some((each) => each['password'] !== record.value)) notDeployed.push(id)
      else if (Number(twin.reported['lastDesiredVersion'] ?? 0) < twin.desiredVersion) notTaken.push(id)
    }
    return { notDeployed, notTaken }
  }

  #loginsAs(token: string, id: string): readonly Record<string, unknown>[] {
    const runtime = this.#twins.get(id)?.desired['runtime']
    const settings = isRecord(runtime) ? runtime['settings'] : undefined
    const credentials = isRecord(settings) ? settings['registryCredentials'] : undefined
    return Object.values(isRecord(credentials) ? credentials : {})
      .filter(isRecord)
      .filter(({ username }) => String(username).toLowerCase() === token.toLowerCase())
  }
}

/**
 * The devices below others that have one of these tokens in their `config.toml`, where IoT Edge finds the login for edgeAgent
 * before there is a deployment. No twin tells what stands there.
 */
export function namedInConfigToml(site: Site, tokens: readonly string[]): readonly string[] {
  const changed = new Set(tokens)
  return [...Object.values(site.devices), ...Object.values(site.relays)].flatMap((device) =>
    device.above !== undefined && changed.has(runtimeToken(site, device)) ? [device.id] : []
  )
}
