import type { Acr } from '../acr/acr.ts'
import { artifactOf } from '../deployment/settings-artifact.ts'
import { GeneratorError } from '../errors.ts'
import { atOnce } from '../hub/at-once.ts'
import { storedNewestFirst } from '../secrets/current-password.ts'
import { currentSlot, slots, storedSlots, type SecretStore, type Slot } from '../secrets/store.ts'
import { settingsPushToken, type Device, type Site } from '../site-file/site.ts'

/** Tokens looked at in Azure at one time. */
const readsAtOnce = 8

/** A token of the site, and who holds something of it. */
export interface RotatedToken {
  readonly name: string
  /**
   * `sync`: a device logs in to its parent with it. `client`: people do, to devices. `pull`: IoT Edge itself does. `push`: nobody but
   * causeway, with settings that are too large for a twin.
   */
  readonly kind: 'sync' | 'client' | 'pull' | 'push'
  /** The device that logs in with it. */
  readonly user?: Device
  /** The devices whose settings hold its hashes, so that others can log in there. */
  readonly holders: readonly Device[]
}

/** Every token of the site. */
export function tokensOf(site: Site): readonly RotatedToken[] {
  const devices = Object.values(site.devices)
  return [
    ...devices.map((device): RotatedToken => {
      const parent = device.parent === undefined ? undefined : site.devices[device.parent]
      return { name: device.syncToken, kind: 'sync', user: device, holders: parent === undefined ? [] : [parent] }
    }),
    ...Object.keys(site.tokens).map((name): RotatedToken => ({
      name,
      kind: 'client',
      holders: devices.filter((device) => device.tokens.includes(name))
    })),
    { name: site.pullToken.name, kind: 'pull', holders: devices.filter(({ relays }) => relays.length > 0) },
    ...(devices.some((device) => artifactOf(site, device) !== undefined)
      ? [{ name: settingsPushToken, kind: 'push' as const, holders: [] }]
      : [])
  ]
}

/**
 * The tokens a rotation is for.
 *
 * @param names all sync tokens where none is named
 * @throws {GeneratorError} `USAGE`
 */
export function chooseTokens(site: Site, names: readonly string[]): readonly RotatedToken[] {
  const all = tokensOf(site)
  if (names.length === 0) return all.filter(({ kind }) => kind === 'sync')
  return names.map((name) => {
    const token = all.find((each) => each.name.toLowerCase() === name.toLowerCase())
    if (token !== undefined) return token
    throw new GeneratorError(
      'USAGE',
      `the site file has no token ${name}; it has ${all.map((each) => each.name).join(', ')}`
    )
  })
}

/** The tokens that a change of passwords is for, and those that it leaves as they are. */
export interface RotatableTokens {
  readonly chosen: readonly RotatedToken[]
  /** Names of tokens that are disabled, whose passwords change when they are enabled again. */
  readonly disabled: readonly string[]
}

/**
 * Of the tokens that {@link chooseTokens} gives, those whose passwords can be changed: the cloud registry takes no password of a
 * disabled one, so that a new one could not be proved.
 *
 * @throws {GeneratorError} `USAGE`, or `TOKEN_DISABLED` where one that is named is
 */
export function chooseRotatable(site: Site, store: SecretStore, names: readonly string[]): RotatableTokens {
  const all = chooseTokens(site, names)
  const isChosen = new Set(all.map(({ name }) => name))
  const disabled = tokensOf(site)
    .map(({ name }) => name)
    .filter((name) => isDisabled(site, store, name) && (isChosen.has(name) || store.rotation(name) !== undefined))
  const named = names.length === 0 ? undefined : disabled.find((name) => isChosen.has(name))
  if (named !== undefined)
    throw new GeneratorError(
      'TOKEN_DISABLED',
      `token ${named} is disabled, and the cloud registry would take no new password of it. Enable it first: ${
        store.isRevoked(named) ? `causeway revoke ${named} --undo` : 'status of the site file, and causeway provision'
      }`
    )
  return { chosen: all.filter(({ name }) => !disabled.includes(name)), disabled }
}

/** The tokens whose password is being changed, but for those that have been disabled since: they go on when they are enabled. */
export function pendingTokens(site: Site, store: SecretStore): readonly RotatedToken[] {
  return tokensOf(site).filter(({ name }) => store.rotation(name) !== undefined && !isDisabled(site, store, name))
}

function isDisabled(site: Site, store: SecretStore, token: string): boolean {
  return store.isRevoked(token) || site.tokens[token]?.status === 'disabled'
}

/**
 * Begins to change the passwords of these tokens: after it, each has a record of it, and nothing else has happened. All are
 * looked at before the first is begun.
 *
 * @throws {GeneratorError} `SECRET_MISSING`, `PASSWORD_HELD_ELSEWHERE` or `PASSWORDS_BOTH_TAKEN`
 */
export async function beginRotation(
  tokens: readonly RotatedToken[],
  store: SecretStore,
  acr: Acr,
  now: Date
): Promise<void> {
  const begun = await atOnce(tokens, readsAtOnce, async (token) => ({
    name: token.name,
    to: await freeSlot(token, store, acr, now)
  }))
  // With one write where the store can: all are begun, or none.
  await Promise.all(begun.map(({ name, to }) => store.beginRotation(name, { to, startedAt: now.toISOString() })))
}

/** The slot that is not in use. What is in it, if anything, is made anew, so it must be known that nobody uses it. */
async function freeSlot(token: RotatedToken, store: SecretStore, acr: Acr, now: Date): Promise<Slot> {
  const { name } = token
  // Where all have run out, the newest: there may be devices that have not looked since.
  const used = currentSlot(store, name, now) ?? storedNewestFirst(store, name)[0]?.slot
  if (used === undefined)
    throw new GeneratorError(
      'SECRET_MISSING',
      `no password of token ${name} is in ${store.place}; run causeway provision, or causeway secrets import`
    )
  const to = slots.find((slot) => slot !== used) ?? 'password2'
  const inAzure = (await acr.token(name))?.passwords ?? {}
  if (inAzure[to] !== undefined && store.slot(name, to) === undefined)
    throw new GeneratorError(
      'PASSWORD_HELD_ELSEWHERE',
      `${name}/${to} was made elsewhere, and whoever uses it would lose access. Take it in with causeway secrets import, or delete it with causeway acr token credential delete -n ${name} --${to}`
    )
  // Devices log in with the newest, people with either.
  if ((token.kind === 'client' || token.kind === 'pull') && storedSlots(store, name, now).length > 1)
    throw new GeneratorError(
      'PASSWORDS_BOTH_TAKEN',
      `token ${name} has both passwords, and nobody here knows which of them its clients use. Delete the one they do not with causeway acr token credential delete -n ${name} --${to}`
    )
  return to
}
