import { mkdir, open, rename, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../log/log.ts'

/** Facts of one event. Never a secret. */
export type AuditFacts = Readonly<Record<string, string | number | undefined>> & { readonly correlationId: string }

export interface AuditLogOptions {
  /** Made where it is absent; holds `audit.jsonl`, and older ones as `audit.1.jsonl` and so on. */
  readonly folder: string
  readonly log: Log
  /** Milliseconds between two batches. */
  readonly batchEvery?: number
  /** Bytes after which a file is put aside. */
  readonly largestFile?: number
  readonly now?: () => Date
}

/** Files that are put aside; with the default size 60 MB in all. */
const mostOldFiles = 5
/** Kinds of events in one batch; what comes after is only counted, so that a flood costs neither memory nor disk. */
const mostKinds = 1000
/** Kinds that a refusal may be: names a guesser makes up leave room for what others do. */
const mostRefusals = 200

/** Ids that one line has, where many requests were the same; beyond them only the count tells of them. */
const mostIds = 20

interface Counted {
  readonly facts: Omit<AuditFacts, 'correlationId'>
  readonly time: string
  readonly correlationIds: Set<string>
  count: number
}

/**
 * A record that is only ever appended to: one JSON object a line, with `time` (UTC) and the facts; events of one batch that
 * are the same are one line with a `count`, and the `correlationIds` of the first of them. Written in batches, each synced to the disk: an event outlives a power cut from a
 * few seconds after it.
 */
export class AuditLog {
  readonly #folder: string
  readonly #log: Log
  readonly #batchEvery: number
  readonly #largestFile: number
  readonly #now: () => Date
  readonly #waiting = new Map<string, Counted>()
  #refusals = 0
  #unlisted = 0
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> = Promise.resolve()
  #file: { readonly handle: FileHandle; size: number } | undefined
  #failing = false
  #closed = false

  constructor({ folder, log, batchEvery = 2000, largestFile = 10_000_000, now = () => new Date() }: AuditLogOptions) {
    this.#folder = folder
    this.#log = log
    this.#batchEvery = batchEvery
    this.#largestFile = largestFile
    this.#now = now
  }

  /** Takes down an event; the disk follows with the next batch. Never throws. */
  readonly record = ({ correlationId, ...facts }: AuditFacts): void => {
    if (this.#closed) return
    const key = Object.values(facts).join('\0')
    const same = this.#waiting.get(key)
    const refused = Number(facts['result']) >= 400
    if (same !== undefined) {
      same.count += 1
      if (same.correlationIds.size < mostIds) same.correlationIds.add(correlationId)
    } else if (this.#waiting.size >= mostKinds || (refused && this.#refusals >= mostRefusals)) this.#unlisted += 1
    else {
      if (refused) this.#refusals += 1
      const time = this.#now().toISOString()
      this.#waiting.set(key, { facts, time, correlationIds: new Set([correlationId]), count: 1 })
    }
    this.#timer ??= setTimeout(() => void this.flush(), this.#batchEvery).unref()
  }

  /** Writes what is waiting, after what is being written. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#turn = this.#turn.then(() => this.#write())
    return this.#turn
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.flush()
    await this.#file?.handle.close()
    this.#file = undefined
  }

  async #write(): Promise<void> {
    const lines = [...this.#waiting.values()].map(({ facts, time, correlationIds, count }) =>
      JSON.stringify({ time, ...facts, correlationIds: [...correlationIds], ...(count === 1 ? {} : { count }) })
    )
    if (this.#unlisted > 0) lines.push(JSON.stringify({ time: this.#now().toISOString(), unlisted: this.#unlisted }))
    if (lines.length === 0) return
    const taken = [...this.#waiting.values()].reduce((sum, { count }) => sum + count, this.#unlisted)
    this.#waiting.clear()
    this.#refusals = 0
    this.#unlisted = 0
    const bytes = Buffer.from(`${lines.join('\n')}\n`)
    try {
      const file = await this.#current()
      await file.handle.appendFile(bytes)
      await file.handle.datasync()
      file.size += bytes.length
      if (this.#failing) this.#log.info('the audit log is written again')
      this.#failing = false
    } catch (error) {
      // Kept as a number only: a disk that is full for days must not fill the memory too.
      this.#unlisted += taken
      await this.#giveUpFile()
      if (!this.#failing)
        this.#log.error('the audit log cannot be written; events are only counted until it can', {
          reason: error instanceof Error ? error.message : String(error)
        })
      this.#failing = true
    }
  }

  async #current(): Promise<{ readonly handle: FileHandle; size: number }> {
    if (this.#file !== undefined && this.#file.size < this.#largestFile) return this.#file
    await this.#giveUpFile()
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const size = await stat(this.#path()).then(
      (found) => found.size,
      () => 0
    )
    if (size >= this.#largestFile) await this.#putAside()
    const handle = await open(this.#path(), 'a', 0o600)
    this.#file = { handle, size: (await handle.stat()).size }
    return this.#file
  }

  async #putAside(): Promise<void> {
    for (let number = mostOldFiles; number >= 1; number -= 1) {
      const older = number === 1 ? this.#path() : this.#path(number - 1)
      await rename(older, this.#path(number)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      })
    }
  }

  async #giveUpFile(): Promise<void> {
    const { handle } = this.#file ?? {}
    this.#file = undefined
    await handle?.close().catch(() => undefined)
  }

  #path(number?: number): string {
    return join(this.#folder, number === undefined ? 'audit.jsonl' : `audit.${number}.jsonl`)
  }
}
