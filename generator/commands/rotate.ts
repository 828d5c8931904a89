import { twinInterval, type CommonOptions, type Context } from '../context.ts'
import { exitCodes, GeneratorError, throwAll, type ExitCode } from '../errors.ts'
import { namedInConfigToml } from '../rotation/edge-agent.ts'
import { beginRotation, chooseRotatable, pendingTokens, type RotatedToken } from '../rotation/plan.ts'
import { carryOutRotation } from '../rotation/rotate.ts'
import type { SecretStore } from '../secrets/store.ts'
import { automaticDeploymentOf, type Site } from '../site-file/site.ts'

export interface RotateOptions extends CommonOptions {
  readonly resume?: boolean
  readonly abandon?: readonly string[]
  /** The clients of these tokens have moved to the new password. */
  readonly retire?: boolean
  /** Seconds. */
  readonly timeout: number
}

/** ACR is said to take up to two minutes until it knows a new password. */
const proofTimeout = 120_000

/**
 * Changes passwords of tokens across the fleet, without a moment at which a device has none that works.
 *
 * @param names all sync tokens where none is named
 * @returns 2 where clients still have to move
 * @throws {GeneratorError} `ROTATION_PENDING` where an earlier one has not ended, `TOKEN_DISABLED`, and `PASSWORD_NOT_TAKEN`
 *   where the cloud registry does not take a new one, once the others are done
 */
export async function rotate(
  context: Context,
  names: readonly string[],
  options: RotateOptions
): Promise<ExitCode | undefined> {
  const site = await context.site()
  const store = await context.secrets(site, 'write')
  const { chosen, disabled } = chooseRotatable(site, store, names)
  if (disabled.length > 0)
    context.stderr.write(
      `passed over, since they are disabled: ${some(disabled)}; causeway revoke --undo enables one\n`
    )
  const goingOn = options.resume === true || options.abandon !== undefined || options.retire === true
  const pending = pendingTokens(site, store)
  if (goingOn && pending.length === 0) {
    context.stdout.write('no password is being changed\n')
    return undefined
  }
  if (!goingOn && pending.length > 0) throw stillPending(pending, store)
  await abandon(site, store, pending, options.abandon ?? [])
  const acr = await context.acr(site)
  if (!goingOn) await beginRotation(chosen, store, acr, new Date())
  const hub = await context.hub(site)
  const proof = await context.proof(site)
  const tokens = pendingTokens(site, store)
  const progress = await context.progress()
  const task = progress.begin('changing passwords', 3 * tokens.length)
  let done = 0
  const retired: string[] = []
  const { signal } = context.io
  try {
    const {
      waitingForClients,
      waitingForDeployments,
      notTaken = []
    } = await carryOutRotation({
      site,
      store,
      acr,
      hub,
      proof,
      proofPatience: { signal, interval: twinInterval, timeout: proofTimeout },
      devicePatience: {
        signal,
        interval: Math.max(twinInterval, Object.keys(site.devices).length * 50),
        timeout: options.timeout * 1000
      },
      movedClients: ({ name }) =>
        options.retire === true && (names.length === 0 || chosen.some((each) => each.name === name)),
      onPassword: (value) => {
        context.redaction.add(value)
      },
      tell: ({ token, step }) => {
        task.advance(++done, `${token} ${step}`)
        if (step === 'retired') retired.push(token)
        progress.print(() => void context.stdout.write(`${step.padEnd(9)} ${token}\n`))
      }
    })
    if (notTaken.length === 0) task.end('done')
    const named = namedInConfigToml(site, retired)
    if (named.length > 0)
      context.stderr.write(
        `what was taken away still stands in config.toml on ${some(named)}, which IoT Edge reads when it has no deployment: bring the new fragment of causeway generate there\n`
      )
    if (waitingForDeployments.length > 0)
      context.stdout.write(
        `edgeAgent still pulls with a password before on ${some(waitingForDeployments)}. Deploy there (causeway deploy ${some(deployments(site, waitingForDeployments), ' ')}), then take it away: causeway rotate --resume\n`
      )
    if (waitingForClients.length > 0)
      context.stdout.write(
        `both passwords of ${waitingForClients.join(', ')} work, and every device knows the new one. Give it to the clients (causeway secrets show), then take the one before away: causeway rotate ${waitingForClients.join(' ')} --retire\n`
      )
    throwAll(notTaken)
    return waitingForDeployments.length + waitingForClients.length === 0 ? undefined : exitCodes.differences
  } catch (error) {
    task.end('failed')
    throw error
  }
}

/** Of a fleet the first few: the rest is told by the next run. */
function some(names: readonly string[], separator = ', '): string {
  const most = 20
  const rest = names.length > most ? `${separator}… (${names.length} in all)` : ''
  return `${names.slice(0, most).join(separator)}${rest}`
}

/** What to tell `causeway deploy`, so that these devices get their deployments. */
function deployments(site: Site, devices: readonly string[]): readonly string[] {
  const options = devices.map((id) => {
    const automatic = automaticDeploymentOf(site, id)
    return automatic === undefined ? `--device ${id}` : `--deployment ${automatic.name}`
  })
  return [...new Set(options)]
}

function stillPending(pending: readonly RotatedToken[], store: SecretStore): GeneratorError {
  const details = pending.map(({ name, user, holders }) => {
    const devices = [...holders, ...(user === undefined ? [] : [user])].map(({ id }) => id)
    const on = devices.length === 0 ? '' : ` on ${devices.join(', ')}`
    return `ROTATION_PENDING ${name}${on}, begun at ${store.rotation(name)?.startedAt ?? ''}`
  })
  return new GeneratorError(
    'ROTATION_PENDING',
    `the passwords of ${pending.length} tokens are being changed already. Go on with causeway rotate --resume, or name devices that stay away with --abandon`,
    { details }
  )
}

/** Noted before anything else: whoever goes on later is not to wait for them again. */
async function abandon(
  site: Site,
  store: SecretStore,
  pending: readonly RotatedToken[],
  names: readonly string[]
): Promise<void> {
  for (const name of names)
    if ((site.devices[name] ?? site.relays[name]) === undefined)
      throw new GeneratorError('USAGE', `the site file has no device ${name} to abandon`)
  if (names.length === 0) return
  for (const token of pending) {
    const rotation = store.rotation(token.name)
    if (rotation === undefined) continue
    const abandoned = [...new Set([...(rotation.abandoned ?? []), ...names])].sort()
    await store.noteRotation(token.name, { ...rotation, abandoned })
  }
}
