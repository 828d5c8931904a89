import { EventEmitter } from 'node:events'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from '../log/log.ts'
import { readIfPresent, writeDurably } from '../settings/durable-file.ts'
import type { RegistryEvent } from './event.ts'

export interface QueueOptions {
  /** Made where it is absent. */
  readonly folder: string
  readonly log: Log
  /** Events that are kept at most; the oldest make room. */
  readonly mostEvents?: number
}

interface Entry {
  /** Counts up, for ever. */
  readonly number: number
  readonly event: RegistryEvent
}

const line = z.object({ number: z.number(), event: z.looseObject({ id: z.string() }) })
const cursorsFile = z.record(z.string(), z.number())
const usualMost = 10_000
/** Lines that have been delivered stay in the file until there are so many of them. */
const compactAfter = 1000

/**
 * Events on their way out, over restarts and power cuts: a file that is only appended to, and beside it how far each target has
 * got. Each target gets every event in order and at least once; after a cut the last few may come again, with the same id.
 */
export class NotificationQueue extends EventEmitter<{ added: [] }> {
  readonly #file: string
  readonly #cursorsFile: string
  readonly #log: Log
  readonly #most: number
  #entries: Entry[] = []
  #cursors = new Map<string, number>()
  #last = 0
  /** Lines of the file that are no longer among the entries. */
  #stale = 0
  #handle: FileHandle | undefined
  #unwritten: Entry[] = []
  /** The file is not there, or may end in half a line: what comes after that would be lost, so it is written anew first. */
  #isTorn = true
  #cursorsChanged = false
  #writing: Promise<void> | undefined
  #dropping = false

  private constructor({ folder, log, mostEvents = usualMost }: QueueOptions) {
    super()
    this.#file = join(folder, 'queue.jsonl')
    this.#cursorsFile = join(folder, 'delivered.json')
    this.#log = log
    this.#most = mostEvents
  }

  /** Never fails: what cannot be read is told in the log, and what cannot be kept goes out from memory. */
  static async open(options: QueueOptions): Promise<NotificationQueue> {
    const queue = new NotificationQueue(options)
    await queue.#load()
    return queue
  }

