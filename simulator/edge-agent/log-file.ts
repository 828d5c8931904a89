import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

const kept = 200
const longestLine = 4096

/** What a module prints: a file for afterwards, and the last lines at hand. */
export class LogFile {
  readonly #lines: string[] = []
  readonly #file: WriteStream
  #rest = ''

  constructor(path: string) {
    this.#file = createWriteStream(path, { flags: 'a', mode: 0o600 })
    // A full disk must not take the pretend device down; the last lines are still in memory.
    this.#file.on('error', () => undefined)
  }

  write(chunk: Buffer | string): void {
    this.#file.write(chunk)
    const lines = (this.#rest + chunk.toString()).split('\n')
    this.#rest = (lines.pop() ?? '').slice(-longestLine)
    this.#lines.push(...lines)
    if (this.#lines.length > kept) this.#lines.splice(0, this.#lines.length - kept)
  }

  /** The last lines, the newest at the end. */
  tail(count = kept): string[] {
    return this.#lines.slice(-count)
  }

  async close(): Promise<void> {
    this.#file.end()
    await finished(this.#file).catch(() => undefined)
  }
}
