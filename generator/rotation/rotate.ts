import type { Acr } from '../acr/acr.ts'
import { passwordExpiry } from '../acr/password-expiry.ts'
import { makePassword } from '../acr/passwords.ts'
import { waitFor, type Patience } from '../azure/wait.ts'
import { GeneratorError, throwAll } from '../errors.ts'
import type { Hub } from '../hub/hub.ts'
import { slots, storedSlots, type Rotation, type SecretStore } from '../secrets/store.ts'
import type { Device, Site } from '../site-file/site.ts'
import { atOnce } from '../hub/at-once.ts'
import { RotatedDevices } from './devices.ts'
import { EdgeAgentLogins } from './edge-agent.ts'
import { pendingTokens, type RotatedToken } from './plan.ts'
import type { Proof } from './proof.ts'

export interface RotationParts {
  readonly site: Site
  readonly store: SecretStore
  readonly acr: Acr
  readonly hub: Hub
  readonly proof: Proof
  /** How long the cloud registry may take to know a new password. */
  readonly proofPatience: Patience
  /** How long devices are waited for. */
  readonly devicePatience: Patience
  /** Tokens whose clients have moved, as somebody says who knows: nothing reports it. */
  readonly movedClients: (token: RotatedToken) => boolean
  /** Every password that is made, before anything else is done with it. */
  readonly onPassword: (value: string) => void
  readonly tell: (news: RotationNews) => void
}

export interface RotationNews {
  readonly token: string
  readonly step: 'made' | 'proved' | 'retired'
}

/** What is left for people at the end. */
export interface RotationResult {
  /** Tokens whose clients nobody has said to have moved. */
  readonly waitingForClients: readonly string[]
  /** Devices whose deployment holds a password before, by which edgeAgent pulls; it stays until they are deployed to. */
  readonly waitingForDeployments: readonly string[]
  /** Why tokens were passed over, where there are any: a `PASSWORD_NOT_TAKEN` each. They stay pending. */
  readonly notTaken?: readonly GeneratorError[]
}

/** Passwords that are made, or taken away, at one time: each takes Resource Manager some seconds, and it allows ten a second. */
const madeAtOnce = 4
/** Logins that are tried at one time. */
const proofsAtOnce = 8

/**
 * Takes every password change that is pending to its end: made, proved at the cloud registry, told to the devices, used by
 * them, and only then is the one before taken away. Each step is durable before the next, and each is done again without
 * harm: it goes on wherever another run stopped.
 *
 * @throws {GeneratorError} `TIMED_OUT` with the devices that are away, which leaves it pending
 */
export async function carryOutRotation(parts: RotationParts): Promise<RotationResult> {
  const { site, store, acr, tell } = parts
  const tokens = pendingTokens(site, store)
  await atOnce(
    tokens.filter((token) => store.slot(token.name, rotationOf(store, token).to)?.state !== 'stored'),
    madeAtOnce,
    async (token) => {
      const { provedAt, ...rotation } = rotationOf(store, token)
      // Whatever was proved before, this one was not.
      if (provedAt !== undefined) await store.noteRotation(token.name, rotation)
      const { to } = rotation
      const expiry = passwordExpiry(site, token.name, new Date())
      await makePassword(acr, store, { token: token.name, slot: to, expiry })
      const made = store.slot(token.name, to)
      if (made?.state === 'stored') parts.onPassword(made.value)
      tell({ token: token.name, step: 'made' })
    }
  )
  const notTaken = await proveAll(
    parts,
    tokens.filter((token) => rotationOf(store, token).provedAt === undefined)
  )
  const proved = tokens.filter((token) => rotationOf(store, token).provedAt !== undefined)
  if (notTaken.length === 0) return retireAsUsed(parts, proved)
  try {
    const nothing = { waitingForClients: [], waitingForDeployments: [] }
    return { ...(proved.length === 0 ? nothing : await retireAsUsed(parts, proved)), notTaken }
  } catch (error) {
    if (error instanceof GeneratorError && error.code === 'TIMED_OUT') throwAll([error, ...notTaken])
    throw error
  }
}

/**
 * Made first and proved together: what one waits for, the others have behind them. One that fails keeps the others from nothing.
 *
 * @returns why those failed that did
 */
async function proveAll(parts: RotationParts, tokens: readonly RotatedToken[]): Promise<readonly GeneratorError[]> {
  const failed: GeneratorError[] = []
  await atOnce(tokens, proofsAtOnce, async (token) => {
    // Where as many fail as are tried at one time it is the registry, and a fleet would wait for hours.
    if (failed.length >= proofsAtOnce) return
    try {
      await prove(parts, token)
      parts.tell({ token: token.name, step: 'proved' })
    } catch (error) {
      if (!(error instanceof GeneratorError) || error.code !== 'PASSWORD_NOT_TAKEN') throw error
      failed.push(error)
    }
  })
  return failed
}

