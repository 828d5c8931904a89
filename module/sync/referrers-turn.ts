import { hexOf, type Digest } from '../oci/digest.ts'

/** Passes in which every image has its turn: a day at the default interval. */
const turns = 96

/**
 * Whether it is an unchanged image's turn to have its signatures looked for again. All of them in every pass would be as many
 * requests again as there are tags, for a whole fleet (ACR's limits for referrers are a tenth of those for reading).
 *
 * @param pass counts up from pass to pass
 */
export function isReferrersTurn(digest: Digest, pass: number): boolean {
  return Number.parseInt(hexOf(digest).slice(0, 8), 16) % turns === pass % turns
}
