import type { Acr } from '../acr/acr.ts'
import { atOnce } from '../hub/at-once.ts'
import { slots, type SecretStore } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'
import { tokensOf } from './plan.ts'

const readsAtOnce = 8

/**
 * Tokens that the site file no longer has, though a password of theirs is kept here and the cloud registry still lets them in.
 * Another site's are among them where two share a store.
 *
 * @returns their names, sorted
 */
export async function leftTokens(
  site: Site,
  store: Pick<SecretStore, 'tokens' | 'slot'>,
  acr: Pick<Acr, 'token'>
): Promise<readonly string[]> {
  // The tokens of retired registries go with these, which a plan shows.
  const retired = site.retired.map((name) => `${name}-sync-token`)
  const wanted = new Set([...tokensOf(site).map(({ name }) => name), ...retired].map((name) => name.toLowerCase()))
  const kept = store
    .tokens()
    .filter((name) => !wanted.has(name) && slots.some((slot) => store.slot(name, slot)?.state === 'stored'))
  const states = await atOnce(kept, readsAtOnce, async (name) => [name, await acr.token(name)] as const)
  return states
    .filter(([, state]) => state?.status === 'enabled' && Object.keys(state.passwords).length > 0)
    .map(([name]) => name)
    .sort()
}

const mostNamed = 20

/** In words, for a person. */
export function leftTokensSentence(names: readonly string[], registry: string): string {
  const more = names.length > mostNamed ? `, … (${names.length} in all)` : ''
  const [first = ''] = names
  return `the site file no longer has ${names.slice(0, mostNamed).join(', ')}${more}, and the cloud registry still takes passwords of ${names.length === 1 ? 'it' : 'them'}. Name the connected registry in retired where it is one's sync token; else causeway acr token delete -n ${first} -r ${registry}, or causeway revoke ${first}`
}