function rotationOf(store: SecretStore, token: RotatedToken): Rotation {
  const rotation = store.rotation(token.name)
  if (rotation === undefined) throw new Error(`no rotation of ${token.name}, though it was pending`)
  return rotation
}

async function prove({ store, proof, proofPatience }: RotationParts, { name }: RotatedToken): Promise<void> {
  const rotation = store.rotation(name)
  const record = rotation === undefined ? undefined : store.slot(name, rotation.to)
  if (rotation === undefined || record?.state !== 'stored') return
  try {
    await waitFor(
      async () => ((await proof(name, record.value)) ? true : undefined),
      () => `the registry does not take it`,
      proofPatience
    )
  } catch (error) {
    if (!(error instanceof GeneratorError) || error.code !== 'TIMED_OUT') throw error
    throw new GeneratorError(
      'PASSWORD_NOT_TAKEN',
      `the cloud registry does not take the new ${name}/${rotation.to} after ${Math.round(proofPatience.timeout / 1000)} s; devices still use the one before. See whether the token is enabled, then go on with causeway rotate --resume`
    )
  }
  await store.noteRotation(name, { ...rotation, provedAt: new Date().toISOString() })
}

async function retireAsUsed(parts: RotationParts, tokens: readonly RotatedToken[]): Promise<RotationResult> {
  const { site, store, hub, devicePatience } = parts
  const devices = new RotatedDevices(site, store, hub)
  const edgeAgents = new EdgeAgentLogins(site, store, hub)
  const open = new Set(tokens)
  const touched = new Set<string>()
  let away: readonly string[] = []
  const result = await waitFor(
    async () => {
      const involved = [...new Set([...open].flatMap(devicesOf).map(({ id }) => id))]
      involved.forEach((id) => touched.add(id))
      await devices.look(involved)
      await devices.send(involved, (id) => [...open].some((token) => !isAbandoned(store, token, id)))
      await edgeAgents.look([...open])
      const missing = new Map<RotatedToken, string[]>()
      const notDeployed = new Map<RotatedToken, readonly string[]>()
      for (const token of open) {
        const found = devicesOf(token).flatMap((device) => {
          const what = isAbandoned(store, token, device.id) ? undefined : devices.missing(token, device)
          return what === undefined ? [] : [`${device.id} ${what}`]
        })
        const logins = edgeAgents.missing(token)
        found.push(...logins.notTaken.map((id) => `${id} has not taken its deployment yet`))
        if (found.length > 0) missing.set(token, found)
        if (logins.notDeployed.length > 0) notDeployed.set(token, logins.notDeployed)
      }
      const ready = [...open].filter((token) => !missing.has(token) && !notDeployed.has(token))
      const used = ready.filter((token) => parts.movedClients(token) || !hasOtherClients(store, token))
      await atOnce(used, madeAtOnce, async (token) => {
        await retire(parts, token)
        open.delete(token)
      })
      const waitingForDeployments = [...new Set([...notDeployed.values()].flat())]
      away = [
        ...new Set([...missing.values()].flat()),
        ...waitingForDeployments.map((id) => `${id} runs a deployment with the password before; run causeway deploy`)
      ]
      const waitingForClients = ready.filter((token) => open.has(token)).map(({ name }) => name)
      return missing.size === 0 ? { waitingForClients, waitingForDeployments } : undefined
    },
    () =>
      `${away.join('; ')}. Wait for them with causeway rotate --resume, or name those that stay away with --abandon`,
    devicePatience
  )
  // The hashes of what was taken away go too; nobody has to wait for that.
  await devices.look([...touched])
  await devices.send([...touched], () => false)
  return result
}

/** The one before is taken from the cloud registry first: where that is lost, this is done again. */
async function retire({ acr, store, tell }: RotationParts, token: RotatedToken): Promise<void> {
  const { to } = rotationOf(store, token)
  for (const slot of slots.filter((each) => each !== to)) {
    await acr.deletePassword(token.name, slot)
    await store.endRotation(token.name, slot)
  }
  tell({ token: token.name, step: 'retired' })
}

/** Whether people, whom nothing tells of, may still log in with the password before: not with one that has run out. */
function hasOtherClients(store: SecretStore, token: RotatedToken): boolean {
  const { to } = rotationOf(store, token)
  const isForPeople = token.kind === 'client' || token.kind === 'pull'
  return isForPeople && storedSlots(store, token.name, new Date()).some(({ slot }) => slot !== to)
}

function devicesOf({ user, holders }: RotatedToken): readonly Device[] {
  return user === undefined ? holders : [...holders, user]
}

function isAbandoned(store: SecretStore, token: RotatedToken, device: string): boolean {
  return store.rotation(token.name)?.abandoned?.includes(device) === true
}
