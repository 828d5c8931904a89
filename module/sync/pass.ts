import type { Log } from '../log/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import { isExact } from '../settings/image-filter.ts'
import type { Allowance } from './allowance.ts'
import { Board } from './board.ts'
import { atOnce, Bringing } from './bringing.ts'
import { cleanUp, mirrorDeletions, readBrought } from './cleaning.ts'
import type { ImageStatus, SyncObserver } from './events.ts'
import { codeOf, isFatal, reasonOf, retryAfter, retryImages, type Retry } from './failure.ts'
import { Patience } from './patience.ts'
import { listedRepositories, planImages, readWants, type ImageSets, type Want } from './plan.ts'
import { asParentFault, type Clock, type Content, type ParentSource } from './ports.ts'
import type { LocalPushes } from './upward/ports.ts'
import type { WaitedFor } from './waited-for.ts'

export interface PassOptions {
  readonly content: Content
  readonly parent: ParentSource | undefined
  /** Stands with every line of `log` already. */
  readonly correlationId: string
  readonly imageSets: ImageSets
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
  readonly allowance: Allowance
  /** What somebody asked for and did not get. */
  readonly waitedFor: WaitedFor
  readonly pushes?: LocalPushes | undefined
  /** Whether to look again for what refers to an image that has not changed. */
  readonly looksForReferrers: (digest: Digest) => boolean
  /** Whether repositories that no image set names any more are removed, where sync brought them. */
  readonly cleanUp: boolean
  /** Told of bytes that came over the wire. */
  readonly onFetched?: (bytes: number) => void
}

export interface PassOutcome {
  /** Every wanted image is ready. */
  readonly succeeded: boolean
  /** False where the disk ended the pass. */
  readonly contentWorks: boolean
  readonly bytesFetched: number
  /** The parent said that it lacks what it is to have: all that it has may not be all that is wanted. */
  readonly parentIsIncomplete?: true
  /** Set where another try may help before the next scheduled pass. */
  readonly retry?: Retry
}

/** Repositories whose tags are asked for at once. */
const listsAtOnce = 4

/**
 * Brings what the image sets want, once. One image's failure leaves the others alone; a parent that is not there, or a disk
 * that does not take bytes, ends the pass.
 *
 * @throws the signal's reason once that is aborted, when everything under way has let go of its files
 */
export function runPass(options: PassOptions): Promise<PassOutcome> {
  return new Pass(options).run()
}

/** Tells where images stand by what is on disk; nobody is asked. */
export async function surveyImages(
  {
    content,
    imageSets,
    observer,
    absent,
    signal
  }: Pick<PassOptions, 'content' | 'imageSets' | 'observer' | 'absent' | 'signal'>,
  nextSyncAt: string | undefined
): Promise<void> {
  const board = new Board(observer)
  const wants = readWants(imageSets)
  const here = await tagsHere(content, listedRepositories(wants))
  const images = planImages(wants, (repository) => here.get(repository))
  await board.plan(images, content, absent, signal)
  board.announce([], nextSyncAt)
}

class Pass {
  readonly #options: PassOptions
  readonly #stopped = new AbortController()
  readonly #signal: AbortSignal
  readonly #patience: Patience
  readonly #board: Board
  readonly #failures: unknown[] = []
  #fatal: unknown

