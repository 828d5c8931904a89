import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

const root = join(import.meta.dirname, '..')

/** A step of the road failed; the message is what the person reads. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
}

/** What the simulator says once it is up. */
export interface SimulatorReady {
  readonly environment: Readonly<Record<string, string>>
  /** Base URL of its control interface. */
  readonly control: string
  /** Where the pretend world keeps its files; the simulator removes it when it ends. */
  readonly folder: string
}

export interface RunningSimulator extends SimulatorReady {
  /** Comes true when it ends, asked to or not; what it said last of why. */
  readonly ended: Promise<string>
  stop(): Promise<void>
}

/** Milliseconds; the simulator is up in about one second on a small machine. */
const simulatorStartsWithin = 30_000
/** Milliseconds that a program may take to end in order. */
const endsWithin = 15_000

/**
 * Variables of whoever runs the demo that would lead its programs out of the pretend world, or the pretend world's passwords
 * into their own store: a demo must be the same for everybody.
 */
const foreign = /^(CAUSEWAY_|AZURE_|ARM_|IOTHUB_|SYSTEM_ACCESSTOKEN$|NODE_USE_ENV_PROXY$|(https?|all|no)_proxy$)/i

/**
 * Starts `simulator/main.ts` as a program of its own and waits until it says that it is ready. It ends with this process,
 * however that ends, and takes its folder along.
 *
 * @throws {StepFailed} where it ends first, or says nothing in time
 */
export async function startSimulator(signal: AbortSignal): Promise<RunningSimulator> {
  const child = spawn(process.execPath, [join(root, 'simulator/main.ts'), '--json', '--leash'], {
    env: ownEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe']
  })
  const complaints = keepTail(child)
  const ended = once(child, 'close').then(complaints)
  const stop = async (): Promise<void> => {
    await end(child, ended)
  }
  const ready = await Promise.race([
    readReady(child),
    ended.then(() => undefined),
    delay(simulatorStartsWithin, undefined, { ref: false, signal }).catch(() => undefined)
  ])
  if (ready !== undefined) return { ...ready, ended, stop }
  await stop()
  throw new StepFailed(`the simulator did not start\n${complaints()}`)
}

/**
 * Runs `causeway` as its user would and gives what it printed on standard output; what it says on standard error (progress,
 * and why it failed) goes straight to the terminal. Comes back when it has ended and not before: its files are its own until then.
 *
 * @throws {StepFailed} where it ends with another code than 0, or lives longer than `timeoutSeconds`
 */
export async function causeway(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
  timeoutSeconds = 120
): Promise<string> {
  const command = `causeway ${words.join(' ')}`
  const child = spawn(process.execPath, [join(root, 'generator/main.ts'), ...words], {
    env: { ...ownEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  const tooLong = AbortSignal.timeout(timeoutSeconds * 1000)
  const stop = (): void => void end(child, closed).catch(() => undefined)
  const stopping = AbortSignal.any([signal, tooLong])
  stopping.addEventListener('abort', stop)
  if (stopping.aborted) stop()
  try {
    const [code, killedBy] = await closed
    if (code === 0) return output
    const reason = tooLong.aborted ? `took over ${timeoutSeconds} s` : `ended with ${code ?? killedBy ?? 'nothing'}`
    throw new StepFailed(`${command} ${reason}\n${output}`)
  } catch (error) {
    throw error instanceof StepFailed ? error : new StepFailed(`${command}: ${(error as Error).message}`)
  } finally {
    stopping.removeEventListener('abort', stop)
  }
}

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}

/** Asks a program to end, and makes it where it does not. */
async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), endsWithin)
  await ended
  clearTimeout(timer)
}

async function readReady(child: ChildProcess): Promise<SimulatorReady | undefined> {
  if (child.stdout === null) return undefined
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue
    const message = JSON.parse(line) as { event?: string } & SimulatorReady
    if (message.event === 'ready') return message
  }
  return undefined
}

function keepTail(child: ChildProcess): () => string {
  let tail = ''
  child.stderr?.on('data', (bytes: Buffer) => (tail = (tail + bytes.toString()).slice(-4000)))
  return () => tail
}
