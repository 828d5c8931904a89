import type { Log } from './log/log.ts'
import { isDigest, type Digest } from './oci/digest.ts'
import type { Repository } from './oci/name.ts'
import type { DamagedBlob } from './status/events.ts'
import type { Status } from './status/status.ts'
import type { Index, Storage } from './storage/storage.ts'

export interface DamageOptions {
  readonly storage: {
    readonly index: Pick<Index, 'repositories' | 'manifest' | 'holders' | 'state' | 'apply'>
    readonly blobs: Pick<Storage['blobs'], 'size'>
  }
  readonly status: Pick<Status, 'setDamaged'>
  readonly log: Log
  /** Milliseconds between two looks while something is lost. */
  readonly lookEveryMs?: number
}

const stateKey = 'scrub.damaged'
/** Digests that are remembered; a disk that loses more of them has another name for it. */
const mostRemembered = 1000
/** Whoever pushes an image again wants to see that it helped. */
const everyMinute = 60_000

/**
 * What a scrub has moved aside and nothing has replaced yet. Sync brings back what the parent has; what was pushed here stands
 * nowhere else, so it is told until it is pushed again or deleted, also after a restart.
 */
export class Damage {
  readonly #options: DamageOptions
  #digests: readonly Digest[] = []
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: DamageOptions) {
    this.#options = options
  }

  /** Takes up what was lost before this start. */
  restore(): Promise<void> {
    return this.#next(async () => {
      const value = await this.#options.storage.index.state(stateKey)
      const known = Array.isArray(value)
        ? value.filter((each): each is Digest => typeof each === 'string' && isDigest(each))
        : []
      if (known.length > 0) await this.#tell(known)
    })
  }

  add(digests: readonly Digest[]): Promise<void> {
    return this.#next(() => this.#tell([...new Set([...this.#digests, ...digests])].slice(-mostRemembered)))
  }

  /** Looks whether something came back, or is not wanted any more. */
  check(): Promise<void> {
    return this.#next(async () => {
      if (this.#digests.length > 0) await this.#tell(this.#digests)
    })
  }

  close(): Promise<unknown> {
    clearInterval(this.#timer)
    return this.#turn
  }

  async #tell(digests: readonly Digest[]): Promise<void> {
    const { storage, status } = this.#options
    const lost: (DamagedBlob & { readonly digest: Digest })[] = []
    for (const digest of digests) {
      const repositories = (await storage.blobs.size(digest)) === undefined ? await this.#holders(digest) : []
      if (repositories.length > 0) lost.push({ digest, repositories })
    }
    const left = lost.map(({ digest }) => digest)
    const value = left.length === 0 ? undefined : left
    if (left.join() !== this.#digests.join()) await storage.index.apply([{ kind: 'setState', key: stateKey, value }])
    this.#digests = left
    status.setDamaged(lost)
    clearInterval(this.#timer)
    if (left.length > 0)
      this.#timer = setInterval(() => void this.check(), this.#options.lookEveryMs ?? everyMinute).unref()
  }

  /** Those that name it as a blob or as a manifest. */
  async #holders(digest: Digest): Promise<Repository[]> {
    const { index } = this.#options.storage
    const holders = new Set(await index.holders(digest))
    for (const repository of await index.repositories())
      if ((await index.manifest(repository, digest)) !== undefined) holders.add(repository)
    return [...holders].sort()
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work).catch((error: unknown) => {
      this.#options.log.warn('what was damaged cannot be looked up', { reason: String(error) })
    })
    this.#turn = done
    return done
  }
}
