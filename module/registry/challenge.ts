import type { Decision, Need } from './authorizer.ts'
import type { Origin } from './origin.ts'

/**
 * The scheme of challenges. Bearer by default; Basic where devices pull through a relaying proxy, which does not pass the
 * token endpoint on.
 */
export type ChallengeScheme = 'Bearer' | 'Basic'

/** Of the two token endpoints the one that IoT Edge's API proxy routes to its registry. */
export const tokenPath = '/acr/oauth2/token'

/**
 * The value of `WWW-Authenticate`. Docker takes no relative realm, so it is absolute, by the address the client used.
 *
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export function challenge(
  scheme: ChallengeScheme,
  origin: Origin,
  need: Need,
  decision: Extract<Decision, { kind: 'challenge' }>
): string {
  if (scheme === 'Basic') return `Basic realm="${origin.host}", charset="UTF-8"`
  const parts = [
    ['realm', `${origin.scheme}://${origin.host}${tokenPath}`],
    ['service', origin.host],
    ['scope', scopeOf(need)],
    ['error', decision.error]
  ]
  return `Bearer ${parts.flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`])).join(',')}`
}

/** The scope whose token would do. */
function scopeOf(need: Need): string | undefined {
  if (need.kind === 'login') return undefined
  if (need.kind === 'catalog') return 'registry:catalog:*'
  // A push reads too: engines ask what is already there.
  const actions = { pull: 'pull', push: 'pull,push', delete: 'delete', list: 'metadata_read' } as const
  return `repository:${need.repository}:${actions[need.action]}`
}
