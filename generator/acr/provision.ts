import { GeneratorError } from '../errors.ts'
import type { Difference } from '../plan/difference.ts'
import { anonymousPullWarnings } from './anonymous-pull.ts'
import type { Acr, RegistryState } from './acr.ts'
import { failedChange, lastChangeFailed } from './failed-change.ts'
import { stepsOf, told, type ConnectedRegistrySteps } from './connected-registry-steps.ts'
import { leftoversOf, provisionConnectedRegistries, type Leftovers } from './provision-connected-registries.ts'
import type { Wanted, WantedScopeMap, WantedToken } from './wanted.ts'

/** What became of one thing. */
export interface Outcome {
  readonly kind:
    'scope map' | 'token' | 'connected registry' | 'data endpoint' | 'anonymous pull' | 'password' | 'image'
  readonly name: string
  readonly outcome: 'created' | 'updated' | 'unchanged' | 'recreated' | 'deleted'
  /** What differed, in a few words. */
  readonly detail?: string
  /** The same by place, where there is more to show of it. */
  readonly differences?: readonly Difference[]
}

/**
 * Brings the cloud registry to what is wanted, touching only what differs. What it is not told about it leaves alone.
 * Nothing is undone where it stops half-way: it is safe to run again, and goes on where it stopped.
 *
 * @param allow.remove whether connected registries may be deleted, to go or to be made anew
 * @param tell is called with each outcome as it comes
 * @throws {GeneratorError} before anything is changed: `SKU_TOO_SMALL`, `REGISTRY_FULL`, `CONNECTED_REGISTRY_DIFFERS` for what cannot
 *   be changed in place, `RESOURCES_WOULD_GO`; and Azure's refusals
 */
export async function provisionResources(
  acr: Acr,
  wanted: Wanted,
  tell: (outcome: Outcome) => void,
  allow: { readonly remove: boolean }
): Promise<void> {
  const registry = await acr.registry()
  if (wanted.connectedRegistries.length > 0) assertPremium(registry)
  if (wanted.anonymousPull === true) assertAnonymousPull(registry)
  const named = [...wanted.connectedRegistries.map(({ name }) => name), ...wanted.retired]
  const current = named.length > 0 ? await acr.connectedRegistries(named) : []
  const steps = stepsOf(current, wanted)
  const leftovers = await leftoversOf(acr, wanted, current)
  if (!allow.remove) assertNothingGoes(steps, leftovers)
  const again = registry.failed === true ? `, since ${lastChangeFailed}` : ''
  if (wanted.connectedRegistries.length > 0 && (!registry.dataEndpointEnabled || again !== '')) {
    // Azure refuses a connected registry without it (facts: connected-registry §4).
    await acr.enableDataEndpoint()
    tell({ kind: 'data endpoint', name: 'of the registry', outcome: 'updated', detail: `enabled${again}` })
  }
  const { anonymousPull } = wanted
  if (anonymousPull !== undefined && (anonymousPull !== registry.anonymousPullEnabled || again !== '')) {
    await acr.setAnonymousPull(anonymousPull)
    const detail = anonymousPull ? `enabled${again}: ${anonymousPullWarnings[0]}` : `disabled${again}`
    tell({ kind: 'anonymous pull', name: 'of the registry', outcome: 'updated', detail })
  }
  for (const scopeMap of wanted.scopeMaps) tell(await provisionScopeMap(acr, scopeMap))
  for (const token of wanted.tokens) tell(await provisionToken(acr, token))
  await provisionConnectedRegistries(acr, wanted, current, steps, leftovers, tell)
}

function assertPremium({ sku }: RegistryState): void {
  if (sku.toLowerCase() === 'premium') return
  throw new GeneratorError(
    'SKU_TOO_SMALL',
    `connected registries as Azure resources (resource: true) need a Premium registry, and this one is ${sku}. Change it with az acr update --sku Premium, or take resource: true away: devices need no resource`
  )
}

function assertAnonymousPull({ sku }: RegistryState): void {
  if (sku.toLowerCase() !== 'basic') return
  throw new GeneratorError(
    'SKU_TOO_SMALL',
    'anonymous pull (azure.anonymousPull: true) needs a Standard or Premium registry, and this one is Basic. Change it with az acr update --sku Standard, or take the setting away'
  )
}

function assertNothingGoes(steps: ConnectedRegistrySteps, leftovers: readonly Leftovers[]): void {
  const anew = steps.creations.flatMap(({ registry, anew: why }) => (why === undefined ? [] : [{ registry, why }]))
  if (anew.length > 0)
    throw new GeneratorError(
      'CONNECTED_REGISTRY_DIFFERS',
      `Azure cannot change ${anew.length === 1 ? 'a connected registry' : `${anew.length} connected registries`} in place; --allow-remove deletes and makes anew what causeway plan shows as such, or change the site file`,
      {
        details: anew.map(
          ({ registry, why }) => `CONNECTED_REGISTRY_DIFFERS connected registry ${registry.name}: ${told(why)}`
        )
      }
    )
  if (leftovers.length === 0) return
  throw new GeneratorError(
    'RESOURCES_WOULD_GO',
    'retired connected registries would be deleted, and whoever still uses their tokens loses access; look at causeway plan, and give --allow-remove',
    {
      details: leftovers.flatMap(({ name, state, token, scopeMap }) => [
        ...(state === undefined ? [] : [`RESOURCES_WOULD_GO connected registry ${name}`]),
        ...(token === undefined ? [] : [`RESOURCES_WOULD_GO token ${token}`]),
        ...(scopeMap === undefined ? [] : [`RESOURCES_WOULD_GO scope map ${scopeMap}`])
      ])
    }
  )
}

async function provisionScopeMap(acr: Acr, wanted: WantedScopeMap): Promise<Outcome> {
  const subject = { kind: 'scope map', name: wanted.name } as const
  const current = await acr.scopeMap(wanted.name)
  if (current === undefined) {
    await acr.createScopeMap(wanted.name, wanted)
    return { ...subject, outcome: 'created', detail: `${wanted.actions.length} actions` }
  }
  const { added, removed } = difference(current.actions, wanted.actions)
  const detail = [...added.map((action) => `+${action}`), ...removed.map((action) => `-${action}`)].join(' ')
  if (current.failed === true) {
    await acr.createScopeMap(wanted.name, wanted)
    const differences = [
      ...added.map((path) => ({ action: 'add', path }) as const),
      ...removed.map((path) => ({ action: 'remove', path }) as const),
      failedChange
    ]
    const details = [...(detail === '' ? [] : [detail]), lastChangeFailed].join(', ')
    return { ...subject, outcome: 'updated', detail: details, differences }
  }
  if (detail === '') return { ...subject, outcome: 'unchanged' }
  await acr.updateScopeMap(wanted.name, wanted.actions)
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
    ...(current.status === wanted.status ? [] : [`${current.status} to ${wanted.status}`]),
    ...(current.failed === true ? [lastChangeFailed] : [])
  ]
  if (changes.length === 0) return { ...subject, outcome: 'unchanged' }
  // What failed may have been its creation; but nobody knows whether passwords outlive that (facts: arm-wire §4).
  if (current.failed === true && Object.keys(current.passwords).length === 0) await acr.createToken(wanted.name, wanted)
  else await acr.updateToken(wanted.name, wanted)
  return { ...subject, outcome: 'updated', detail: changes.join(', ') }
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
