import { GeneratorError } from '../errors.ts'
import { expiredSince } from '../secrets/current-password.ts'
import { slots, type Secrets, type Slot } from '../secrets/store.ts'
import type { TokenState } from './acr.ts'

/** What `causeway provision` does with one slot of a token. */
export interface PasswordDecision {
  readonly slot: Slot
  readonly action: 'keep' | 'make'
  readonly detail?: string
}

/** The service may round a time when it tells it again; passwords are not made twice within this. */
const sameMoment = 60_000

/**
 * What `provision` does, and `plan` shows, so that a password of this token is kept here.
 *
 * - One that is kept, and that Azure still has, stays as it is, also when it has run out: `causeway rotate` brings another to
 *   whoever uses it.
 * - One whose reply was lost (an intent without a value) is made again, in the same slot: nobody has it.
 * - One that Azure no longer has (the token was deleted and made anew) is made again.
 * - One that is being changed is left to `causeway rotate`.
 * - Where Azure has one that is not kept here, the other slot is used; where both are taken, it refuses, since making a
 *   password takes away the one before it, from whoever uses it.
 *
 * @param inAzure when Azure made the password of each slot
 * @param place where passwords are kept, for messages
 * @throws {GeneratorError} `PASSWORD_HELD_ELSEWHERE` or `PASSWORD_SUPERSEDED`
 */
export function decidePasswords(
  token: string,
  inAzure: TokenState['passwords'],
  secrets: Secrets,
  { place, now }: { readonly place: string; readonly now: Date }
): readonly PasswordDecision[] {
  const rotation = secrets.rotation?.(token)
  if (rotation !== undefined) return [{ slot: rotation.to, action: 'keep', detail: 'causeway rotate is making it' }]
  const decisions = slots.flatMap((slot): PasswordDecision[] => {
    const kept = secrets.slot(token, slot)
    if (kept === undefined) return []
    if (kept.state === 'pending') return [{ slot, action: 'make', detail: 'the reply to an earlier run was lost' }]
    const made = inAzure[slot]
    if (made === undefined) return [{ slot, action: 'make', detail: 'Azure no longer had it' }]
    if (Math.abs(Date.parse(made) - Date.parse(kept.creationTime)) > sameMoment)
      throw new GeneratorError(
        'PASSWORD_SUPERSEDED',
        `${token}/${slot} was made anew elsewhere at ${made}, so the one in ${place} no longer works. Make another with --regenerate ${token}/${slot}: whoever uses that one loses access`
      )
    const expired = kept.expiry !== undefined && new Date(kept.expiry) <= now ? kept.expiry : undefined
    return [{ slot, action: 'keep', ...(expired === undefined ? {} : { detail: expiredSince(token, expired) }) }]
  })
  if (decisions.length > 0) return decisions
  const free = slots.find((slot) => inAzure[slot] === undefined)
  if (free === undefined)
    throw new GeneratorError(
      'PASSWORD_HELD_ELSEWHERE',
      `token ${token} has both passwords, and neither is in ${place}. Name the file that has them with --secrets, or make one anew with --regenerate ${token}/password2: whoever uses that one loses access`
    )
  return [{ slot: free, action: 'make' }]
}
