import type { Log } from '../log/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { Settings } from '../settings/document.ts'
import { fetchBlob, type WantedBlob } from './blob-transfer.ts'
import type { ImageStatus, SyncObserver } from './events.ts'
import { codeOf, isFatal, reasonOf, retryAfter, retryImages, type Retry } from './failure.ts'
import { heldImage } from './held.ts'
import { bringImage } from './image-transfer.ts'
import { RankedLimiter } from './limiter.ts'
import { Patience } from './patience.ts'
import { isExact, listedRepositories, planImages, readWants, type PlannedImage } from './plan.ts'
import { asParentFault, type Clock, type Content, type ParentSource } from './ports.ts'
import { Progress } from './progress.ts'

export interface PassOptions {
  readonly content: Content
  readonly parent: ParentSource | undefined
  readonly imageSets: Settings['imageSets']
  readonly observer: SyncObserver
  readonly log: Log
  readonly clock: Clock
  readonly random: () => number
  /** Aborted when the pass is no longer wanted. */
  readonly signal: AbortSignal
  /** Whether to tell where images stand before the parent was asked: at first, and when the settings changed. */
  readonly announce: boolean
  /** Children of indexes that the parent was found not to have; kept from pass to pass. */
  readonly absent: Set<string>
}

export interface PassOutcome {
  /** Every wanted image is ready. */
  readonly succeeded: boolean
  /** False where the disk ended the pass. */
  readonly contentWorks: boolean
  readonly bytesFetched: number
  /** Set where another try may help before the next scheduled pass. */
  readonly retry?: Retry
}

const imagesAtOnce = 4
/** Several connections fill a link with losses better than one; a gateway's disk and memory bound how many. */
const blobsAtOnce = 3
/** Progress is told in steps of so many bytes. */
const progressStep = 1024 * 1024

/**
 * Brings what the image sets want, once. One image's failure leaves the others alone; a parent that is not there, or a disk
 * that does not take bytes, ends the pass.
 *
 * @throws the signal's reason once that is aborted, when everything under way has let go of its files
 */
export function runPass(options: PassOptions): Promise<PassOutcome> {
  return new Pass(options).run()
}

class Pass {
  readonly #options: PassOptions
  readonly #stopped = new AbortController()
  readonly #signal: AbortSignal
  readonly #patience: Patience
  readonly #limiter = new RankedLimiter(blobsAtOnce)
  readonly #progress = new Progress()
  readonly #transfers = new Map<Digest, Promise<void>>()
  readonly #states = new Map<string, ImageStatus>()
  /** What was all here before this pass changed anything. */
  readonly #held = new Map<string, ReadonlyMap<Digest, number>>()
  readonly #failures: unknown[] = []
  #fatal: unknown
  #bytesFetched = 0
  #told = 0

