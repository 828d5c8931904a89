import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'

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
}

export interface RunningSimulator extends SimulatorReady {
  stop(): Promise<void>
}

/** Milliseconds; the simulator is up in about one second on a small machine. */
const simulatorStartsWithin = 30_000

/**
 * Starts `simulator/main.ts` as a program of its own and waits until it says that it is ready.
 *
 * @throws {StepFailed} where it ends first, or says nothing in time
 */
export async function startSimulator(folder: string): Promise<RunningSimulator> {
  const child = spawn(process.execPath, [join(root, 'simulator/main.ts'), '--json', '--folder', folder], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const complaints = keepTail(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
  }
  const ready = await Promise.race([
    readReady(child),
    ended.then(() => undefined),
    new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), simulatorStartsWithin).unref())
  ])
  if (ready !== undefined) return { ...ready, stop }
  await stop()
  throw new StepFailed(`the simulator did not start\n${complaints()}`)
}

/**
 * Runs `causeway` as its user would and gives what it printed on standard output; what it says on standard error (progress)
 * goes straight to the terminal.
 *
 * @throws {StepFailed} where it ends with another code than 0, or lives longer than `timeoutSeconds`
 */
export function causeway(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
  timeoutSeconds = 60
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'generator/main.ts'), ...words], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: timeoutSeconds * 1000,
      signal
    })
    let output = ''
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
    child.once('error', (error) => reject(new StepFailed(`causeway ${words.join(' ')}: ${error.message}`)))
    child.once('close', (code, killedBy) => {
      if (code === 0) resolve(output)
      else reject(new StepFailed(`causeway ${words.join(' ')} ended with ${code ?? killedBy ?? 'nothing'}\n${output}`))
    })
  })
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
