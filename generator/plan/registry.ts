import type { Acr, TokenState } from '../acr/acr.ts'
import { decidePasswords } from '../acr/password-decision.ts'
import { provisionResources, type Outcome } from '../acr/provision.ts'
import type { Wanted } from '../acr/wanted.ts'
import type { Secrets } from '../secrets/store.ts'
import { GeneratorError } from '../errors.ts'
import type { Difference } from './difference.ts'
import { fingerprintOf, type Change, type ChangeCode, type PlannedPart } from './plan.ts'

export const registryPart = 'registry'

const codes: Partial<Record<Outcome['kind'], ChangeCode>> = {
  'scope map': 'P101',
  token: 'P102',
  password: 'P103',
  'data endpoint': 'P105',
  'anonymous pull': 'P108',
  'connected registry': 'P106'
}

/** What there is one of. */
const ofTheRegistry: ReadonlySet<Outcome['kind']> = new Set<Outcome['kind']>(['data endpoint', 'anonymous pull'])

export interface PlannedRegistry extends PlannedPart {
  /** Why `causeway provision` would stop: nothing is done until somebody has seen to them. */
  readonly refusals: readonly GeneratorError[]
}

/**
 * What `causeway provision` would do in the cloud registry. It is the provisioning itself, over a registry that is only read:
 * so the two cannot come to differ.
 *
 * @param place where passwords are kept, for messages
 * @throws {GeneratorError} as {@link provisionResources}
 */
export async function planRegistry(
  acr: Acr,
  wanted: Wanted,
  secrets: Secrets,
  place = 'the store'
): Promise<PlannedRegistry> {
  const seen = new Map<string, unknown>()
  const outcomes: Outcome[] = []
  const refusals: GeneratorError[] = []
  await provisionResources(readOnly(acr, seen), wanted, (outcome) => outcomes.push(outcome), { remove: true })
  for (const { name } of wanted.tokens) {
    const state = seen.get(`token ${name}`) as TokenState | undefined
    try {
      outcomes.push(...plannedPasswords(name, state, secrets, place))
    } catch (error) {
      if (!(error instanceof GeneratorError)) throw error
      refusals.push(error)
    }
  }
  return {
    part: registryPart,
    changes: outcomes.flatMap((outcome) => changeOf(outcome, wanted)),
    state: { world: fingerprintOf([...seen]), wanted: fingerprintOf(wanted) },
    refusals
  }
}

function changeOf(told: Outcome, wanted: Wanted): Change[] {
  const { kind, name, outcome, detail } = told
  const code = outcome === 'recreated' ? 'P107' : codes[kind]
  if (outcome === 'unchanged' || code === undefined) return []
  const warning = warningOf(told)
  return [
    {
      code,
      action: outcome === 'created' ? 'add' : outcome === 'deleted' ? 'remove' : 'change',
      part: registryPart,
      subject: ofTheRegistry.has(kind) ? kind : `${kind} ${name}`,
      differences:
        told.differences ??
        (kind !== 'scope map'
          ? []
          : outcome === 'created'
            ? (wanted.scopeMaps.find((map) => map.name === name)?.actions ?? []).map(added)
            : actionsOf(detail ?? '')),
      ...(warning === undefined ? {} : { warning })
    }
  ]
}

function warningOf({ kind, outcome, detail, differences }: Outcome): string | undefined {
  if (outcome === 'recreated')
    return 'Azure cannot change this in place: it is deleted and made anew, those below it too; provision asks for --allow-remove'
  if (outcome === 'deleted')
    return kind === 'token'
      ? 'whoever still logs in with it loses access; provision asks for --allow-remove'
      : 'provision asks for --allow-remove'
  return kind === 'scope map' || differences !== undefined ? undefined : detail
}

function added(path: string): Difference {
  return { action: 'add', path }
}

/** A scope map's update tells its actions as `+action` and `-action`. */
function actionsOf(detail: string): Difference[] {
  return detail
    .split(' ')
    .filter((word) => /^[+-]./.test(word))
    .map((word) => ({ action: word.startsWith('+') ? 'add' : 'remove', path: word.slice(1) }))
}

/** As `provisionPassword` does it, without making any. */
function plannedPasswords(token: string, state: TokenState | undefined, secrets: Secrets, place: string): Outcome[] {
  const decisions = decidePasswords(token, state?.passwords ?? {}, secrets, { place, now: new Date() })
  return decisions.map(({ slot, action, detail }) => ({
    kind: 'password',
    name: `${token}/${slot}`,
    outcome: action === 'keep' ? 'unchanged' : secrets.slot(token, slot) === undefined ? 'created' : 'updated',
    ...(detail === undefined ? {} : { detail })
  }))
}

/** A registry whose writes do nothing; what is read of it is noted. */
function readOnly(acr: Acr, seen: Map<string, unknown>): Acr {
  const note = async <Result>(what: string, read: Promise<Result>): Promise<Result> => {
    const result = await read
    seen.set(what, result)
    return result
  }
  const nothing = (): Promise<void> => Promise.resolve()
  const never = (): Promise<never> => Promise.reject(new Error('a plan changes nothing'))
  return {
    registry: () => note('registry', acr.registry()),
    scopeMap: (name) => note(`scope map ${name}`, acr.scopeMap(name)),
    token: (name) => note(`token ${name}`, acr.token(name)),
    connectedRegistries: (awaited) => note('connected registries', acr.connectedRegistries(awaited)),
    enableDataEndpoint: nothing,
    setAnonymousPull: nothing,
    createScopeMap: nothing,
    updateScopeMap: nothing,
    createToken: nothing,
    updateToken: nothing,
    createConnectedRegistry: nothing,
    updateConnectedRegistry: nothing,
    deactivateConnectedRegistry: nothing,
    deleteConnectedRegistry: nothing,
    deleteToken: nothing,
    deleteScopeMap: nothing,
    generatePassword: never,
    deletePassword: never,
    importImage: never
  }
}
