import type { Log } from '../log/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { Allowance } from './allowance.ts'
import type { Board } from './board.ts'
import { BudgetSpent } from './budget.ts'
import { rememberBrought, removeImage } from './cleaning.ts'
import type { ImageStatus, SyncObserver } from './events.ts'
import { isFatal, reasonOf } from './failure.ts'
import { childrenHere } from './held.ts'
import { emptyTree, growTree, type TreeOptions } from './image-tree.ts'
import { keepImage } from './keeping.ts'
import type { Patience } from './patience.ts'
import { manifestName, type PlannedImage } from './plan.ts'
import { asParentFault, type Content, type ParentSource } from './ports.ts'
import { changesOf, holds, type Prepared } from './prepared.ts'
import { growChildReferrers, growReferrers } from './referrers.ts'
import { Quarantined, verifySignatures } from './signatures.ts'
import { Transfers } from './transfers.ts'
import { UnderWay } from './under-way.ts'
import type { LocalPushes } from './upward/ports.ts'
import type { Missed } from './waited-for.ts'

export interface ImageWorkOptions {
  readonly content: Content
  readonly parent: ParentSource
  readonly observer: SyncObserver
  readonly log: Log
  readonly board: Board
  readonly patience: Patience
  readonly allowance: Allowance
  readonly signal: AbortSignal
  readonly absent: Set<string>
  readonly looksForReferrers: (digest: Digest) => boolean
  /** The parent's tags of the repositories that were listed. */
  readonly listed: ReadonlyMap<Repository, ReadonlySet<Tag>>
  /** Repositories that sync has brought something to; added to here. */
  readonly brought: Set<Repository>
  /** What was pushed or deleted here is not undone by what the parent had before. */
  readonly pushes?: LocalPushes | undefined
  readonly onFailure: (error: unknown) => void
  /** What holds for every image. */
  readonly onFatal: (error: unknown) => void
}

/** Before every other image, and in the same order among themselves. */
const urgentRank = -1_000_000_000

/** The images of one pass: what each of them lacks, and the bringing of it. Nothing here rejects. */
export class ImageWork {
  readonly #options: ImageWorkOptions
  readonly #transfers: Transfers
  readonly #treeOptions: TreeOptions
  readonly #prepared = new Map<string, Promise<Prepared | undefined>>()
  readonly #known = new Map<string, Prepared>()
  readonly #brought = new Map<string, Promise<void>>()
  readonly #ranks = new Map<string, number>()
  readonly #urgent = new Set<string>()

