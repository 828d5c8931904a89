import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import {
  childName,
  invalidProperty,
  optionalString,
  registryId,
  required,
  type ArmContext,
  type Call,
  type Reply
} from './context.ts'
import { ArmError } from './errors.ts'
import type { Password, PasswordSlot, Token } from './state.ts'
import { parseStamp, stamp, withOffset } from './timestamps.ts'

/** What the service was seen to use: `=` may stand anywhere (arm-wire §5). */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='
const passwordLength = 32

/** `POST …/generateCredentials`, whose body has no `properties` (arm-wire §5). */
export function generateCredentials(context: ArmContext, call: Call): Reply {
  if (call.method !== 'POST') throw new ArmError('MethodNotAllowed', `${call.method} is not supported here.`)
  const tokenId = required(optionalString(call.body, 'tokenId'), 'tokenId')
  const name = childName(context, call.registry, 'tokens', tokenId)
  const token = name === undefined ? undefined : call.registry.tokens.get(name.toLowerCase())
  if (token === undefined || token.provisioningState === 'Deleting')
    throw new ArmError('TokenNotFound', `The token ${tokenId} could not be found.`)
  const slots = readSlots(optionalString(call.body, 'name'))
  const expiry = readExpiry(optionalString(call.body, 'expiry'))
  const now = context.now()
  const creationTime = stamp(now)
  const passwords = slots.map((slot) => {
    const value = generate()
    store(token, slot, value, { creationTime, validFrom: now + context.knobs.passwordReplication * 1000, expiry })
    return {
      creationTime: withOffset(creationTime),
      ...(expiry === undefined ? {} : { expiry: withOffset(expiry.stamp) }),
      name: slot,
      value
    }
  })
  const body = { username: token.name, passwords }
  if (!context.knobs.specMode) return { status: 200, body, kind: 'registries' }
  const id = registryId(context, call.registry)
  const headers = context.operations.startLocation(
    `${id}/operationStatuses`,
    'registries',
    call.apiVersion,
    () => body,
    { resourceId: tokenId }
  )
  return { status: 202, headers, kind: 'registries' }
}

/**
 * Gives a token a password that works at once.
 *
 * @returns its value, which is kept nowhere
 */
export function issuePassword(token: Token, slot: PasswordSlot, now: number): string {
  const value = generate()
  store(token, slot, value, { creationTime: stamp(now), validFrom: now, expiry: undefined })
  return value
}

/**
 * Whether `value` is a password of the token that works now.
 *
 * @param now milliseconds
 */
export function acceptsPassword(token: Token, value: string, now: number): boolean {
  let accepted = false
  // Every slot is always tried, so that the time taken does not tell which one it was.
  for (const password of token.passwords.values()) {
    const current = now >= password.validFrom ? password : password.before
    if (current !== undefined && matches(current, value) && now < (current.expiry?.milliseconds ?? Infinity))
      accepted = true
  }
  return accepted
}

function store(
  token: Token,
  slot: PasswordSlot,
  value: string,
  about: { creationTime: Password['creationTime']; validFrom: number; expiry: Password['expiry'] }
): void {
  const salt = randomBytes(16)
  const before = token.passwords.get(slot)
  // Generated anew, a slot moves to the end: the position in the list says nothing about the slot (arm-wire §4).
  token.passwords.delete(slot)
  token.passwords.set(slot, {
    salt,
    hash: digest(salt, value),
    creationTime: about.creationTime,
    validFrom: about.validFrom,
    ...(about.expiry === undefined ? {} : { expiry: about.expiry }),
    ...(before === undefined ? {} : { before: withoutBefore(before) })
  })
}

function withoutBefore(password: Password): Password {
  const { before: _, ...rest } = password
  return rest
}

/** One round is enough: the values are random, not chosen. */
function digest(salt: Buffer, value: string): Buffer {
  return createHash('sha256').update(salt).update(value).digest()
}

function matches(password: Password, value: string): boolean {
  return timingSafeEqual(password.hash, digest(password.salt, value))
}

function generate(): string {
  return Array.from({ length: passwordLength }, () => alphabet[randomInt(alphabet.length)]).join('')
}

function readSlots(name: string | undefined): readonly PasswordSlot[] {
  if (name === undefined) return ['password1', 'password2']
  if (name !== 'password1' && name !== 'password2') throw invalidProperty('name', "must be 'password1' or 'password2'")
  return [name]
}

function readExpiry(text: string | undefined): ReturnType<typeof parseStamp> {
  if (text === undefined) return undefined
  const expiry = parseStamp(text)
  if (expiry === undefined) throw invalidProperty('expiry', 'must be a date and time')
  return expiry
}