  /** Who gets events from now on: one that is new begins with the next, and one that is gone is forgotten. */
  setTargets(targets: readonly string[]): void {
    if (targets.length === this.#cursors.size && targets.every((target) => this.#cursors.has(target))) return
    this.#cursors = new Map(targets.map((target) => [target, this.#cursors.get(target) ?? this.#last]))
    this.#cursorsChanged = true
    this.#forget()
    this.#write()
  }

  /** Adds an event; {@link written} says when it is durable. */
  add(event: RegistryEvent): void {
    this.#last += 1
    const entry = { number: this.#last, event }
    this.#entries.push(entry)
    this.#unwritten.push(entry)
    this.#bound()
    this.#write()
    this.emit('added')
  }

  /** The next events for a target, the oldest first, and what to give to {@link delivered} after them. */
  next(target: string, most: number): { readonly events: readonly RegistryEvent[]; readonly upTo: number } {
    const cursor = this.#cursors.get(target) ?? this.#last
    const from = this.#entries.findIndex(({ number }) => number > cursor)
    const entries = from < 0 ? [] : this.#entries.slice(from, from + most)
    return { events: entries.map(({ event }) => event), upTo: entries.at(-1)?.number ?? cursor }
  }

  /** The target has got all up to here. */
  delivered(target: string, upTo: number): void {
    const cursor = this.#cursors.get(target)
    if (cursor === undefined || upTo <= cursor) return
    this.#cursors.set(target, upTo)
    this.#cursorsChanged = true
    this.#dropping = false
    this.#forget()
    this.#write()
  }

  /** How many events wait, by target. */
  waiting(): Map<string, number> {
    return new Map(
      [...this.#cursors].map(([target, cursor]) => [
        target,
        this.#entries.filter(({ number }) => number > cursor).length
      ])
    )
  }

  /** Resolves when all that was added and delivered so far is on disk, as far as the disk takes it. */
  async written(): Promise<void> {
    await this.#writing
  }

  async close(): Promise<void> {
    await this.#writing
    // A full disk may have room again by now.
    this.#write()
    await this.#writing
    await this.#handle?.close()
    this.#handle = undefined
  }

  async #load(): Promise<void> {
    this.#cursors = new Map(Object.entries(readCursors(await this.#read(this.#cursorsFile))))
    const text = (await this.#read(this.#file)) ?? ''
    // The last line may be torn by a power cut; what was acknowledged stands before it.
    this.#entries = text.split('\n').flatMap(readLine)
    this.#last = Math.max(0, this.#entries.at(-1)?.number ?? 0, ...this.#cursors.values())
    this.#forget()
    this.#bound()
    // Most starts find nothing, and need no fsync, which takes an SD card up to a tenth of a second.
    if (text !== '') await this.#compact().catch(this.#cannotKeep)
  }

  async #read(file: string): Promise<string | undefined> {
    try {
      return await readIfPresent(file)
    } catch (error) {
      this.#log.error('notifications of an earlier start cannot be read; those that come are told all the same', {
        reason: String(error)
      })
      return undefined
    }
  }

  /** Lets go of what every target has got. */
  #forget(): void {
    const slowest = Math.min(this.#last, ...this.#cursors.values())
    const kept = this.#entries.findIndex(({ number }) => number > slowest)
    this.#drop(kept < 0 ? this.#entries.length : kept)
  }

  #bound(): void {
    const surplus = this.#entries.length - this.#most
    if (surplus <= 0) return
    if (!this.#dropping)
      this.#log.warn('too many notifications wait; the oldest are dropped until some can be delivered', {
        waiting: this.#most
      })
    this.#dropping = true
    this.#drop(surplus)
  }

  #drop(count: number): void {
    this.#entries.splice(0, count)
    this.#stale += count
  }

  /** One writer at a time; what comes meanwhile goes out together after it. */
  #write(): void {
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined))
  }

  async #writeAll(): Promise<void> {
    // What else is told in this turn goes with it.
    await Promise.resolve()
    try {
      while (this.#hasToWrite()) {
        if (this.#entries.length > 0 && this.#isTorn) await this.#compact()
        if (this.#unwritten.length > 0) await this.#append()
        if (this.#cursorsChanged) await this.#writeCursors()
        if (this.#stale >= compactAfter) await this.#compact()
      }
    } catch (error) {
      this.#cannotKeep(error)
    }
  }

  #hasToWrite(): boolean {
    return this.#unwritten.length > 0 || this.#cursorsChanged || (this.#isTorn && this.#entries.length > 0)
  }

  /** They are in memory, and go out from there; only a restart before the next write would lose them. */
  readonly #cannotKeep = (error: unknown): void =>
    this.#log.error('notifications cannot be kept on disk', { reason: String(error) })

  async #append(): Promise<void> {
    const lines = this.#unwritten.map(lineOf).join('')
    this.#unwritten = []
    // A disk that runs full takes a part.
    this.#isTorn = true
    this.#handle ??= await open(this.#file, 'a', 0o600)
    await this.#handle.writeFile(lines)
    await this.#handle.datasync()
    this.#isTorn = false
  }

  async #writeCursors(): Promise<void> {
    this.#cursorsChanged = false
    try {
      await writeDurably(this.#cursorsFile, `${JSON.stringify(Object.fromEntries(this.#cursors))}\n`)
    } catch (error) {
      this.#cursorsChanged = true
      throw error
    }
  }

  /** Writes the file anew from memory. */
  async #compact(): Promise<void> {
    const handle = this.#handle
    const lines = this.#entries.map(lineOf).join('')
    const stale = this.#stale
    this.#handle = undefined
    this.#unwritten = []
    this.#isTorn = true
    await handle?.close()
    await writeDurably(this.#file, lines)
    this.#stale -= stale
    this.#isTorn = false
  }
}

function lineOf(entry: Entry): string {
  return `${JSON.stringify(entry)}\n`
}

function readLine(text: string): Entry[] {
  if (text === '') return []
  try {
    const read = line.safeParse(JSON.parse(text))
    // Written by this program; its release may differ, and an event is passed on as it is.
    return read.success ? [read.data as unknown as Entry] : []
  } catch {
    return []
  }
}

function readCursors(text: string | undefined): Record<string, number> {
  if (text === undefined) return {}
  try {
    return cursorsFile.catch({}).parse(JSON.parse(text))
  } catch {
    return {}
  }
}
