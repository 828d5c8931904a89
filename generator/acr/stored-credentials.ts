import { GeneratorError } from '../errors.ts'
import { refuseWhilePending } from '../secrets/refuse-while-pending.ts'
import type { SecretStore, Slot } from '../secrets/store.ts'
import type { CloudRegistry, NewCredentials } from './cloud-registry.ts'
import { refusals } from './passwords.ts'

/**
 * Makes passwords of a token and has them stored when it returns: intents first, then Azure, then the values, so that a
 * reply that is lost is known as such by `causeway provision`.
 *
 * @param slots one, or both with one call
 * @throws {GeneratorError} `ROTATION_PENDING`, and refusals of Azure
 */
export async function generateStored(
  cloud: CloudRegistry,
  store: SecretStore,
  token: string,
  slots: readonly Slot[],
  expiry?: Date
): Promise<NewCredentials> {
  refuseWhilePending(store, token)
  const before = slots.map((slot) => store.slot(token, slot))
  const now = new Date()
  for (const slot of slots) await store.intend(token, slot, now)
  let made: NewCredentials
  try {
    made = await cloud.generateCredentials(token, slots, expiry)
  } catch (error) {
    if (error instanceof GeneratorError && refusals.has(error.code))
      for (const [index, slot] of slots.entries()) await store.takeBack(token, slot, before[index])
    throw error
  }
  for (const slot of slots) {
    const password = made.passwords[slot]
    if (password !== undefined) await store.keep(token, slot, password)
  }
  return made
}
