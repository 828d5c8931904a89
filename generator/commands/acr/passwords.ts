import type { CloudRegistry, NewCredentials } from '../../acr/cloud-registry.ts'
import { GeneratorError } from '../../errors.ts'
import type { Slot } from '../../secrets/store.ts'
import type { Invocation } from './invocation.ts'
import { isArray, isObject, type JsonObject } from './json.ts'
import { credentialsShape } from './shapes.ts'

/** Under which name a registry's passwords are kept: the same as `causeway provision` has. */
export async function loginServerOf(cloud: CloudRegistry): Promise<string> {
  const { loginServer } = await cloud.get()
  if (loginServer === undefined)
    throw new GeneratorError('AZURE_REFUSED', `registry ${cloud.address.name} has no login server yet; try again`)
  return loginServer.toLowerCase()
}

/** New passwords in az's shape; into the log of a CI without their values, and with a word on where they are. */
export function shownCredentials(call: Invocation, made: NewCredentials, storedIn: string): JsonObject {
  const shape = credentialsShape(made.result)
  const passwords = isArray(shape['passwords']) ? shape['passwords'] : []
  const shown = passwords.filter(isObject).map((password) => {
    const value = password['value']
    return typeof value === 'string' ? { ...password, value: call.secret(value) } : password
  })
  const hidden = shown.some(({ value }) => value === null)
  noteStored(call, `the passwords of ${made.username}`, storedIn, hidden)
  return { ...shape, passwords: shown }
}

export function noteStored(call: Invocation, what: string, storedIn: string, hidden: boolean): void {
  if (hidden)
    // Not left out with --only-show-errors: whoever expected a password has to know why there is none.
    call.context.stderr.write(
      `NOTE: ${what} are in ${storedIn}, and not printed into the log of a CI; --show-secrets prints them\n`
    )
  else
    call.warn(`${what} are kept in ${storedIn}. Azure shows them this once, and it may take a minute until they work.`)
}

/** Takes passwords that no longer work out of the store, where they are kept. */
export async function forget(
  call: Invocation,
  cloud: CloudRegistry,
  token: string,
  slots: readonly Slot[]
): Promise<void> {
  const owner = { loginServer: await loginServerOf(cloud) }
  const kept = await call.context.secrets(owner, 'read')
  const stale = slots.filter((slot) => kept.slot(token, slot) !== undefined)
  const rotated = kept.rotation(token)
  if (stale.length === 0 && rotated === undefined) return
  const store = await call.context.secrets(owner, 'write')
  // A change of password that was under way has nothing left to change.
  if (rotated !== undefined) await store.endRotation(token, rotated.to)
  for (const slot of stale) await store.takeBack(token, slot, undefined)
  if (stale.length > 0) call.warn(`${stale.join(' and ')} of ${token} went from ${store.place} too.`)
}
