import { randomUUID } from 'node:crypto'
import type { DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { Content, ContentIngest } from './content.ts'

/** Milliseconds without a request after which an upload's file is let go of; it stands on disk, and is opened again. */
const idleTime = 5 * 60_000
/** Uploads whose files are open at once. Each of docker's pushes has up to five. */
const mostOpen = 256

const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface Open {
  readonly ingest: ContentIngest
  usedAt: number
}

/**
 * Uploads that were begun. What an upload has is its partial file and nothing else: its length is the offset to go on from,
 * so a restart loses none, and no row has to be written before the first byte. The id is a secret of whoever began it.
 */
export class Uploads {
  readonly #blobs: Content['blobs']
  readonly #open = new Map<string, Open>()
  /** By key: the work that is under way, and those that wait behind it. */
  readonly #turns = new Map<string, { readonly last: Promise<unknown>; readonly takeOver: AbortController }>()
  #sweeper: NodeJS.Timeout | undefined

  constructor(blobs: Content['blobs']) {
    this.#blobs = blobs
  }

  /** @returns the id of a new upload */
  async begin(repository: Repository, algorithm: DigestAlgorithm): Promise<string> {
    const id = randomUUID()
    this.#keep(keyOf(repository, id), await this.#blobs.ingest(keyOf(repository, id), algorithm))
    return id
  }

  /**
   * Works on an upload, alone. Whoever comes takes over from a request that still holds it: a client that lost its connection
   * comes again before the server has noticed, and the old request would wait for bytes that never come.
   *
   * @param work is given the signal that tells it to stop, with an {@link OciError}
   * @throws {OciError} `BLOB_UPLOAD_UNKNOWN`
   */
  async use<T>(
    repository: Repository,
    id: string,
    work: (ingest: ContentIngest, signal: AbortSignal) => Promise<T>
  ): Promise<T> {
    const key = keyOf(repository, id)
    const before = this.#turns.get(key)
    before?.takeOver.abort(new OciError('BLOB_UPLOAD_INVALID', 'another request went on with this upload'))
    const takeOver = new AbortController()
    const turn = (before?.last ?? Promise.resolve()).then(async () => {
      const ingest = await this.#find(key, id)
      return work(ingest, takeOver.signal)
    })
    const last = turn.catch(() => undefined)
    this.#turns.set(key, { last, takeOver })
    try {
      return await turn
    } finally {
      if (this.#turns.get(key)?.last === last) this.#turns.delete(key)
    }
  }

  /**
   * How many bytes have come, also while more are coming.
   *
   * @throws {OciError} `BLOB_UPLOAD_UNKNOWN`
   */
  async offset(repository: Repository, id: string): Promise<number> {
    const open = this.#open.get(keyOf(repository, id))
    return open === undefined ? this.use(repository, id, ({ offset }) => Promise.resolve(offset)) : open.ingest.offset
  }

  /** To be called by whoever has committed or discarded an upload, or seen that fail: its file is let go of either way. */
  ended(repository: Repository, id: string): void {
    this.#open.delete(keyOf(repository, id))
  }

  async #find(key: string, id: string): Promise<ContentIngest> {
    const open = this.#open.get(key)
    const ingest = open?.ingest ?? (idPattern.test(id) ? await this.#blobs.resume(key) : undefined)
    if (ingest === undefined)
      throw new OciError('BLOB_UPLOAD_UNKNOWN', 'there is no such upload, or not any more: begin another one')
    this.#keep(key, ingest)
    return ingest
  }

  #keep(key: string, ingest: ContentIngest): void {
    this.#open.delete(key)
    this.#open.set(key, { ingest, usedAt: performance.now() })
    if (this.#open.size > mostOpen) this.#letGo(this.#open.size - mostOpen)
    this.#sweeper ??= setInterval(() => this.#sweep(), idleTime / 5).unref()
  }

  #sweep(): void {
    const now = performance.now()
    this.#letGo([...this.#open.values()].filter(({ usedAt }) => now - usedAt > idleTime).length)
    if (this.#open.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  /** Lets go of those that were used longest ago, unless they are at work. */
  #letGo(count: number): void {
    const idle = [...this.#open.keys()].filter((key) => !this.#turns.has(key))
    for (const key of idle.slice(0, count)) {
      const open = this.#open.get(key)
      this.#open.delete(key)
      // Whoever comes for it meanwhile waits until it is closed, and then opens it again.
      const last = open?.ingest.close().catch(() => undefined) ?? Promise.resolve()
      this.#turns.set(key, { last, takeOver: new AbortController() })
      void last.then(() => {
        if (this.#turns.get(key)?.last === last) this.#turns.delete(key)
      })
    }
  }
}

function keyOf(repository: Repository, id: string): string {
  return `upload ${repository} ${id}`
}
