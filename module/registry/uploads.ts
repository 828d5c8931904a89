import { randomUUID } from 'node:crypto'
import type { DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { Content, ContentIngest } from './content.ts'

/** Milliseconds without a request after which an upload's file is let go of; it stands on disk, and is opened again. */
const idleTime = 5 * 60_000
/** Uploads whose files are open at once. Each of docker's pushes has up to five. */
const mostOpen = 256
/** Milliseconds without a request after which an upload no longer counts, and is given up where no byte ever came. */
const staleTime = 15 * 60_000
/** Seconds after which whoever has too many may ask again: uploads end, or grow stale. */
const retryAfterSeconds = 30

/** How many uploads may be under way. A push of docker's has up to five, one of containerd's as many as it has layers. */
export interface UploadLimits {
  readonly perToken: number
  readonly inAll: number
}

const defaultLimits: UploadLimits = { perToken: 256, inAll: 1024 }

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
  readonly #limits: UploadLimits
  readonly #now: () => number
  /** Those that were begun here and count, by key; never more than may be under way. */
  readonly #counted = new Map<string, { readonly who: string; usedAt: number }>()
  readonly #open = new Map<string, Open>()
  /** By key: the work that is under way, and those that wait behind it. */
  readonly #turns = new Map<string, { readonly last: Promise<unknown>; readonly takeOver: AbortController }>()
  #sweeper: NodeJS.Timeout | undefined

  /** @param now milliseconds of any clock that only goes forward */
  constructor(blobs: Content['blobs'], limits = defaultLimits, now = () => performance.now()) {
    this.#blobs = blobs
    this.#limits = limits
    this.#now = now
  }

  /**
   * @param who the name of the client token
   * @returns the id of a new upload
   * @throws {OciError} `TOOMANYREQUESTS` where the token, or all together, have too many under way
   */
  async begin(who: string, repository: Repository, algorithm: DigestAlgorithm): Promise<string> {
    this.#admit(who)
    const id = randomUUID()
    const key = keyOf(repository, id)
    // Before the wait: a hundred that come at once count as a hundred.
    this.#counted.set(key, { who, usedAt: this.#now() })
    try {
      this.#keep(key, await this.#blobs.ingest(key, algorithm))
    } catch (error) {
      this.#counted.delete(key)
      throw error
    }
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
    try {
      return await this.#alone(key, async (signal) => work(await this.#find(key, id), signal))
    } finally {
      this.#touch(key)
    }
  }

  async #alone<T>(key: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.#turns.get(key)
    before?.takeOver.abort(new OciError('BLOB_UPLOAD_INVALID', 'another request went on with this upload'))
    const takeOver = new AbortController()
    const turn = (before?.last ?? Promise.resolve()).then(() => work(takeOver.signal))
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
    this.#counted.delete(keyOf(repository, id))
  }

  /** @throws {OciError} `TOOMANYREQUESTS` */
  #admit(who: string): void {
    this.#giveUpStale()
    const { perToken, inAll } = this.#limits
    const own = [...this.#counted.values()].filter((each) => each.who === who).length
    if (own >= perToken)
      throw new OciError(
        'TOOMANYREQUESTS',
        `token ${who} has ${own} uploads under way: finish or cancel some (DELETE), or wait until they are stale`,
        { retryAfterSeconds }
      )
    if (this.#counted.size >= inAll)
      throw new OciError('TOOMANYREQUESTS', 'too many uploads are under way here: try again later', {
        retryAfterSeconds
      })
  }

  /** What has bytes stays on disk, and can be gone on with; it only does not count any more. */
  #giveUpStale(): void {
    const now = this.#now()
    for (const [key, { usedAt }] of this.#counted) {
      if (now - usedAt <= staleTime || this.#turns.has(key)) continue
      this.#counted.delete(key)
      // What it meets on the disk is no concern of whoever begins another upload.
      void this.#alone(key, () => this.#removeEmpty(key)).catch(() => undefined)
    }
  }

  async #removeEmpty(key: string): Promise<void> {
    const open = this.#open.get(key)
    const ingest = open?.ingest ?? (await this.#blobs.resume(key))
    if (ingest?.offset === 0) {
      this.#open.delete(key)
      await ingest.discard()
    } else if (open === undefined) await ingest?.close()
  }

  #touch(key: string): void {
    const counted = this.#counted.get(key)
    if (counted !== undefined) counted.usedAt = this.#now()
  }

  async #find(key: string, id: string): Promise<ContentIngest> {
    const open = this.#open.get(key)
    const ingest = open?.ingest ?? (idPattern.test(id) ? await this.#blobs.resume(key) : undefined)
    if (ingest === undefined)
      throw new OciError('BLOB_UPLOAD_UNKNOWN', 'there is no such upload, or not any more: begin another one')
    this.#keep(key, ingest)
    this.#touch(key)
    return ingest
  }

  #keep(key: string, ingest: ContentIngest): void {
    this.#open.delete(key)
    this.#open.set(key, { ingest, usedAt: this.#now() })
    if (this.#open.size > mostOpen) this.#letGo(this.#open.size - mostOpen)
    this.#sweeper ??= setInterval(() => this.#sweep(), idleTime / 5).unref()
  }

  #sweep(): void {
    this.#giveUpStale()
    const now = this.#now()
    this.#letGo([...this.#open.values()].filter(({ usedAt }) => now - usedAt > idleTime).length)
    if (this.#open.size + this.#counted.size > 0) return
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
