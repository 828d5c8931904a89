import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import { StorageError } from './errors.ts'
import { IndexDatabase } from './index-database.ts'
import { IndexModel } from './index-model.ts'
import type { IndexReply, IndexRequest, IndexWorkerData, Rescue, StoredChange } from './index-protocol.ts'
import type { Leases } from './leases.ts'
import type { Index, IndexChange, ManifestRecord, Page, ReferrersPage, RepositoriesPage } from './storage.ts'

export interface IndexOptions {
  readonly folder: string
  /** Whether the blob store holds a digest. */
  readonly hasBytes: (digest: Digest) => Promise<boolean>
  readonly leases: Leases
  /** Told where a commit found no room. */
  readonly onDiskFull: (message: string) => void
  /** Makes commits wait: see `commitGate` in index-protocol.ts. */
  readonly commitGate?: SharedArrayBuffer | undefined
  /** Milliseconds without a request after which the worker ends. */
  readonly idleMs?: number
}

interface Waiting {
  readonly changes: readonly StoredChange[]
  /** Whether the bytes are here that the changes would name. */
  readonly checked: Promise<Error | undefined>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Enough for one fsync to serve, and few enough that the first of them does not wait long. */
const mostBatchesPerCommit = 256
/** A worker holds more than ten mebibytes, and most devices write for some minutes of a day. */
const defaultIdleMs = 10_000

/** The index: reads from memory, and writes on a worker, those that wait together made durable by one commit. */
export class WorkerIndex implements Index {
  /** Holds the file, and its lock, while there is nothing to write: a thread of its own costs a start dearly. */
  #opened: IndexDatabase | undefined
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  readonly #options: IndexOptions
  readonly #model: IndexModel
  readonly #hasBytes: (digest: Digest) => Promise<boolean>
  readonly #leases: Leases
  readonly #onDiskFull: (message: string) => void
  readonly #waiting: Waiting[] = []
  /** How often each repository was given something new to name. */
  readonly #generations = new Map<Repository, number>()
  /** Whether anything but state has changed since the last copy: state is what the next sync finds out again. */
  #copyIsOld = true
  /** The worker answers one request after another. */
  #turn: Promise<unknown> = Promise.resolve()
  #flushing: Promise<void> | undefined
  #closed: StorageError | undefined

  private constructor(opened: IndexDatabase, model: IndexModel, options: IndexOptions) {
    const { hasBytes, leases, onDiskFull } = options
    this.#opened = opened
    this.#options = options
    this.#model = model
    this.#hasBytes = hasBytes
    this.#leases = leases
    this.#onDiskFull = onDiskFull
  }

  /**
   * Reads the whole index in this thread, which nobody waits for yet.
   *
   * @returns the index, and what had to be done to open it
   * @throws {StorageError} `INDEX_TOO_NEW`, `STORAGE_IN_USE`, `DISK_FULL`, `INDEX_FAILED`
   */
  static open(options: IndexOptions): { index: WorkerIndex; rescue: Rescue } {
    const { index, contents, ...rescue } = IndexDatabase.open(options.folder)
    return { index: new WorkerIndex(index, new IndexModel(contents), options), rescue }
  }