  constructor(options: PassOptions) {
    this.#options = options
    this.#signal = AbortSignal.any([options.signal, this.#stopped.signal])
    this.#board = new Board(options.observer, options.onFetched)
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
    if (this.#fatal === undefined && !this.#patience.isAnswered) this.#tellOfParent(this.#failures)
    const retry = this.#fatal === undefined ? retryImages(this.#failures) : retryAfter([this.#fatal])
    return {
      succeeded: this.#fatal === undefined && this.#failures.length === 0,
      contentWorks: this.#fatal === undefined || codeOf(this.#fatal).startsWith('PARENT_'),
      bytesFetched: this.#board.bytesFetched,
      ...(this.#options.parent?.isIncomplete() === true ? { parentIsIncomplete: true } : {}),
      ...(retry === undefined ? {} : { retry })
    }
  }

  async #bringAll(): Promise<void> {
    const { content, parent, imageSets, absent } = this.#options
    const wants = readWants(imageSets)
    const repositories = listedRepositories(wants)
    const asked = this.#options.pushes?.generation ?? 0
    const here = await tagsHere(content, repositories)
    const known = planImages(wants, (repository) => here.get(repository))
    await this.#board.plan(known, content, absent, this.#signal)
    if (this.#options.announce) this.#board.announce()
    if (parent === undefined) throw noParent()
    if (wants.length === 0) await this.#patience.ask(() => parent.check(this.#signal))
    const mirrored = new Set(wants.filter(({ mirror }) => mirror).map(({ filter }) => filter.repository))
    const listed = new Map<Repository, ReadonlySet<Tag>>()
    const bringing = new Bringing({
      ...this.#options,
      parent,
      board: this.#board,
      patience: this.#patience,
      signal: this.#signal,
      listed,
      brought: await readBrought(content.index),
      onFailure: (error) => this.#failures.push(error),
      onFatal: (error) => this.#stop(error)
    })
    // What needs no list does not wait for one either: a list may be long, and drip. Unless it is of something more urgent.
    const certain = known.filter(({ repository }) => !repositories.includes(repository))
    const firstListed = Math.min(...wants.filter(({ filter }) => !isExact(filter)).map(({ priority }) => priority))
    bringing.plan(certain)
    const early = bringing.bring(certain.filter(({ priority }) => priority <= firstListed))
    let images = certain
    try {
      const failures = await this.#list(parent, repositories, mirrored, listed)
      if (repositories.length > 0) {
        // What is here of a repository that cannot be listed just now is still wanted.
        images = planImages(wants, (repository) => [...(listed.get(repository) ?? here.get(repository) ?? [])])
        await this.#board.plan(images, content, absent, this.#signal)
        this.#board.announce(unlistedIn(wants, failures))
        bringing.plan(images)
        await bringing.bring(images)
      }
    } catch (error) {
      this.#stop(error)
    } finally {
      await early
      await bringing.end()
    }
    this.#signal.throwIfAborted()
    const isListed = new Map([...listed].map(([repository, tags]) => [repository, [...tags]]))
    if (!parent.isIncomplete())
      await mirrorDeletions({ ...this.#options, wants, images, listed: isListed, here, asked })
    else if (mirrored.size > 0) this.#options.log.info('no deletions are mirrored: the parent is not complete itself')
    if (this.#options.cleanUp) await cleanUp({ ...this.#options, wants })
  }

  /**
   * Finds the parent's tags of repositories; one that cannot be listed, or slowly, does not keep the others from it.
   *
   * @returns what went wrong
   */
  async #list(
    parent: ParentSource,
    repositories: readonly Repository[],
    mirrored: ReadonlySet<Repository>,
    listed: Map<Repository, ReadonlySet<Tag>>
  ): Promise<ReadonlyMap<Repository, unknown>> {
    const failures = new Map<Repository, unknown>()
    const list = async (repository: Repository): Promise<void> => {
      try {
        listed.set(repository, await this.#patience.ask(() => collect(parent.tags(repository, this.#signal))))
      } catch (error) {
        if (isFatal(error)) throw error
        // A repository that was deleted in the parent has no tags: that is what a mirror has to know.
        const isGone = asParentFault(error)?.code === 'PARENT_NOT_FOUND' && !parent.isIncomplete()
        if (mirrored.has(repository) && isGone) listed.set(repository, new Set())
        failures.set(repository, error)
        this.#failures.push(error)
        this.#options.log.warn('a repository cannot be listed', { repository, reason: reasonOf(error) })
      }
    }
    await atOnce(listsAtOnce, repositories, list, this.#signal)
    return failures
  }

  /** Nothing that was asked of the parent worked: what every image says for itself is the parent's trouble. */
  #tellOfParent(failures: readonly unknown[]): void {
    const [first, ...others] = failures.map(asParentFault)
    if (first === undefined || others.includes(undefined)) return
    const { observer, correlationId } = this.#options
    observer({ kind: 'parent', answers: false, code: first.code, message: reasonOf(first), correlationId })
  }

  /** Ends the pass for a reason that holds for every image; the first one counts. */
  #stop(error: unknown): void {
    if (this.#signal.aborted) return
    this.#fatal = error
    this.#stopped.abort(error)
    const { observer, log, correlationId } = this.#options
    const code = codeOf(error)
    const message = reasonOf(error)
    log.warn('sync stopped', { code, reason: message })
    if (code.startsWith('PARENT_')) observer({ kind: 'parent', answers: false, code, message, correlationId })
    else observer({ kind: 'content', works: false, code, message, correlationId })
  }
}

async function tagsHere(
  content: Content,
  repositories: readonly Repository[]
): Promise<Map<Repository, readonly Tag[]>> {
  const here = new Map<Repository, readonly Tag[]>()
  for (const repository of repositories) here.set(repository, (await content.index.tags(repository)) ?? [])
  return here
}

/** How the entries stand whose repositories cannot be listed. */
function unlistedIn(wants: readonly Want[], failures: ReadonlyMap<Repository, unknown>): ImageStatus[] {
  return wants
    .filter(({ filter }) => !isExact(filter) && failures.has(filter.repository))
    .map(({ text, filter, imageSet }) => ({
      image: text,
      imageSets: [imageSet],
      state: 'failed',
      reason: reasonOf(failures.get(filter.repository))
    }))
}

function noParent(): Error {
  const message = 'no parent is set: set ACR_REGISTRY_CONNECTION_STRING, or parent in the settings'
  return Object.assign(new Error(message), { code: 'PARENT_MISSING' })
}

async function collect<T>(items: AsyncIterable<T>): Promise<Set<T>> {
  const all = new Set<T>()
  for await (const item of items) all.add(item)
  return all
}
