import type { Digest } from '../../oci/digest.ts'
import type { Repository } from '../../oci/name.ts'
import type { Allowance } from '../allowance.ts'
import type { Patience } from '../patience.ts'
import { asParentFault, type Clock, type ParentFault } from '../ports.ts'
import type { ChunkSize } from './chunks.ts'
import type { Chunk, ParentTarget, StateStore, UploadPlace, UpwardContent } from './ports.ts'

export interface SendOptions {
  readonly content: UpwardContent
  readonly parent: ParentTarget
  readonly patience: Patience
  readonly allowance: Allowance
  readonly chunks: ChunkSize
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Bytes of blobs that go over the wire. */
  readonly onSent: (bytes: number) => void
}

export interface OutgoingBlob {
  readonly repository: Repository
  readonly digest: Digest
  readonly size: number
}

/** Begun uploads are remembered over restarts, so that their bytes need not go twice. */
const uploadPrefix = 'upward/upload/'
/** Bytes between two looks at the ceiling. */
const pieceBytes = 64 * 1024
/** A parent that loses what it was sent gets it again, but not for ever in one go. */
const mostRestarts = 3

/**
 * Sends a blob that the parent does not have: mounted there where it has it elsewhere, else from where an upload of it ended, over
 * as many cuts as it takes while each try gets further. A parent that has lost the upload gets that blob from its beginning.
 *
 * @throws the parent's, the content's and the signal's errors
 */
export async function sendBlob(blob: OutgoingBlob, options: SendOptions): Promise<void> {
  await new Sending(blob, options).run()
}

/** Forgets uploads that nobody goes on with: what they were begun for has expired. */
export async function forgetUploads(store: StateStore): Promise<void> {
  const begun = await store.states(uploadPrefix)
  if (begun.length > 0) await store.apply(begun.map(([key]) => ({ kind: 'setState', key, value: undefined })))
}

class Sending {
  readonly #blob: OutgoingBlob
  readonly #options: SendOptions
  readonly #key: string
  #remembered: string | undefined
  #begun = 0

  constructor(blob: OutgoingBlob, options: SendOptions) {
    this.#blob = blob
    this.#options = options
    this.#key = `${uploadPrefix}${blob.repository}@${blob.digest}`
  }

  async run(): Promise<void> {
    if (!(await this.#isThere())) await this.#upload()
    await this.#remember(undefined)
  }

  async #upload(): Promise<void> {
    const { patience } = this.#options
    const { size } = this.#blob
    let place = await this.#remembering()
    let furthest = place?.offset ?? -1
    for (let failed = 0; ;) {
      place ??= await this.#begin()
      if (place === undefined) return
      if (place.offset > furthest) {
        furthest = place.offset
        failed = 0
      }
      try {
        if (place.offset > size) place = undefined
        else if (await this.#isFinishedBy(place)) return
        else place = await this.#goOn(place)
      } catch (error) {
        failed += 1
        await patience.waitOrThrow(error, failed)
        // The answer may have been all that was lost.
        if (await this.#isThere()) return
        place = await this.#find(place?.location)
      }
    }
  }

  #isThere(): Promise<boolean> {
    const { parent, patience, signal } = this.#options
    const { repository, digest } = this.#blob
    return patience.ask(() => parent.hasBlob(repository, digest, { signal }))
  }

  /** @returns undefined where nothing has to be sent */
  async #begin(): Promise<UploadPlace | undefined> {
    const { content, parent, patience, signal } = this.#options
    const { repository, digest } = this.#blob
    this.#begun += 1
    if (this.#begun > mostRestarts + 1) throw losesUploads(this.#blob)
    const holders = await content.index.holders(digest)
    const from = holders.find((holder) => holder !== repository)
    const begin = (source?: Repository): Promise<UploadPlace | undefined> =>
      patience.ask(() => parent.beginUpload(repository, digest, { from: source, signal }))
    let place: UploadPlace | undefined
    try {
      place = await begin(from)
    } catch (error) {
      // Not every registry begins an upload where a mount is not allowed, as it should (registry.md §6.2).
      if (from === undefined || asParentFault(error)?.transient !== false) throw error
      place = await begin()
    }
    if (place !== undefined) await this.#remember(place.location)
    return place
  }

  /** Sends what is left, where that is one chunk at most, and ends the upload. */
  async #isFinishedBy({ offset, location }: UploadPlace): Promise<boolean> {
    const { allowance, chunks, parent, patience, signal } = this.#options
    const { repository, digest, size } = this.#blob
    if (size - offset > chunks.bytes) return false
    await allowance.mayFetch()
    const last = offset === size ? {} : { last: this.#chunk(offset, size - offset) }
    const finished = await parent.finishUpload(repository, location, digest, { ...last, signal })
    patience.answered()
    return finished
  }

  async #goOn({ offset, location }: UploadPlace): Promise<UploadPlace | undefined> {
    const { allowance, chunks, clock, parent, patience, signal } = this.#options
    const { repository, size } = this.#blob
    const length = chunks.bytes
    // What was to finish it did not: either the parent knows better where it stands, or knows nothing any more.
    if (size - offset <= length) return this.#elsewhere(offset, await this.#find(location))
    await allowance.mayFetch()
    const begun = clock.now()
    const place = await parent.sendChunk(repository, location, this.#chunk(offset, length), { signal })
    patience.answered()
    chunks.took(clock.now() - begun)
    if (place !== undefined) await this.#remember(place.location)
    return this.#elsewhere(offset, place)
  }

  /** An upload that stands where it stood will not get further by the same bytes. */
  #elsewhere(before: number, place: UploadPlace | undefined): UploadPlace | undefined {
    return place?.offset === before ? undefined : place
  }

  async #remembering(): Promise<UploadPlace | undefined> {
    const { content, parent } = this.#options
    const known = (await content.index.state(this.#key)) as { location?: string; parent?: string } | undefined
    if (known?.location === undefined) return undefined
    this.#remembered = known.location
    return known.parent === parent.origin ? this.#find(known.location) : undefined
  }

  async #find(location: string | undefined): Promise<UploadPlace | undefined> {
    const { parent, patience, signal } = this.#options
    if (location === undefined) return undefined
    const place = await patience.ask(() => parent.findUpload(this.#blob.repository, location, { signal }))
    if (place !== undefined) await this.#remember(place.location)
    return place
  }

  async #remember(location: string | undefined): Promise<void> {
    const { content, parent } = this.#options
    if (location === this.#remembered) return
    this.#remembered = location
    const value = location === undefined ? undefined : { location, parent: parent.origin }
    await content.index.apply([{ kind: 'setState', key: this.#key, value }])
  }

  #chunk(offset: number, length: number): Chunk {
    return { offset, length, pieces: () => this.#pieces(offset, length) }
  }

  async *#pieces(offset: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { allowance, content, onSent, signal } = this.#options
    const bytes = await content.blobs.read(this.#blob.digest, { start: offset, end: offset + length - 1 })
    for await (const read of bytes)
      for (let at = 0; at < read.byteLength; at += pieceBytes) {
        const piece = read.subarray(at, at + pieceBytes)
        onSent(piece.byteLength)
        yield piece
        await allowance.fetched(piece.byteLength, signal)
        signal.throwIfAborted()
      }
  }
}

function losesUploads({ repository, digest }: OutgoingBlob): ParentFault {
  const message = `the parent lost the upload of ${repository}@${digest} ${mostRestarts + 1} times: it needs a better link, or room for uploads`
  return Object.assign(new Error(message), { code: 'PARENT_FAILED', transient: true, retryAfterSeconds: undefined })
}
