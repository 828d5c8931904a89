import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import { StorageError } from './errors.ts'
import { IndexModel } from './index-model.ts'
import type { ApplyRequest, IndexReply, IndexWorkerData, StoredChange } from './index-protocol.ts'
import type { Index, IndexChange, ManifestRecord, Page } from './storage.ts'

interface Waiting {
  readonly changes: readonly StoredChange[]
  /** Whether the bytes are here that the changes would name. */
  readonly checked: Promise<Error | undefined>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Enough for one fsync to serve, and few enough that the first of them does not wait long. */
const mostBatchesPerCommit = 256

/** The index: reads from memory, and writes on a worker, those that wait together made durable by one commit. */
export class WorkerIndex implements Index {
  readonly #worker: Worker
  readonly #model: IndexModel
  readonly #hasBytes: (digest: Digest) => Promise<boolean>
  readonly #waiting: Waiting[] = []
  #flushing: Promise<void> | undefined
  #closed: StorageError | undefined

  private constructor(worker: Worker, model: IndexModel, hasBytes: (digest: Digest) => Promise<boolean>) {
    this.#worker = worker
    this.#model = model
    this.#hasBytes = hasBytes
    worker.on('error', (cause: Error) => {
      this.#closed ??= new StorageError('INDEX_FAILED', `the index worker stopped: ${cause.message}`, { cause })
    })
    worker.unref()
  }

  /**
   * @param hasBytes whether the blob store holds a digest
   * @returns the index, and where a damaged one was set aside
   * @throws {StorageError} `INDEX_TOO_NEW`, `STORAGE_IN_USE`, `DISK_FULL`, `INDEX_FAILED`
   */
  static async open(
    folder: string,
    hasBytes: (digest: Digest) => Promise<boolean>
  ): Promise<{ index: WorkerIndex; setAside?: string }> {
    const worker = new Worker(new URL('./index-worker.ts', import.meta.url), {
      name: 'causeway-index',
      workerData: { folder } satisfies IndexWorkerData
    })
    const [reply] = (await once(worker, 'message')) as [IndexReply]
    if (reply.kind !== 'opened') {
      await worker.terminate()
      const { code, message } =
        reply.kind === 'refused' ? reply.failure : ({ code: 'INDEX_FAILED', message: 'unexpected reply' } as const)
      throw new StorageError(code, message)
    }
    const index = new WorkerIndex(worker, new IndexModel(reply.contents), hasBytes)
    return reply.setAside === undefined ? { index } : { index, setAside: reply.setAside }
  }

  repositories(page?: Page): Promise<Repository[]> {
    return Promise.resolve(this.#model.repositories(page))
  }

  tags(repository: Repository, page?: Page): Promise<Tag[] | undefined> {
    return Promise.resolve(this.#model.tags(repository, page))
  }

  tag(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    return Promise.resolve(this.#model.tag(repository, tag))
  }

  manifest(repository: Repository, digest: Digest): Promise<ManifestRecord | undefined> {
    return Promise.resolve(this.#model.manifest(repository, digest))
  }

  hasBlob(repository: Repository, digest: Digest): Promise<boolean> {
    return Promise.resolve(this.#model.hasBlob(repository, digest))
  }

  state(key: string): Promise<unknown> {
    return Promise.resolve(this.#model.state(key))
  }

  /** @throws {StorageError} `BLOB_ABSENT`, `MANIFEST_ABSENT`, `DISK_FULL`, `INDEX_FAILED`, `CLOSED` */
  apply(changes: readonly IndexChange[]): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes: changes.map(stored), checked: this.#check(changes), resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** Finishes what was asked for, then lets go of the file. */
  async close(): Promise<void> {
    const worked = this.#closed === undefined
    this.#closed ??= new StorageError('CLOSED', 'the storage is closed')
    await this.#flushing
    if (!worked) return
    const exited = once(this.#worker, 'exit')
    this.#worker.ref()
    this.#worker.postMessage('close')
    await exited
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
      failures = reply.map((failure) => failure && new StorageError(failure.code, failure.message))
    } catch (error) {
      failures = taken.map(() => error as Error)
    }
    taken.forEach((waiting, position) => {
      const failure = failures[position]
      if (failure === undefined) {
        for (const change of waiting.changes) this.#model.follow(change)
        waiting.resolve()
      } else waiting.reject(failure)
    })
  }

  async #ask(request: ApplyRequest): Promise<Extract<IndexReply, { kind: 'applied' }>['failures']> {
    // A worker that dies meanwhile ends the wait too: `once` rejects on 'error'.
    this.#worker.ref()
    try {
      const answer = once(this.#worker, 'message') as Promise<[IndexReply]>
      this.#worker.postMessage(request)
      const [reply] = await answer
      if (reply.kind !== 'applied') throw new StorageError('INDEX_FAILED', 'the index worker answered out of turn')
      return reply.failures
    } finally {
      this.#worker.unref()
    }
  }

  async #check(changes: readonly IndexChange[]): Promise<Error | undefined> {
    try {
      for (const change of changes)
        if ((change.kind === 'putManifest' || change.kind === 'setTag') && !(await this.#hasBytes(change.digest)))
          return new StorageError('BLOB_ABSENT', `the bytes of ${change.digest} are not here: commit them first`)
      return undefined
    } catch (error) {
      return error as Error
    }
  }
}

function stored(change: IndexChange): StoredChange {
  if (change.kind !== 'setState') return change
  const { kind, key, value } = change
  return { kind, key, json: value === undefined ? undefined : JSON.stringify(value) }
}
