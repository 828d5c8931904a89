import { GeneratorError } from '../errors.ts'
import type { Acr } from './acr.ts'
import type { Wanted, WantedConnectedRegistry, WantedScopeMap, WantedToken } from './wanted.ts'

/** What became of one thing. */
export interface Outcome {
  readonly kind: 'scope map' | 'token' | 'connected registry' | 'data endpoint' | 'password' | 'image'
  readonly name: string
  readonly outcome: 'created' | 'updated' | 'unchanged'
  /** What differed, in a few words. */
  readonly detail?: string
}

/**
 * Brings the cloud registry to what is wanted, touching only what differs. What it is not told about it leaves alone.
 * Nothing is undone where it stops half-way: it is safe to run again, and goes on where it stopped.
 *
 * @param tell is called with each outcome as it comes
 * @throws {GeneratorError} `CONNECTED_REGISTRY_DIFFERS` for what cannot be changed in place, and Azure's refusals
 */
export async function provisionResources(acr: Acr, wanted: Wanted, tell: (outcome: Outcome) => void): Promise<void> {
  const registry = await acr.registry()
  if (wanted.connectedRegistries.length > 0 && !registry.dataEndpointEnabled) {
    // Azure refuses a connected registry without it (facts: connected-registry §4).
    await acr.enableDataEndpoint()
    tell({ kind: 'data endpoint', name: 'of the registry', outcome: 'updated', detail: 'enabled' })
  }
  for (const scopeMap of wanted.scopeMaps) tell(await provisionScopeMap(acr, scopeMap))
  for (const token of wanted.tokens) tell(await provisionToken(acr, token))
  for (const each of wanted.connectedRegistries) tell(await provisionConnectedRegistry(acr, each))
}

async function provisionScopeMap(acr: Acr, wanted: WantedScopeMap): Promise<Outcome> {
  const subject = { kind: 'scope map', name: wanted.name } as const
  const current = await acr.scopeMap(wanted.name)
  if (current === undefined) {
    await acr.createScopeMap(wanted.name, wanted)
    return { ...subject, outcome: 'created', detail: `${wanted.actions.length} actions` }
  }
  const { added, removed } = difference(current.actions, wanted.actions)
  if (added.length + removed.length === 0) return { ...subject, outcome: 'unchanged' }
  await acr.updateScopeMap(wanted.name, wanted.actions)
  const detail = [...added.map((action) => `+${action}`), ...removed.map((action) => `-${action}`)].join(' ')
  return { ...subject, outcome: 'updated', detail }
}

async function provisionToken(acr: Acr, wanted: WantedToken): Promise<Outcome> {
  const subject = { kind: 'token', name: wanted.name } as const
  const current = await acr.token(wanted.name)
  if (current === undefined) {
    await acr.createToken(wanted.name, wanted)
    return { ...subject, outcome: 'created' }
  }
  const changes = [
    ...(same(current.scopeMap, wanted.scopeMap) ? [] : [`scope map ${current.scopeMap} to ${wanted.scopeMap}`]),
    ...(current.status === wanted.status ? [] : [`${current.status} to ${wanted.status}`])
  ]
  if (changes.length === 0) return { ...subject, outcome: 'unchanged' }
  await acr.updateToken(wanted.name, wanted)
  return { ...subject, outcome: 'updated', detail: changes.join(', ') }
}

async function provisionConnectedRegistry(acr: Acr, wanted: WantedConnectedRegistry): Promise<Outcome> {
  const subject = { kind: 'connected registry', name: wanted.name } as const
  const current = await acr.connectedRegistry(wanted.name)
  if (current === undefined) {
    await acr.createConnectedRegistry(wanted.name, wanted)
    return { ...subject, outcome: 'created' }
  }
  for (const [what, is, should] of [
    ['mode', current.mode, wanted.mode],
    ['sync token', current.syncToken, wanted.syncToken],
    ['parent', current.parent ?? 'the cloud registry', wanted.parent ?? 'the cloud registry']
  ] as const)
    if (!same(is, should))
      throw new GeneratorError(
        'CONNECTED_REGISTRY_DIFFERS',
        `connected registry ${wanted.name} has ${what} ${is}, and the site file wants ${should}. Azure cannot change that: delete it there, or change the site file`
      )
  const { added, removed } = difference(current.clientTokens, wanted.clientTokens)
  if (added.length + removed.length === 0) return { ...subject, outcome: 'unchanged' }
  await acr.updateConnectedRegistry(wanted.name, wanted.clientTokens)
  return { ...subject, outcome: 'updated', detail: 'client tokens' }
}

/** Names and actions come back in any order, and names in any case (facts: arm-wire §13). */
function difference(current: readonly string[], wanted: readonly string[]): { added: string[]; removed: string[] } {
  const is = new Set(current.map((entry) => entry.toLowerCase()))
  const should = new Set(wanted.map((entry) => entry.toLowerCase()))
  return {
    added: [...should].filter((entry) => !is.has(entry)),
    removed: [...is].filter((entry) => !should.has(entry))
  }
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
