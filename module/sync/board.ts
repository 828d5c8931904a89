import type { Digest } from '../oci/digest.ts'
import type { ImageStatus, SyncObserver } from './events.ts'
import { heldImage, type AbsentChildren } from './held.ts'
import type { PlannedImage } from './plan.ts'
import type { Content } from './ports.ts'
import { Progress } from './progress.ts'
import { isVerified } from './signatures.ts'

/** Progress is told in steps of so many bytes. */
const progressStep = 1024 * 1024

/** Where every wanted image of a pass stands, and the telling of it. */
export class Board {
  readonly #observer: SyncObserver
  readonly #onFetched: (bytes: number) => void
  readonly #progress = new Progress()
  readonly #states = new Map<string, ImageStatus>()
  readonly #imageSets = new Map<string, readonly string[]>()
  /** What was all here before this pass changed anything. */
  readonly #held = new Map<string, ReadonlyMap<Digest, number>>()
  /** What the tags of images that were all here named. */
  readonly #served = new Map<string, Digest>()
  #bytesFetched = 0
  #told = 0

  constructor(observer: SyncObserver, onFetched: (bytes: number) => void = () => undefined) {
    this.#observer = observer
    this.#onFetched = onFetched
  }

  get bytesFetched(): number {
    return this.#bytesFetched
  }

  state(name: string): ImageStatus | undefined {
    return this.#states.get(name)
  }

  /** What an image's tag has named since before this pass, where that is all here. */
  served(name: string): Digest | undefined {
    return this.#served.get(name)
  }

  /** Finds out where images stand by what is on disk; whatever was known of others is forgotten. */
  async plan(
    images: readonly PlannedImage[],
    content: Content,
    absent: AbsentChildren,
    signal: AbortSignal
  ): Promise<void> {
    const names = new Set(images.map(({ name }) => name))
    for (const name of this.#states.keys()) if (!names.has(name)) this.#states.delete(name)
    this.#progress.keepOnly(names)
    for (const { name, imageSets } of images) this.#imageSets.set(name, imageSets)
    for (const image of images) {
      const { name, repository, tag, platforms } = image
      if (this.#states.has(name)) continue
      signal.throwIfAborted()
      const digest = await content.index.tag(repository, tag)
      const blobs = digest === undefined ? undefined : await heldImage(content, repository, digest, absent, platforms)
      if (digest === undefined || blobs === undefined) {
        this.#states.set(name, { image: name, state: 'pending' })
        continue
      }
      this.#served.set(name, digest)
      if (!(await isVerified(content.index, image, digest))) {
        this.#states.set(name, { image: name, state: 'pending', reason: 'its signature is yet to be verified' })
        continue
      }
      this.#held.set(name, blobs)
      this.#expectHeld(name, blobs)
      this.#states.set(name, { image: name, state: 'ready', digest, ...this.#progress.ofImage(name) })
    }
  }

  announce(others: readonly ImageStatus[] = [], nextSyncAt?: string): void {
    this.#observer({
      kind: 'planned',
      images: [
        ...[...this.#states.values()].map((status) => ({
          ...status,
          imageSets: this.#imageSets.get(status.image) ?? []
        })),
        ...others
      ],
      ...(nextSyncAt === undefined ? {} : { nextSyncAt })
    })
    this.#observer({ kind: 'progress', ...this.#progress.overall() })
  }

  tell(status: ImageStatus): void {
    const full = { ...status, ...this.#progress.ofImage(status.image) }
    this.#states.set(status.image, full)
    this.#observer({ kind: 'image', image: full })
  }

  /** Says what an image consists of. */
  expect(name: string, blobs: ReadonlyMap<Digest, number>): void {
    this.#progress.expect(name, blobs)
  }

  /** What was ready stays so, and what was on its way waits for the next pass. */
  putBack(name: string, before: ImageStatus | undefined, reason?: string): void {
    if (this.#states.get(name) === before && reason === undefined) return
    const held = this.#held.get(name)
    if (held !== undefined) this.#expectHeld(name, held)
    const pending = { image: name, state: 'pending', ...(reason === undefined ? {} : { reason }) } as const
    this.tell(before?.state === 'ready' ? before : pending)
  }

  /** The first bytes of a blob are about to come. */
  begin(names: readonly string[]): void {
    for (const name of names) {
      const status = this.#states.get(name)
      if (status?.state === 'pending') this.tell({ ...status, state: 'syncing' })
    }
  }

  /** Bytes came over the wire. */
  fetched(bytes: number): void {
    this.#bytesFetched += bytes
    this.#onFetched(bytes)
  }

  /** So much of a blob is here now. */
  advance(digest: Digest, offset: number): void {
    this.#progress.set(digest, offset)
    if (Math.abs(this.#bytesFetched - this.#told) < progressStep) return
    this.#told = this.#bytesFetched
    this.#tellProgress(digest)
  }

  complete(digest: Digest): void {
    this.#progress.complete(digest)
    this.#tellProgress(digest)
  }

  #expectHeld(name: string, blobs: ReadonlyMap<Digest, number>): void {
    this.#progress.expect(name, blobs)
    for (const blob of blobs.keys()) this.#progress.complete(blob)
  }

  #tellProgress(digest: Digest): void {
    for (const name of this.#progress.imagesWith(digest)) {
      const status = this.#states.get(name)
      if (status?.state === 'syncing') this.tell(status)
    }
    this.#observer({ kind: 'progress', ...this.#progress.overall() })
  }
}
