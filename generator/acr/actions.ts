import {
  gatewayActions,
  mostActionsPerScopeMap,
  readScopeMap,
  repositoryActions
} from '../../module/settings/scope-map.ts'
import { GeneratorError } from '../errors.ts'
import { suggest } from '../site-file/suggest.ts'

/** What one flag of az says: a repository or a gateway, and what may be done there. */
export type Rule = readonly string[]

/** What a connected registry's sync token may do on each of its repositories, by its mode (facts: arm-wire §3). */
export const actionsByMode = {
  readonly: ['content/read', 'metadata/read'],
  readwrite: repositoryActions
} as const

/** `Mirror` and `Registry` are the old names of the modes. */
export function actionsOfMode(mode: string | undefined): readonly string[] {
  return isReadWrite(mode) ? actionsByMode.readwrite : actionsByMode.readonly
}

export function isReadWrite(mode: string | undefined): boolean {
  return ['readwrite', 'registry'].includes(mode?.toLowerCase() ?? '')
}

/**
 * The actions of `--repository REPO ACTION…` and `--gateway GATEWAY ACTION…` flags, in lower case as az makes them.
 *
 * @throws {GeneratorError} `USAGE` for what ACR's grammar does not have
 */
export function actionsOf(kind: 'repositories' | 'gateway', flag: string, rules: readonly Rule[]): string[] {
  const known: readonly string[] = kind === 'repositories' ? repositoryActions : gatewayActions
  const actions = rules.flatMap(([subject = '', ...verbs]) => {
    if (verbs.length === 0)
      throw refused(`${flag} ${subject} needs at least one action after the name: ${known.join(', ')}`)
    return verbs.map((verb) => {
      if (!known.includes(verb.toLowerCase()))
        throw refused(
          `${flag} ${subject}: ${verb} is no action; use ${known.join(', ')}${suggest(verb, known)}. Each name has a ${flag} of its own`
        )
      return `${kind}/${subject.toLowerCase()}/${verb.toLowerCase()}`
    })
  })
  return checkActions(unique(actions))
}

export function syncActionsOf(repositories: readonly string[], mode: string | undefined): string[] {
  return actionsOf(
    'repositories',
    '--repository',
    repositories.map((name) => [name, ...actionsOfMode(mode)])
  )
}

/** What a sync token may do on its own registry and on those below it. */
export function gatewayActionsOf(registry: string): string[] {
  return gatewayActions.map((action) => `gateway/${registry.toLowerCase()}/${action}`)
}

/**
 * What is left of some actions, and what is new, without regard to case: those that stay keep the case they have.
 *
 * @throws {GeneratorError} `USAGE` where it comes to more than a scope map holds
 */
export function changeActions(
  current: readonly string[],
  added: readonly string[],
  removed: readonly string[]
): readonly string[] {
  const gone = new Set(removed.map(lower))
  const kept = current.filter((action) => !gone.has(lower(action)))
  const known = new Set(kept.map(lower))
  return [...kept, ...added.filter((action) => !known.has(lower(action)) && !gone.has(lower(action)))]
}

export function sameActions(one: readonly string[], other: readonly string[]): boolean {
  const left = new Set(one.map(lower))
  const right = new Set(other.map(lower))
  return left.size === right.size && [...left].every((action) => right.has(action))
}

/** @throws {GeneratorError} `USAGE` */
export function checkActions(actions: string[], what = 'these actions'): string[] {
  const [problem] = readScopeMap(actions).problems
  if (problem === undefined) return actions
  if (actions.length > mostActionsPerScopeMap && problem.index === mostActionsPerScopeMap)
    throw refused(`${what}: ${problem.reason}; give folders such as samples/* in place of single repositories`)
  throw refused(`${what}: ${actions[problem.index] ?? ''}: ${problem.reason}`)
}

function unique(actions: readonly string[]): string[] {
  return [...new Set(actions)]
}

function lower(action: string): string {
  return action.toLowerCase()
}

function refused(problem: string): GeneratorError {
  return new GeneratorError('USAGE', problem)
}