  constructor(options: PassOptions) {
    this.#options = options
    this.#signal = AbortSignal.any([options.signal, this.#stopped.signal])
    this.#patience = new Patience(options.clock, options.random, this.#signal, () =>
      options.observer({ kind: 'parent', answers: true })
    )
  }

  async run(): Promise<PassOutcome> {
    try {
      await this.#bringAll()
    } catch (error) {
      this.#options.signal.throwIfAborted()
      this.#stop(error)
    }
    this.#options.signal.throwIfAborted()
    const retry = this.#fatal === undefined ? retryImages(this.#failures) : retryAfter([this.#fatal])
    return {
      succeeded: this.#fatal === undefined && this.#failures.length === 0,
      contentWorks: this.#fatal === undefined || codeOf(this.#fatal).startsWith('PARENT_'),
      bytesFetched: this.#bytesFetched,
      ...(retry === undefined ? {} : { retry })
    }
  }

  async #bringAll(): Promise<void> {
    const { content, parent, imageSets } = this.#options
    const wants = readWants(imageSets)
    const repositories = listedRepositories(wants)
    const here = new Map<Repository, readonly Tag[]>()
    for (const repository of repositories) here.set(repository, (await content.index.tags(repository)) ?? [])
    await this.#plan(planImages(wants, (repository) => here.get(repository)))
    if (this.#options.announce) this.#announce()
    if (parent === undefined) throw noParent()
    if (wants.length === 0) await this.#patience.ask(() => parent.check(this.#signal))
    const there = await this.#list(parent, repositories)
    // What is here of a repository that cannot be listed just now is still wanted.
    const images = planImages(wants, (repository) => there.tags.get(repository) ?? here.get(repository))
    const unlisted = wants
      .filter((want) => !isExact(want) && there.failures.has(want.filter.repository))
      .map(({ text, filter }): ImageStatus => ({
        image: text,
        state: 'failed',
        reason: reasonOf(there.failures.get(filter.repository))
      }))
    if (repositories.length > 0) {
      await this.#plan(images)
      this.#announce(unlisted)
    }
    const queue = images.map((image, rank) => ({ image, rank }))
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && !this.#signal.aborted; next = queue.shift())
        await this.#bring(parent, next.image, next.rank)
    }
    await Promise.all(Array.from({ length: imagesAtOnce }, worker))
  }

  /** Finds out where every wanted image stands by what is on disk. */
  async #plan(images: readonly PlannedImage[]): Promise<void> {
    const { content, absent } = this.#options
    const names = new Set(images.map(({ name }) => name))
    for (const name of this.#states.keys()) if (!names.has(name)) this.#states.delete(name)
    this.#progress.keepOnly(names)
    for (const { name, repository, tag } of images) {
      if (this.#states.has(name)) continue
      this.#signal.throwIfAborted()
      const digest = await content.index.tag(repository, tag)
      const blobs = digest === undefined ? undefined : await heldImage(content, repository, digest, absent)
      if (digest === undefined || blobs === undefined) {
        this.#states.set(name, { image: name, state: 'pending' })
        continue
      }
      this.#held.set(name, blobs)
      this.#progress.expect(name, blobs)
      for (const blob of blobs.keys()) this.#progress.complete(blob)
      this.#states.set(name, { image: name, state: 'ready', digest, ...this.#progress.ofImage(name) })
    }
  }

  #announce(others: readonly ImageStatus[] = []): void {
    this.#options.observer({ kind: 'planned', images: [...this.#states.values(), ...others] })
    this.#options.observer({ kind: 'progress', ...this.#progress.overall() })
  }

  /** The parent's tags of repositories; one that cannot be listed does not keep the others from it. */
  async #list(parent: ParentSource, repositories: readonly Repository[]) {
    const tags = new Map<Repository, readonly Tag[]>()
    const failures = new Map<Repository, unknown>()
    for (const repository of repositories)
      try {
        tags.set(repository, await this.#patience.ask(() => collect(parent.tags(repository, this.#signal))))
      } catch (error) {
        if (isFatal(error)) throw error
        failures.set(repository, error)
        this.#failures.push(error)
        this.#options.log.warn('a repository cannot be listed', { repository, reason: reasonOf(error) })
      }
    return { tags, failures }
  }

  async #bring(parent: ParentSource, image: PlannedImage, rank: number): Promise<void> {
    const { name, repository, tag } = image
    const { content, log, absent } = this.#options
    const before = this.#states.get(name)
    let digest: Digest | undefined
    try {
      const known = before?.state === 'ready' ? before.digest : undefined
      ;({ digest } = await this.#patience.ask(() => parent.head(repository, tag, { known, signal: this.#signal })))
      if (digest === known) {
        this.#tell({ image: name, state: 'ready', digest })
        return
      }
      this.#tell({ image: name, state: 'syncing', digest })
      await bringImage(image, digest, {
        content,
        parent,
        log,
        absent,
        patience: this.#patience,
        signal: this.#signal,
        onContents: (blobs) => {
          this.#progress.expect(name, blobs)
          this.#tell({ image: name, state: 'syncing', ...(digest === undefined ? {} : { digest }) })
        },
        fetchBlob: (from, blob, size) => this.#fetchBlob(parent, from, blob, size, rank)
      })
      this.#tell({ image: name, state: 'ready', digest })
      log.info('image ready', { image: name, digest })
    } catch (error) {
      if (this.#signal.aborted || isFatal(error)) {
        this.#stop(error)
        if (this.#states.get(name)?.state === 'syncing') this.#putBack(name, before)
        return
      }
      const reason = reasonOf(error)
      const stays = before?.state === 'ready' ? `; ${before.digest ?? ''} is still served` : ''
      this.#failures.push(error)
      this.#tell({
        image: name,
        state: 'failed',
        reason: `${reason}${stays}`,
        ...(digest === undefined ? {} : { digest })
      })
      log.warn('image failed', { image: name, reason })
    }
  }

  /** What was ready stays so, and what was on its way waits for the next pass. */
  #putBack(name: string, before: ImageStatus | undefined): void {
    const held = this.#held.get(name)
    if (held !== undefined) this.#progress.expect(name, held)
    this.#tell(before?.state === 'ready' ? before : { image: name, state: 'pending' })
  }

  /** One transfer for a blob, whoever asks first; its failure is the answer to all, unless another repository may try. */
  #fetchBlob(parent: ParentSource, repository: Repository, digest: Digest, size: number, rank: number): Promise<void> {
    const underWay = this.#transfers.get(digest)
    if (underWay !== undefined) return underWay
    const transfer = this.#transfer(parent, { repository, digest, size }, rank)
    this.#transfers.set(digest, transfer)
    return transfer
  }

  async #transfer(parent: ParentSource, blob: WantedBlob, rank: number): Promise<void> {
    const { content } = this.#options
    const { digest, size } = blob
    try {
      // A blob that is here, for whatever repository, needs no place in the queue: only a link, which comes with the tag.
      if ((await content.blobs.size(digest)) !== size)
        await this.#limiter.run(rank, async () => {
          this.#signal.throwIfAborted()
          await fetchBlob(blob, {
            content,
            parent,
            patience: this.#patience,
            signal: this.#signal,
            onOffset: (offset) => this.#advance(digest, offset),
            onFetched: (bytes) => (this.#bytesFetched += bytes)
          })
        })
    } catch (error) {
      const code = asParentFault(error)?.code
      if (code === 'PARENT_DENIED' || code === 'PARENT_NOT_FOUND') this.#transfers.delete(digest)
      throw error
    }
    this.#progress.complete(digest)
    this.#tellProgress(digest)
  }

  #advance(digest: Digest, offset: number): void {
    this.#progress.set(digest, offset)
    if (Math.abs(this.#bytesFetched - this.#told) < progressStep) return
    this.#told = this.#bytesFetched
    this.#tellProgress(digest)
  }

  #tellProgress(digest: Digest): void {
    for (const name of this.#progress.imagesWith(digest)) {
      const status = this.#states.get(name)
      if (status?.state === 'syncing') this.#tell(status)
    }
    this.#options.observer({ kind: 'progress', ...this.#progress.overall() })
  }

  #tell(status: ImageStatus): void {
    const full = { ...status, ...this.#progress.ofImage(status.image) }
    this.#states.set(status.image, full)
    this.#options.observer({ kind: 'image', image: full })
  }

  /** Ends the pass for a reason that holds for every image; the first one counts. */
  #stop(error: unknown): void {
    if (this.#signal.aborted) return
    this.#fatal = error
    this.#stopped.abort(error)
    const { observer, log } = this.#options
    const code = codeOf(error)
    const message = reasonOf(error)
    log.warn('sync stopped', { code, reason: message })
    if (code.startsWith('PARENT_')) observer({ kind: 'parent', answers: false, code, message })
    else observer({ kind: 'content', works: false, code, message })
  }
}

function noParent(): Error {
  const message = 'no parent is set: set ACR_REGISTRY_CONNECTION_STRING, or parent in the settings'
  return Object.assign(new Error(message), { code: 'PARENT_MISSING' })
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
