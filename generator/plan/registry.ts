import type { Acr, TokenState } from '../acr/acr.ts'
import { provisionResources, type Outcome } from '../acr/provision.ts'
import type { Wanted } from '../acr/wanted.ts'
import { slots, type Secrets } from '../secrets/store.ts'
import type { Difference } from './difference.ts'
import { fingerprintOf, type Change, type ChangeCode, type PlannedPart } from './plan.ts'

export const registryPart = 'registry'

const codes: Partial<Record<Outcome['kind'], ChangeCode>> = {
  'scope map': 'P101',
  token: 'P102',
  password: 'P103',
  'data endpoint': 'P105',
  'connected registry': 'P106'
}

/**
 * What `causeway provision` would do in the cloud registry. It is the provisioning itself, over a registry that is only read:
 * so the two cannot come to differ.
 *
 * @throws {GeneratorError} as {@link provisionResources}
 */
export async function planRegistry(acr: Acr, wanted: Wanted, secrets: Secrets): Promise<PlannedPart> {
  const seen = new Map<string, unknown>()
  const outcomes: Outcome[] = []
  await provisionResources(readOnly(acr, seen), wanted, (outcome) => outcomes.push(outcome), { remove: true })
  for (const { name } of wanted.tokens) {
    const password = plannedPassword(name, seen.get(`token ${name}`) as TokenState | undefined, secrets)
    if (password !== undefined) outcomes.push(password)
  }
  return {
    part: registryPart,
    changes: outcomes.flatMap((outcome) => changeOf(outcome, wanted)),
    state: { world: fingerprintOf([...seen]), wanted: fingerprintOf(wanted) }
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
      subject: kind === 'data endpoint' ? kind : `${kind} ${name}`,
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

/** As `provisionPassword` decides, without making any. */
function plannedPassword(token: string, state: TokenState | undefined, secrets: Secrets): Outcome | undefined {
  if (secrets.rotation?.(token) !== undefined) return undefined
  const kept = slots.filter((slot) => secrets.slot(token, slot) !== undefined)
  const anew = kept.find(
    (slot) => secrets.slot(token, slot)?.state === 'pending' || state?.passwords[slot] === undefined
  )
  if (anew !== undefined)
    return {
      kind: 'password',
      name: `${token}/${anew}`,
      outcome: 'updated',
      detail: state?.passwords[anew] === undefined ? 'Azure no longer has it' : 'the reply to an earlier run was lost'
    }
  if (kept.length > 0) return undefined
  const free = slots.find((slot) => state?.passwords[slot] === undefined)
  return {
    kind: 'password',
    name: `${token}/${free ?? 'password1'}`,
    outcome: 'created',
    ...(free === undefined ? { detail: 'both slots are taken, and neither password is kept here' } : {})
  }
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
    connectedRegistries: () => note('connected registries', acr.connectedRegistries()),
    enableDataEndpoint: nothing,
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
