import type { Stats } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as yieldTurn } from 'node:timers/promises'
import type { Log } from '../log/log.ts'
import { isDigest, type Digest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'
import { blobFiles, entries } from './blob-files.ts'
import type { FileBlobs } from './blobs.ts'
import { diskError, systemCode } from './errors.ts'
import type { WorkerIndex } from './index.ts'
import type { Leases } from './leases.ts'
import { readTree } from './marking.ts'
import type { StoragePaths } from './paths.ts'
import { keepPrefix, type CollectionOptions, type CollectionReport, type KeptImage } from './storage.ts'
import { isYoung, Untangling } from './untangling.ts'

/** What cleaning up works with. */
export interface CleaningParts {
  readonly paths: StoragePaths
  readonly blobs: FileBlobs
  readonly index: WorkerIndex
  readonly leases: Leases
  readonly log?: Log | undefined
}

const minute = 60_000
const day = 24 * 60 * minute
/** Removals between two breaths. */
const stepLength = 32
/** A mark that nobody renews: the image it stands for has not been asked for in all that time. */
const oldestKeep = 30 * day

/**
 * Frees what nothing names any more, while others serve, push and sync: first what the index holds without a reason, in
 * transactions of their own, then the bytes that the index no longer names. Every removal is decided in one turn with a last
 * look at who relies on it (see {@link Leases}), and what is interrupted is taken up by the next run.
 */
export async function collectGarbage(parts: CleaningParts, options: CollectionOptions = {}): Promise<CollectionReport> {
  const collection = new Collection(parts, {
    graceMs: options.graceMs ?? 6 * 60 * minute,
    untaggedMs: options.untaggedMs ?? (() => day),
    retention: options.retention ?? (() => undefined),
    leftoverMs: options.leftoverMs ?? 7 * day,
    signal: options.signal
  })
  try {
    return await collection.run()
  } catch (cause) {
    throw diskError('collecting garbage', cause)
  }
}

interface Rules {
  readonly graceMs: number
  readonly untaggedMs: (repository: Repository) => number
  readonly retention: NonNullable<CollectionOptions['retention']>
  readonly leftoverMs: number
  readonly signal: AbortSignal | undefined
}

class Collection {
  readonly #parts: CleaningParts
  readonly #rules: Rules
  readonly #began = performance.now()
  readonly #freed = { tags: 0, manifests: 0, links: 0, repositories: 0, blobs: 0, partials: 0, bytes: 0 }
  #steps = 0

  constructor(parts: CleaningParts, rules: Rules) {
    this.#parts = parts
    this.#rules = rules
  }

  async run(): Promise<CollectionReport> {
    const { leases } = this.#parts
    // Whatever is named or found from here on stays this time.
    const since = leases.now()
    const kept = await this.#keptImages()
    const untangling = new Untangling(this.#parts, { ...this.#rules, since, kept })
    Object.assign(this.#freed, await untangling.run())
    await this.#sweep(since, new Set([...kept, ...untangling.needed]))
    await this.#removePartials(kept)
    await this.#removeOld(this.#parts.paths.quarantine, () => true)
    await this.#removeOld(this.#parts.paths.folder, (name) => name.includes('.damaged-'))
    leases.prune(Math.max(this.#rules.graceMs, day))
    return { ...this.#freed, complete: !this.#stopped, milliseconds: Math.round(performance.now() - this.#began) }
  }

  /** Everything that images on their way consist of, as far as their manifests are here. */
  async #keptImages(): Promise<Set<Digest>> {
    const { index, paths } = this.#parts
    await index.settled()
    const kept = new Set<Digest>()
    for (const [key, value] of index.model.statesBelow(keepPrefix)) {
      const { digest, at, lasting, referrers } = (value ?? {}) as Partial<Record<keyof KeptImage, unknown>>
      const isOver = typeof at !== 'number' || (lasting !== true && Date.now() - at > oldestKeep)
      if (typeof digest !== 'string' || !isDigest(digest) || isOver)
        await index.apply([{ kind: 'setState', key, value: undefined }])
      else
        for (const root of [digest, ...(Array.isArray(referrers) ? (referrers as unknown[]) : [])])
          if (typeof root === 'string' && isDigest(root)) for (const each of await readTree(paths, root)) kept.add(each)
    }
    return kept
  }

  /** Deletes the bytes that nothing names. */
  async #sweep(since: number, needed: ReadonlySet<Digest>): Promise<void> {
    const { index, leases, paths } = this.#parts
    const mayGo = (digest: Digest): boolean =>
      !needed.has(digest) && leases.isFree(digest, since, this.#rules.graceMs) && !index.model.names(digest)
    for await (const { digest } of blobFiles(paths)) {
      if (this.#stopped) return
      if (!mayGo(digest)) continue
      const path = paths.blob(digest)
      const found = await whatIsThere(path)
      // A scrub may have taken it into quarantine since the folder was read.
      if (found === undefined || isYoung(found.mtimeMs, this.#rules.graceMs)) continue
      // Out of sight in one step, so that deleting a large file keeps nobody waiting who brings the same bytes again.
      const gone = await leases.takeAway(
        digest,
        () => mayGo(digest),
        () => rename(path, paths.trashed(digest))
      )
      if (!gone) continue
      await rm(paths.trashed(digest), { force: true })
      this.#freed.blobs += 1
      this.#freed.bytes += found.size
      await this.#breathe()
    }
  }

  /** Deletes partial files that nobody has gone on with; those of an image that is still wanted stay. */
  async #removePartials(kept: ReadonlySet<Digest>): Promise<void> {
    const { blobs, paths } = this.#parts
    const wanted = new Set([...kept].map((digest) => paths.partial(digest)))
    for (const name of await entries(paths.partials)) {
      const path = join(paths.partials, name)
      const size = wanted.has(path) || this.#stopped ? undefined : await this.#sizeIfOld(path)
      if (size === undefined || !(await blobs.removePartial(path))) continue
      this.#freed.partials += 1
      this.#freed.bytes += size
      await this.#breathe()
    }
  }

  async #removeOld(folder: string, matches: (name: string) => boolean): Promise<void> {
    for (const name of (await entries(folder)).filter(matches)) {
      const size = this.#stopped ? undefined : await this.#sizeIfOld(join(folder, name))
      if (size === undefined) continue
      await rm(join(folder, name), { force: true })
      this.#freed.bytes += size
    }
  }

  /** By its last change, of the bytes or of the name. */
  async #sizeIfOld(path: string): Promise<number | undefined> {
    const found = await whatIsThere(path)
    const isOld = found !== undefined && Date.now() - Math.floor(found.ctimeMs) >= this.#rules.leftoverMs
    return isOld ? found.size : undefined
  }

  async #breathe(): Promise<void> {
    this.#steps += 1
    if (this.#steps % stepLength === 0) await yieldTurn()
  }

  get #stopped(): boolean {
    return this.#rules.signal?.aborted === true
  }
}

async function whatIsThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined
    throw cause
  }
}
