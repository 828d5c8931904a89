import { GeneratorError, type GeneratorErrorCode } from '../errors.ts'
import { refuseWhilePending } from '../secrets/refuse-while-pending.ts'
import type { SecretStore, Slot } from '../secrets/store.ts'
import type { Acr } from './acr.ts'
import { decidePasswords } from './password-decision.ts'
import type { Outcome } from './provision.ts'

/** One slot of one token. */
export interface TokenSlot {
  readonly token: string
  readonly slot: Slot
}

/** What is made in it. */
export interface PasswordToMake extends TokenSlot {
  readonly expiry: Date | undefined
}

/** Answers after which Azure certainly made no password. After any other it may have, and the intent stands. */
export const refusals: ReadonlySet<GeneratorErrorCode> = new Set<GeneratorErrorCode>([
  'AZURE_UNAUTHORIZED',
  'AZURE_FORBIDDEN',
  'AZURE_NOT_FOUND',
  'AZURE_THROTTLED'
])

/**
 * Sees to it that a password of this token is kept here, as {@link decidePasswords} has it.
 *
 * @param regenerate makes this slot anew, whatever is kept
 * @param expiry of what is made
 * @throws {GeneratorError} `PASSWORD_HELD_ELSEWHERE`, `PASSWORD_SUPERSEDED` or `ROTATION_PENDING`
 */
export async function provisionPassword(
  acr: Acr,
  store: SecretStore,
  token: string,
  regenerate: readonly Slot[],
  expiry?: Date
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  if (regenerate.length > 0) refuseWhilePending(store, token)
  for (const slot of regenerate) outcomes.push(await generate(acr, store, { token, slot, expiry }, 'asked for'))
  if (regenerate.length > 0) return outcomes
  const inAzure = store.rotation(token) === undefined ? ((await acr.token(token))?.passwords ?? {}) : {}
  // All is decided before the first is made.
  for (const { slot, action, detail } of decidePasswords(token, inAzure, store, {
    place: store.place,
    now: new Date()
  }))
    if (action === 'make') outcomes.push(await generate(acr, store, { token, slot, expiry }, detail))
    else
      outcomes.push({
        kind: 'password',
        name: `${token}/${slot}`,
        outcome: 'unchanged',
        ...(detail === undefined ? {} : { detail })
      })
  return outcomes
}

async function generate(
  acr: Acr,
  store: SecretStore,
  { token, slot, expiry }: PasswordToMake,
  reason: string | undefined
): Promise<Outcome> {
  const before = store.slot(token, slot)
  await makePassword(acr, store, { token, slot, expiry })
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
export async function makePassword(
  acr: Acr,
  store: SecretStore,
  { token, slot, expiry }: PasswordToMake
): Promise<void> {
  const before = store.slot(token, slot)
  await store.intend(token, slot, new Date())
  try {
    await store.keep(token, slot, await acr.generatePassword(token, slot, expiry))
  } catch (error) {
    if (error instanceof GeneratorError && refusals.has(error.code)) await store.takeBack(token, slot, before)
    throw error
  }
}