  repositories(page?: RepositoriesPage): Promise<Repository[]> {
    return Promise.resolve(this.#model.repositories(page))
  }

  tags(repository: Repository, page?: Page): Promise<Tag[] | undefined> {
    return Promise.resolve(this.#model.tags(repository, page))
  }

  tag(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    return Promise.resolve(this.#model.tag(repository, tag))
  }

  manifest(repository: Repository, digest: Digest): Promise<ManifestRecord | undefined> {
    const manifest = this.#model.manifest(repository, digest)
    if (manifest !== undefined) this.#leases.touch(digest)
    return Promise.resolve(manifest)
  }

  hasBlob(repository: Repository, digest: Digest): Promise<boolean> {
    const isLinked = this.#model.hasBlob(repository, digest)
    if (isLinked) this.#leases.touch(digest)
    return Promise.resolve(isLinked)
  }

  holders(digest: Digest): Promise<Repository[]> {
    return Promise.resolve(this.#model.holders(digest))
  }

  referrers(repository: Repository, subject: Digest, page?: ReferrersPage): Promise<Digest[]> {
    return Promise.resolve(this.#model.referrers(repository, subject, page))
  }

  state(key: string): Promise<unknown> {
    return Promise.resolve(this.#model.state(key))
  }

  states(prefix: string): Promise<(readonly [key: string, value: unknown])[]> {
    return Promise.resolve(this.#model.statesBelow(prefix).sort(([one], [other]) => (one < other ? -1 : 1)))
  }

  /** @throws {StorageError} `BLOB_ABSENT`, `MANIFEST_ABSENT`, `DISK_FULL`, `INDEX_FAILED`, `CLOSED` */
  apply(changes: readonly IndexChange[]): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    for (const change of changes) this.#rely(change)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes: changes.map(stored), checked: this.#check(changes), resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** What stands now, without the changes that are on their way; for looking only. */
  get model(): IndexModel {
    return this.#model
  }

  /** Counts up with each call of {@link apply} that gives the repository something to name. */
  generation(repository: Repository): number {
    return this.#generations.get(repository) ?? 0
  }

  /** Resolves when {@link model} has everything that was asked for before. */
  async settled(): Promise<void> {
    await this.apply([])
  }

  /** When each tag of a repository was set, in milliseconds since 1970. Asked of the disk: nobody needs it often. */
  async tagTimes(repository: Repository): Promise<ReadonlyMap<Tag, number>> {
    if (this.#closed !== undefined) throw this.#closed
    const reply = await this.#ask({ tagTimesOf: repository })
    if (reply.kind !== 'tagTimes') throw outOfTurn()
    if (reply.failure !== undefined) throw new StorageError(reply.failure.code, reply.failure.message)
    return new Map(reply.times)
  }

  /** Writes the index into a second file, unless that names the same already. @throws {StorageError} */
  async copy(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed
    if (!this.#copyIsOld) return
    this.#copyIsOld = false
    try {
      const reply = await this.#ask('copy')
      if (reply.kind !== 'copied') throw outOfTurn()
      if (reply.failure !== undefined) throw new StorageError(reply.failure.code, reply.failure.message)
    } catch (error) {
      this.#copyIsOld = true
      throw error
    }
  }

  /** Finishes what was asked for, then lets go of the file. */
  async close(): Promise<void> {
    const worked = this.#closed === undefined
    this.#closed ??= new StorageError('CLOSED', 'the storage is closed')
    await this.#flushing
    await this.#turn
    clearTimeout(this.#idle)
    this.#opened?.close()
    this.#opened = undefined
    if (!worked || this.#worker === undefined) return
    await dismiss(this.#worker)
    this.#worker = undefined
  }

  /** Whether there is a worker now. */
  get hasWorker(): boolean {
    return this.#worker !== undefined
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, mostBatchesPerCommit)
      const checked = await Promise.all(taken.map((waiting) => waiting.checked))
      const sound = taken.filter((waiting, position) => {
        const problem = checked[position]
        if (problem !== undefined) waiting.reject(problem)
        return problem === undefined
      })
      if (sound.length > 0) await this.#commit(sound)
    }
    // In the same turn as the loop's last look: a call made after it starts another flush.
    this.#flushing = undefined
  }

  async #commit(taken: readonly Waiting[]): Promise<void> {
    let failures: readonly (Error | undefined)[]
    try {
      const reply = await this.#ask({ batches: taken.map((waiting) => waiting.changes) })
      if (reply.kind !== 'applied') throw outOfTurn()
      failures = reply.failures.map((failure) => failure && new StorageError(failure.code, failure.message))
    } catch (error) {
      failures = taken.map(() => error as Error)
    }
    const full = failures.find((failure) => failure instanceof StorageError && failure.code === 'DISK_FULL')
    if (full !== undefined) this.#onDiskFull(full.message)
    taken.forEach((waiting, position) => {
      const failure = failures[position]
      if (failure === undefined) {
        for (const change of waiting.changes) this.#model.follow(change)
        this.#copyIsOld ||= waiting.changes.some(({ kind }) => kind !== 'setState')
        waiting.resolve()
      } else waiting.reject(failure)
    })
  }

  #ask(request: IndexRequest): Promise<IndexReply> {
    const reply = this.#turn.then(async () => {
      clearTimeout(this.#idle)
      const worker = this.#worker ?? (await this.#hire())
      // A worker that dies meanwhile ends the wait too: `once` rejects on 'error'.
      worker.ref()
      try {
        const answer = once(worker, 'message') as Promise<[IndexReply]>
        worker.postMessage(request)
        return (await answer)[0]
      } finally {
        worker.unref()
        this.#idle = setTimeout(() => this.#rest(), this.#options.idleMs ?? defaultIdleMs).unref()
      }
    })
    this.#turn = reply.catch(() => undefined)
    return reply
  }

  /** Takes the file back, so that nobody else gets it, and lets the worker go. */
  #rest(): void {
    const rest = async (): Promise<void> => {
      const worker = this.#worker
      if (worker === undefined || this.#closed !== undefined) return
      await dismiss(worker)
      try {
        this.#opened = IndexDatabase.resume(this.#options.folder)
      } finally {
        this.#worker = undefined
      }
    }
    // Where it cannot be had back, the next request says why.
    this.#turn = this.#turn.then(rest).catch(() => undefined)
  }

  /**
   * Hands the file over to a worker.
   *
   * @throws {StorageError} where that cannot open it: too many files are open, or the disk fails. Nothing was asked of it yet,
   *   so that the next request may try again
   */
  async #hire(): Promise<Worker> {
    const { folder, commitGate } = this.#options
    this.#opened?.close()
    this.#opened = undefined
    const worker = new Worker(new URL('./index-worker.ts', import.meta.url), {
      name: 'causeway-index',
      workerData: { folder, ...(commitGate === undefined ? {} : { commitGate }) } satisfies IndexWorkerData,
      // It keeps nothing: with a young generation as large as the main thread's it would still take the memory.
      resourceLimits: { maxYoungGenerationSizeMb: 2 }
    })
    let opened = false
    worker.on('error', (cause: Error) => {
      // Whether what it was at has become durable, nobody knows: only reading the whole index again tells.
      if (opened) this.#closed ??= stopped(cause)
    })
    const [reply] = (await once(worker, 'message').catch((cause: unknown) => {
      throw stopped(cause as Error)
    })) as [IndexReply]
    if (reply.kind === 'opened') {
      opened = true
      this.#worker = worker
      return worker
    }
    await worker.terminate()
    const { code, message } = reply.kind === 'refused' ? reply.failure : outOfTurn()
    throw new StorageError(code, message)
  }

  /** In the same turn as the call: garbage collection decides in one turn as well, so that neither misses the other. */
  #rely(change: IndexChange): void {
    if (!isNaming(change)) return
    this.#leases.touch(change.digest)
    this.#generations.set(change.repository, this.generation(change.repository) + 1)
  }

  async #check(changes: readonly IndexChange[]): Promise<Error | undefined> {
    try {
      for (const change of changes)
        if (isNaming(change) && !(await this.#hasBytes(change.digest)))
          return new StorageError('BLOB_ABSENT', `the bytes of ${change.digest} are not here: commit them first`)
      return undefined
    } catch (error) {
      return error as Error
    }
  }
}

async function dismiss(worker: Worker): Promise<void> {
  const exited = once(worker, 'exit')
  worker.ref()
  worker.postMessage('close')
  await exited
}

/** Whether bytes must be here for a change, and stay. */
function isNaming(
  change: IndexChange
): change is Extract<IndexChange, { kind: 'linkBlob' | 'putManifest' | 'setTag' }> {
  return change.kind === 'linkBlob' || change.kind === 'putManifest' || change.kind === 'setTag'
}

function stopped(cause: Error): StorageError {
  return new StorageError('INDEX_FAILED', `the index worker stopped: ${cause.message}`, { cause })
}

function outOfTurn(): StorageError {
  return new StorageError('INDEX_FAILED', 'the index worker answered out of turn')
}

function stored(change: IndexChange): StoredChange {
  if (change.kind !== 'setState') return change
  const { kind, key, value } = change
  return { kind, key, json: value === undefined ? undefined : JSON.stringify(value) }
}
