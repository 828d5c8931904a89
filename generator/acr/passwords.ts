import { GeneratorError, type GeneratorErrorCode } from '../errors.ts'
import { slots, type SecretStore, type Slot } from '../secrets/store.ts'
import type { Acr } from './acr.ts'
import type { Outcome } from './provision.ts'

/** One slot of one token. */
export interface TokenSlot {
  readonly token: string
  readonly slot: Slot
}

/** The service may round a time when it tells it again; passwords are not made twice within this. */
const sameMoment = 60_000

/** Answers after which Azure certainly made no password. After any other it may have, and the intent stands. */
export const refusals: ReadonlySet<GeneratorErrorCode> = new Set<GeneratorErrorCode>([
  'AZURE_UNAUTHORIZED',
  'AZURE_FORBIDDEN',
  'AZURE_NOT_FOUND',
  'AZURE_THROTTLED'
])

/**
 * Sees to it that a password of this token is kept here.
 *
 * - One that is kept, and that Azure still has, stays as it is.
 * - One whose reply was lost (an intent without a value) is made again, in the same slot: nobody has it.
 * - One that Azure no longer has (the token was deleted and made anew) is made again.
 * - One that is being changed is left to `causeway rotate`.
 * - Where Azure has one that is not kept here, the other slot is used; where both are taken, it refuses, since making a
 *   password takes away the one before it, from whoever uses it.
 *
 * @param regenerate makes this slot anew, whatever is kept
 * @throws {GeneratorError} `PASSWORD_HELD_ELSEWHERE` or `PASSWORD_SUPERSEDED`
 */
export async function provisionPassword(
  acr: Acr,
  store: SecretStore,
  token: string,
  regenerate: readonly Slot[]
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  if (regenerate.length > 0 && store.rotation(token) !== undefined)
    throw new GeneratorError(
      'ROTATION_PENDING',
      `the password of token ${token} is being changed; let causeway rotate --resume end that first`
    )
  for (const slot of regenerate) outcomes.push(await generate(acr, store, { token, slot }, 'asked for'))
  if (regenerate.length > 0) return outcomes
  const rotation = store.rotation(token)
  if (rotation !== undefined)
    return [
      {
        kind: 'password',
        name: `${token}/${rotation.to}`,
        outcome: 'unchanged',
        detail: 'causeway rotate is making it'
      }
    ]
  const inAzure = (await acr.token(token))?.passwords ?? {}
  for (const slot of slots) {
    const kept = store.slot(token, slot)
    if (kept?.state === 'pending')
      outcomes.push(await generate(acr, store, { token, slot }, 'the reply to an earlier run was lost'))
    else if (kept?.state === 'stored') outcomes.push(await check(acr, store, { token, slot }, inAzure[slot], kept))
  }
  if (outcomes.length > 0) return outcomes
  const free = slots.find((slot) => inAzure[slot] === undefined)
  if (free === undefined)
    throw new GeneratorError(
      'PASSWORD_HELD_ELSEWHERE',
      `token ${token} has both passwords, and neither is in ${store.place}. Name the file that has them with --secrets, or make one anew with --regenerate ${token}/password2: whoever uses that one loses access`
    )
  return [await generate(acr, store, { token, slot: free }, undefined)]
}

async function check(
  acr: Acr,
  store: SecretStore,
  { token, slot }: TokenSlot,
  inAzure: string | undefined,
  kept: { readonly creationTime: string }
): Promise<Outcome> {
  const name = `${token}/${slot}`
  if (inAzure === undefined) return generate(acr, store, { token, slot }, 'Azure no longer had it')
  if (Math.abs(Date.parse(inAzure) - Date.parse(kept.creationTime)) > sameMoment)
    throw new GeneratorError(
      'PASSWORD_SUPERSEDED',
      `${name} was made anew elsewhere at ${inAzure}, so the one in ${store.place} no longer works. Make another with --regenerate ${name}: whoever uses that one loses access`
    )
  return { kind: 'password', name, outcome: 'unchanged' }
}

async function generate(
  acr: Acr,
  store: SecretStore,
  { token, slot }: TokenSlot,
  reason: string | undefined
): Promise<Outcome> {
  const before = store.slot(token, slot)
  await makePassword(acr, store, { token, slot })
  return {
    kind: 'password',
    name: `${token}/${slot}`,
    outcome: before === undefined ? 'created' : 'updated',
    ...(reason === undefined ? {} : { detail: reason })
  }
}

/**
 * Has Azure make a password, which is stored when it returns. Intent first, then Azure, then the value: a lost reply is known
 * as such by the next run.
 */
export async function makePassword(acr: Acr, store: SecretStore, { token, slot }: TokenSlot): Promise<void> {
  const before = store.slot(token, slot)
  await store.intend(token, slot, new Date())
  try {
    await store.keep(token, slot, await acr.generatePassword(token, slot))
  } catch (error) {
    if (error instanceof GeneratorError && refusals.has(error.code)) await store.takeBack(token, slot, before)
    throw error
  }
}