  constructor(options: ImageWorkOptions) {
    this.#options = options
    const { board } = options
    this.#treeOptions = { ...options, underWay: new UnderWay(), given: new Set() }
    this.#transfers = new Transfers({
      ...options,
      onFetched: (bytes) => board.fetched(bytes),
      rankOf: (name) => (this.#urgent.has(name) ? urgentRank : 0) + (this.#ranks.get(name) ?? 0),
      onBegin: (names) => board.begin(names),
      onOffset: (digest, offset) => board.advance(digest, offset),
      onComplete: (digest) => board.complete(digest)
    })
  }

  /** Asks where the image's tag stands, and brings the manifests that are not here. */
  prepare(image: PlannedImage): Promise<Prepared | undefined> {
    const preparing = this.#prepared.get(image.name) ?? this.#prepare(image)
    this.#prepared.set(image.name, preparing)
    return preparing
  }

  /** Puts the images that lack least first. */
  order(images: readonly PlannedImage[]): void {
    const missing = ({ name }: PlannedImage): number => this.#known.get(name)?.missing ?? 0
    images
      .toSorted((one, other) => missing(one) - missing(other))
      .forEach(({ name }, rank) => this.#ranks.set(name, rank))
  }

  /** Brings what an image lacks, and moves its tag as the very last thing. */
  bring(image: PlannedImage): Promise<void> {
    const bringing = this.#brought.get(image.name) ?? this.#bring(image)
    this.#brought.set(image.name, bringing)
    return bringing
  }

  /**
   * Moves an image up where it is what somebody missed.
   *
   * @returns whether it has become urgent just now
   */
  hurry({ name, repository, tag }: PlannedImage, missed: Missed): boolean {
    if (missed.repository !== repository || this.#urgent.has(name)) return false
    const known = this.#known.get(name)
    if (missed.reference !== tag && (known === undefined || !holds(known, missed.reference))) return false
    this.#urgent.add(name)
    this.#transfers.reconsider()
    return true
  }

  async #prepare(image: PlannedImage): Promise<Prepared | undefined> {
    const { name, repository, tag } = image
    const { board, parent, patience, pushes, signal } = this.#options
    const before = board.state(name)
    // The parent is yet to learn of it: what it has now is older than what is here.
    if (pushes?.isWaiting(repository, tag) === true) return undefined
    const asked = pushes?.generation ?? 0
    let digest: Digest | undefined
    try {
      // What the pass found at its beginning may have been pushed over here since, and what was pushed be told of.
      const isStill = (await this.#options.content.index.tag(repository, tag)) === before?.digest
      const known = before?.state === 'ready' && isStill ? before.digest : undefined
      ;({ digest } = await patience.ask(() => parent.head(repository, tag, { known, signal })))
      if (!this.#mayFollow(image, asked)) return undefined
      if (digest === known) {
        board.tell({ image: name, state: 'ready', digest })
        return await this.#prepareReferrers(image, digest, before, asked)
      }
      const tree = emptyTree()
      this.#treeOptions.given.add(manifestName(repository, digest))
      await keepImage(this.#options.content, name, digest)
      await growTree(tree, repository, digest, this.#treeOptions, image.platforms)
      const children = tree.manifests.map((manifest) => manifest.digest).filter((child) => child !== digest)
      const isDemanded = image.signatures.length > 0
      const hasApi = image.referrers && (await growReferrers(tree, repository, digest, isDemanded, this.#treeOptions))
      await keepImage(this.#options.content, name, digest, tree.referrers)
      // Before anything is told: what is in quarantine stays so from pass to pass, and nobody hears of it twice.
      await verifySignatures(this.#options.content, image, digest, tree, (blob, size) =>
        this.#transfers.fetch(repository, blob, size)
      )
      // After that: what signs a child says nothing of the image, and would stand among the reasons.
      if (image.referrers) await growChildReferrers(tree, repository, children, hasApi, this.#treeOptions)
      await keepImage(this.#options.content, name, digest, tree.referrers)
      board.expect(name, tree.blobs)
      board.tell({ image: name, state: 'pending', digest })
      return await this.#take(image, { digest, tree, moves: true, before, asked })
    } catch (error) {
      const isGone = digest === undefined && image.mirror && isNotFound(error) && (await this.#isReallyGone(image))
      const isCurrent = this.#mayFollow(image, asked)
      if (isGone && isCurrent) await this.#mirror(image, asked)
      this.#failed(image, isGone ? undefined : before, digest, error, isCurrent)
      return undefined
    }
  }

  /**
   * HEAD has no body that tells, and some that stand before a registry know GET alone: what goes here was asked for by both.
   * What a parent that fills up itself does not have is on its way.
   */
  async #isReallyGone({ repository, tag }: PlannedImage): Promise<boolean> {
    const { parent, signal } = this.#options
    try {
      await parent.manifest(repository, tag, { signal })
      return false
    } catch (error) {
      return isNotFound(error) && !parent.isIncomplete()
    }
  }

  /** The parent does not have the image any more, and neither should this device. */
  async #mirror({ repository, tag }: PlannedImage, asked: number): Promise<void> {
    try {
      await removeImage(repository, tag, { ...this.#options, asked })
    } catch (error) {
      this.#options.onFatal(error)
    }
  }

  /** Signatures are often made after the image came here: they are looked for again from time to time. */
  async #prepareReferrers(
    image: PlannedImage,
    digest: Digest,
    before: ImageStatus | undefined,
    asked: number
  ): Promise<Prepared | undefined> {
    const { content, log, looksForReferrers, onFailure, signal } = this.#options
    if (!image.referrers || !looksForReferrers(digest)) return undefined
    const { repository } = image
    const tree = emptyTree()
    try {
      const isDemanded = image.signatures.length > 0
      const hasApi = await growReferrers(tree, repository, digest, isDemanded, this.#treeOptions)
      const children = await childrenHere(content, repository, digest, image.platforms)
      await growChildReferrers(tree, repository, children, hasApi, this.#treeOptions)
    } catch (error) {
      if (isFatal(error) || signal.aborted) throw error
      log.warn('what refers to an image cannot be brought', { image: image.name, reason: reasonOf(error) })
      onFailure(error)
      return undefined
    }
    const named = await Promise.all(tree.tags.map(({ tag }) => content.index.tag(repository, tag)))
    const held = await Promise.all(tree.manifests.map((each) => content.index.manifest(repository, each.digest)))
    const isAllHere =
      named.every((there, position) => there === tree.tags[position]?.digest) && !held.includes(undefined)
    if (isAllHere) return undefined
    await keepImage(content, image.name, digest, tree.referrers)
    return this.#take(image, { digest, tree, moves: false, before, asked })
  }

  async #take(image: PlannedImage, found: Omit<Prepared, 'missing'>): Promise<Prepared> {
    const { blobs } = this.#options.content
    let missing = 0
    for (const [blob, size] of found.tree.blobs) if ((await blobs.size(blob)) !== size) missing += size
    const prepared = { ...found, missing }
    this.#known.set(image.name, prepared)
    this.#transfers.expect(image.name, found.tree.blobs.keys())
    return prepared
  }

  async #bring(image: PlannedImage): Promise<void> {
    const { name, repository } = image
    const { board, log, signal } = this.#options
    const prepared = await this.prepare(image)
    if (prepared === undefined) return
    const { digest, tree, moves, before, asked } = prepared
    try {
      const outcomes = await Promise.allSettled(
        [...tree.blobs].map(([blob, size]) => this.#transfers.fetch(repository, blob, size))
      )
      const failed = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      signal.throwIfAborted()
      if (!(await this.#link(image, prepared)) || !moves) return
      board.tell({ image: name, state: 'ready', digest })
      log.info('image ready', { image: name, digest })
    } catch (error) {
      this.#failed(image, before, digest, error, this.#mayFollow(image, asked))
    }
  }

  /**
   * Everything that names the bytes at once, all of it or nothing.
   *
   * @returns false where the tag was pushed or deleted here since the parent was asked: the next pass asks again
   */
  async #link(image: PlannedImage, prepared: Prepared): Promise<boolean> {
    const { repository } = image
    const { brought, content } = this.#options
    const { moves, asked } = prepared
    const isKnown = brought.has(repository)
    // In the same turn as the call below: a push comes before both or after both.
    if (moves && !this.#mayFollow(image, asked)) return false
    brought.add(repository)
    await content.index.apply([
      ...changesOf(image, prepared, (tag) => this.#mayFollow({ repository, tag }, asked)),
      ...(isKnown ? [] : [rememberBrought(brought)])
    ])
    return true
  }

  /** Whether nobody has pushed or deleted the tag here since the parent was asked. */
  #mayFollow({ repository, tag }: Pick<PlannedImage, 'repository' | 'tag'>, asked: number): boolean {
    return this.#options.pushes?.mayFollowParent(repository, tag, asked) ?? true
  }

  /** @param isCurrent false where somebody pushed or deleted the tag here meanwhile, and what was told of it then is so */
  #failed(
    image: PlannedImage,
    before: ImageStatus | undefined,
    digest: Digest | undefined,
    error: unknown,
    isCurrent: boolean
  ): void {
    const { name } = image
    const { board, log, onFailure, onFatal, signal } = this.#options
    if (signal.aborted || isFatal(error)) {
      onFatal(error)
      if (isCurrent) board.putBack(name, before)
      return
    }
    const reason = reasonOf(error)
    onFailure(error)
    if (!isCurrent) return
    if (error instanceof BudgetSpent) {
      board.putBack(name, before, reason)
      return
    }
    const served = board.served(name)
    const stays = served === undefined ? '' : `; ${served} is still served`
    const which = digest === undefined ? {} : { digest }
    const code = error instanceof Quarantined ? { code: error.code } : {}
    board.tell({ image: name, state: 'failed', reason: `${reason}${stays}`, ...which, ...code })
    log.warn('image failed', { image: name, reason, ...code })
  }
}

function isNotFound(error: unknown): boolean {
  return asParentFault(error)?.code === 'PARENT_NOT_FOUND'
}
