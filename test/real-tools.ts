import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Ran } from './world.ts'

/** How long one command of a real tool may take, in milliseconds. */
const patience = 60_000

export type Variables = Readonly<Record<string, string | undefined>>

/** Whether a command can be started at all. */
export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore', timeout: patience }).error === undefined
}

/** Says why a suite is passed over, and passes it over: for a `before` hook. */
export function skip(context: Mocha.Context, reason: string): never {
  console.log(`    skipped: ${reason}`)
  context.skip()
}

/**
 * Runs a command to its end, or kills it when it takes too long.
 *
 * @param environment the whole of it, but for `PATH`
 * @param input what it reads from its standard input: the place for passwords, which other users see in arguments
 * @param milliseconds how long it may take
 * @throws {Error} where it cannot be started or does not end
 */
export async function run(
  command: string,
  words: readonly string[],
  environment: Variables = {},
  input = '',
  milliseconds = patience
): Promise<Ran> {
  const child = spawn(command, words, { env: { PATH: process.env['PATH'], ...environment }, stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // Who ends without reading breaks the pipe; the exit code tells why.
  child.stdin.on('error', () => undefined).end(input)
  const late = setTimeout(() => child.kill('SIGKILL'), milliseconds)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    if (signal !== null) throw new Error(`${command} ${words.join(' ')} was ended by ${signal}\n${stdout}\n${stderr}`)
    return { code, stdout, stderr }
  } finally {
    clearTimeout(late)
  }
}

/**
 * The same, for a command that a test needs and does not judge.
 *
 * @returns what it prints, without the line's end
 * @throws {Error} with all it said where it does not end well
 */
export async function mustRun(
  command: string,
  words: readonly string[],
  environment: Variables = {},
  input = '',
  milliseconds = patience
): Promise<string> {
  const { code, stdout, stderr } = await run(command, words, environment, input, milliseconds)
  if (code !== 0) throw new Error(`${command} ${words.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
  return stdout.trimEnd()
}

/** A program that runs until it is told to end, and what it says meanwhile. */
export class Program {
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  #said = ''

  /** @param environment the whole of it, but for `PATH` */
  constructor(command: string, words: readonly string[], environment: Variables = {}) {
    const child = spawn(command, words, {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text
        child.emit('said')
      })
    this.#child = child
    this.#ended = new Promise((resolve) => {
      child.once('close', resolve)
      child.once('error', (error) => {
        this.#said += error.message
        resolve(null)
      })
    })
  }

  /** All of its output so far. */
  get said(): string {
    return this.#said
  }

  /** Its exit code, or null where a signal ended it or it never began. */
  get ended(): Promise<number | null> {
    return this.#ended
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /**
   * Waits until its output has something.
   *
   * @param after where in {@link said} to begin: its length before the deed whose effect is waited for
   * @throws {Error} with all of the output, where the program ends first or too much time goes by
   */
  async says(pattern: RegExp, after = 0): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(patience)
    for (;;) {
      const found = pattern.exec(this.#said.slice(after))
      if (found !== null) return found
      const news = await Promise.race([
        once(this.#child, 'said', { signal: deadline }).then(
          () => undefined,
          () => 'in time'
        ),
        this.#ended.then(() => 'before its end')
      ])
      if (news !== undefined && !pattern.test(this.#said.slice(after)))
        throw new Error(`it did not say ${String(pattern)} ${news}:\n${this.#said.slice(after)}`)
    }
  }

  /** For what a program does on a signal without ending. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Its process id, for what the system knows of it. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /**
   * Asks it to end, and kills it when it does not.
   *
   * @returns its exit code, or null where a signal ended it
   */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal)
    const late = setTimeout(() => this.#child.kill('SIGKILL'), patience)
    try {
      return await this.#ended
    } finally {
      clearTimeout(late)
    }
  }
}
