import type { Log } from './log/log.ts'
import type { Parent } from './parent/parent.ts'
import type { Repository, Tag } from './oci/name.ts'
import type { RegistryOptions } from './registry/registry.ts'
import type { Settings } from './settings/document.ts'
import { parseDuration } from './settings/duration.ts'
import type { UpwardEntry, UpwardNews, UpwardTrouble } from './status/events.ts'
import type { Status } from './status/status.ts'
import type { IndexChange, Storage } from './storage/storage.ts'
import { Allowance } from './sync/allowance.ts'
import { heldImage } from './sync/held.ts'
import { systemClock } from './sync/system-clock.ts'
import type { LocalPushes } from './sync/upward/ports.ts'
import { UpwardQueue } from './sync/upward/queue.ts'
import { recordDeeds } from './sync/upward/recording.ts'
import { Upward } from './sync/upward/upward.ts'
import { describeDeed } from './sync/upward/item.ts'

export interface UpwardKeeperOptions {
  /** What sync and clients write to. */
  readonly content: Storage
  readonly parent: (correlationId?: string) => Parent | undefined
  readonly status: Pick<Status, 'setUpward' | 'observe'>
  readonly log: Log
}

/** ACR's default (connected-registry.md §1). */
const usualLife = 'P2D'
/** Milliseconds. */
const tellAfter = 200

/** Joins what clients push and delete with the way up to the parent: the queue between them, and what is told of it. */
export class UpwardKeeper {
  /** What clients write to: their pushes and deletes are queued with what they do. */
  readonly content: RegistryOptions['content']
  /** Of both ways together. */
  readonly allowance: Allowance
  readonly #options: UpwardKeeperOptions
  readonly #queue: UpwardQueue
  readonly #upward: Upward
  #mode: Settings['mode'] = 'ReadOnly'
  #telling: NodeJS.Timeout | undefined

  private constructor(options: UpwardKeeperOptions, queue: UpwardQueue) {
    const { content, parent, log } = options
    this.#options = options
    this.#queue = queue
    this.allowance = new Allowance(systemClock, content.index)
    this.#upward = new Upward({
      queue,
      content,
      parent,
      allowance: this.allowance,
      log,
      clock: systemClock,
      onChange: () => this.#tellSoon()
    })
    const { index } = content
    // A device without a parent has nobody to tell: what is pushed there is its own.
    const record = recordDeeds<IndexChange & { kind: RecordedKind }>(content, queue, () => this.#isRecording())
    this.content = {
      ...content,
      index: {
        repositories: (page) => index.repositories(page),
        tags: (repository, page) => index.tags(repository, page),
        tag: (repository, tag) => index.tag(repository, tag),
        manifest: (repository, digest) => index.manifest(repository, digest),
        hasBlob: (repository, digest) => index.hasBlob(repository, digest),
        holders: (digest) => index.holders(digest),
        referrers: (repository, subject, page) => index.referrers(repository, subject, page),
        apply: async (changes) => {
          await record(changes)
          for (const change of changes)
            if (change.kind === 'setTag' || change.kind === 'removeTag')
              this.#tellOfTag(change.repository, change.tag).catch((error: unknown) =>
                log.debug('what was pushed cannot be looked at', { reason: String(error) })
              )
        }
      }
    }
    this.#tell()
  }

  static async open(options: UpwardKeeperOptions): Promise<UpwardKeeper> {
    return new UpwardKeeper(options, await UpwardQueue.open(options.content.index, options.log))
  }

  /** For the way down. */
  get pushes(): LocalPushes {
    return this.#queue.pushes
  }

  configure(settings: Settings | undefined): void {
    this.#mode = settings?.mode ?? 'ReadOnly'
    const { schedule, window, messageTtl = usualLife } = settings?.sync ?? {}
    this.#upward.configure({ schedule, window, timeToLive: parseDuration(messageTtl) ?? 0 })
  }

  start(): void {
    this.#upward.start()
  }

  sendNow(): void {
    this.#upward.sendNow()
  }

  setPaused(paused: boolean): void {
    this.#upward.setPaused(paused)
  }

  parentAnswers(): void {
    this.#upward.parentAnswers()
  }

  /** Everything by name: what waits in order, and then the newest of what did not go up as it was meant to. */
  entries(): UpwardEntry[] {
    const waiting = this.#queue.items().map((item): UpwardEntry => {
      const setback = this.#queue.setback(item)
      return {
        what: describeDeed(item),
        state: setback?.parked === true ? 'parked' : 'waiting',
        ...('digest' in item ? { digest: item.digest } : {}),
        bytes: item.bytes,
        at: iso(item.at),
        ...(setback === undefined ? {} : { reason: setback.reason, nextAttemptAt: iso(setback.nextAt) })
      }
    })
    return [...waiting, ...this.#troubles()]
  }

  /** For metrics. */
  figures(): UpwardNews & { readonly bytesSent: number } {
    const { history } = this.#queue
    const { bytesSent, nextAt, ...state } = this.#upward.state
    const items = this.#queue.items()
    const parked = items.flatMap((item): UpwardTrouble[] => {
      const setback = this.#queue.setback(item)
      if (setback?.parked !== true) return []
      const { reason, nextAt: next } = setback
      return [{ what: describeDeed(item), state: 'parked', reason, at: iso(item.at), nextAttemptAt: iso(next) }]
    })
    return {
      waiting: items.length,
      bytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
      ...(items[0] === undefined ? {} : { oldestAt: iso(items[0].at) }),
      parked: parked.length,
      ...history.counts,
      ...state,
      ...(nextAt === undefined ? {} : { nextAt: iso(nextAt) }),
      troubles: [...parked, ...this.#troubles()],
      bytesSent
    }
  }

  async stop(): Promise<void> {
    await this.#upward.stop()
    clearTimeout(this.#telling)
  }

  #troubles(): UpwardTrouble[] {
    return this.#queue.history.troubles.map(({ kind, at, ...trouble }) => ({ ...trouble, state: kind, at: iso(at) }))
  }

  #isRecording(): boolean {
    return this.#mode === 'ReadWrite' && this.#options.parent() !== undefined
  }

  /** A client that pushes a hundred tags must not have the whole queue summed up a hundred times. */
  #tellSoon(): void {
    this.#telling ??= setTimeout(() => this.#tell(), tellAfter).unref()
  }

  #tell(): void {
    clearTimeout(this.#telling)
    this.#telling = undefined
    const { bytesSent: _bytesSent, ...news } = this.figures()
    const { waiting, delivered, conflicts, expired } = news
    if (waiting + delivered + conflicts + expired > 0) this.#options.status.setUpward(news)
  }

  /** A wanted image that somebody pushes or deletes here is no longer what the last pass found. */
  async #tellOfTag(repository: Repository, tag: Tag): Promise<void> {
    const { content, status } = this.#options
    const image = `${repository}:${tag}`
    const digest = await content.index.tag(repository, tag)
    const held = digest && (await heldImage(content, repository, digest, new Set(), undefined))
    status.observe({
      kind: 'changedHere',
      image:
        digest === undefined || held === undefined
          ? { image, state: 'pending', reason: 'deleted here, or not whole: the next sync asks the parent' }
          : { image, state: 'ready', digest }
    })
  }
}

type RecordedKind = 'linkBlob' | 'unlinkBlob' | 'putManifest' | 'setTag' | 'removeTag' | 'removeManifest'

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
