import type { Acr } from '../acr/acr.ts'
import { waitFor, type Patience } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import type { Hub } from '../hub/hub.ts'
import type { SecretStore } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'
import { RotatedDevices } from './devices.ts'
import type { RotatedToken } from './plan.ts'

export interface RevocationParts {
  readonly site: Site
  readonly store: SecretStore
  readonly acr: Acr
  readonly hub: Hub
  readonly patience: Patience
}

/** What a revocation came to. */
export interface Revocation {
  /** Devices that hold something of the token, and have it disabled now. */
  readonly acknowledged: readonly string[]
  /** Those that do not yet, each with what is missing. */
  readonly waiting: readonly string[]
  /** Those that were never deployed to: there is nobody to acknowledge it, and nobody who lets the token in. */
  readonly neverDeployed: readonly string[]
}

/**
 * Disables a token in the cloud registry and on every device that lets it in, or enables it again. It is noted first, so
 * that no later command enables it by the site file.
 *
 * @param revoked false takes a revocation back
 * @throws {GeneratorError} `AZURE_NOT_FOUND` where the cloud registry has no such token
 */
export async function setRevoked(
  { site, store, acr, hub, patience }: RevocationParts,
  token: RotatedToken,
  revoked: boolean
): Promise<Revocation> {
  await store.noteRevoked(token.name, revoked ? new Date() : undefined)
  const current = await acr.token(token.name)
  if (current === undefined)
    throw new GeneratorError(
      'AZURE_NOT_FOUND',
      `the cloud registry has no token ${token.name}. It is noted as revoked, and provision will make it disabled`
    )
  const status = revoked ? 'disabled' : (site.tokens[token.name]?.status ?? 'enabled')
  if (current.status !== status || current.failed === true)
    await acr.updateToken(token.name, { scopeMap: current.scopeMap, status })
  const devices = new RotatedDevices(site, store, hub)
  const ids = token.holders.map(({ id }) => id)
  // As those see it who let others in; the device that logs in with it has nothing to do.
  const held: RotatedToken = { name: token.name, kind: token.kind, holders: token.holders }
  const look = async (): Promise<Revocation> => {
    await devices.look(ids)
    await devices.send(ids, () => false)
    const deployed = token.holders.filter(({ id }) => devices.isDeployed(id))
    const missing = deployed.map((device) => [device.id, devices.missing(held, device)] as const)
    return {
      acknowledged: missing.flatMap(([id, what]) => (what === undefined ? [id] : [])),
      waiting: missing.flatMap(([id, what]) => (what === undefined ? [] : [`${id} ${what}`])),
      neverDeployed: ids.filter((id) => !devices.isDeployed(id))
    }
  }
  let last: Revocation | undefined
  try {
    return await waitFor(
      async () => {
        last = undefined
        last = await look()
        return last.waiting.length === 0 ? last : undefined
      },
      () => 'devices are away',
      patience
    )
  } catch (error) {
    // A hub that does not answer is another matter: nobody knows then who has heard of it.
    if (error instanceof GeneratorError && error.code === 'TIMED_OUT' && last !== undefined) return last
    throw error
  }
}
