import { GeneratorError } from '../errors.ts'
import { currentSlot, slots, type Secrets, type Slot, type StoredSecret } from './store.ts'

/**
 * The password that whoever uses a token is given now.
 *
 * @param place where passwords are kept, for the message
 * @throws {GeneratorError} `SECRET_EXPIRED` where one is kept that no longer works, `SECRET_MISSING` where none is
 */
export function currentPassword(secrets: Secrets, token: string, now: Date, place = 'the store'): string {
  const slot = currentSlot(secrets, token, now)
  const record = slot === undefined ? undefined : secrets.slot(token, slot)
  if (record?.state === 'stored') return record.value
  const [expired] = storedNewestFirst(secrets, token)
  throw expired?.secret.expiry === undefined
    ? new GeneratorError(
        'SECRET_MISSING',
        `no password of token ${token} is in ${place}; run causeway provision, or causeway secrets import`
      )
    : new GeneratorError('SECRET_EXPIRED', `${token}/${expired.slot} ${expiredSince(token, expired.secret.expiry)}`)
}

/** For what says which password it is about. */
export function expiredSince(token: string, expiry: string): string {
  return `expired on ${expiry}; make another with causeway rotate ${token}`
}

/** Every password of a token that is kept, whether it has run out or not. */
export function storedNewestFirst(
  secrets: Secrets,
  token: string
): { readonly slot: Slot; readonly secret: StoredSecret }[] {
  return slots
    .flatMap((slot) => {
      const secret = secrets.slot(token, slot)
      return secret?.state === 'stored' ? [{ slot, secret }] : []
    })
    .sort((a, b) => b.secret.creationTime.localeCompare(a.secret.creationTime))
}
