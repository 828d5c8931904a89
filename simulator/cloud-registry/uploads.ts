import { randomBytes, randomUUID } from 'node:crypto'
import { isDigest } from '../../module/oci/digest.ts'
import type { Exchange, Headers } from '../cloud-http.ts'
import type { BlobFiles, BlobUpload } from './blob-files.ts'
import { RegistryError, registryHeaders } from './errors.ts'
import type { Repositories } from './repositories.ts'

interface Session {
  readonly repository: string
  readonly upload: BlobUpload
  /** Changes with every answer, as ACR's `_state` does: a client has to use the newest Location. */
  state: string
  busy: boolean
}

/** Uploads of one registry: POST, PATCH, PUT, and the state of each between. */
export class Uploads {
  readonly #sessions = new Map<string, Session>()
  readonly #files: BlobFiles
  readonly #repositories: Repositories

  constructor(files: BlobFiles, repositories: Repositories) {
    this.#files = files
    this.#repositories = repositories
  }

  /**
   * POST. A mount is made only from a repository that the token may read; else an upload is opened, as the specification says.
   *
   * @param mayRead whether the caller may pull from a repository
   */
  async start(exchange: Exchange, repository: string, mayRead: (from: string) => boolean): Promise<void> {
    const query = exchange.url.searchParams
    const mount = query.get('mount')
    const from = query.get('from')
    if (mount !== null && from !== null && isDigest(mount) && mayRead(from)) {
      if (this.#repositories.get(from)?.blobs.has(mount) === true) {
        this.#repositories.ensure(repository).blobs.add(mount)
        exchange.empty(201, created(repository, mount))
        return
      }
    }
    // A whole blob in the POST is legal to offer and legal to decline (distribution-spec, "Single POST"); ACR declines.
    exchange.request.resume()
    const id = randomUUID()
    const session = { repository, upload: await this.#files.startUpload(), state: newState(), busy: false }
    this.#sessions.set(id, session)
    exchange.empty(202, progress(id, session))
  }

  async continue(exchange: Exchange, repository: string, id: string): Promise<void> {
    const session = this.#find(repository, id)
    switch (exchange.method) {
      case 'GET':
        exchange.empty(204, progress(id, session))
        return
      case 'PATCH':
        this.#checkState(exchange, session)
        await this.#receive(exchange, id, session)
        exchange.empty(202, progress(id, session))
        return
      case 'PUT':
        this.#checkState(exchange, session)
        await this.#complete(exchange, id, session)
        return
      case 'DELETE':
        this.#sessions.delete(id)
        await session.upload.discard()
        exchange.empty(204, registryHeaders)
        return
      default:
        throw new RegistryError('UNSUPPORTED')
    }
  }

  /** Gives up what was never finished. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.upload.discard()))
    this.#sessions.clear()
  }

  async #complete(exchange: Exchange, id: string, session: Session): Promise<void> {
    const digest = exchange.url.searchParams.get('digest') ?? ''
    if (!isDigest(digest))
      throw new RegistryError('DIGEST_INVALID', { message: `not a digest: ${digest.slice(0, 150)}` })
    await this.#receive(exchange, id, session)
    this.#sessions.delete(id)
    if (!(await session.upload.commit(digest))) throw new RegistryError('DIGEST_INVALID')
    this.#repositories.ensure(session.repository).blobs.add(digest)
    exchange.empty(201, created(session.repository, digest))
  }

  async #receive(exchange: Exchange, id: string, session: Session): Promise<void> {
    const range = /^(?:bytes )?(\d+)-\d+(?:\/.*)?$/.exec(exchange.header('content-range') ?? '')
    if ((range !== null && Number(range[1]) !== session.upload.length) || session.busy)
      throw new RegistryError('RANGE_INVALID', { headers: progress(id, session) })
    session.busy = true
    try {
      for await (const part of exchange.request as AsyncIterable<Buffer>) await session.upload.append(part)
    } finally {
      session.busy = false
    }
    session.state = newState()
  }

  #find(repository: string, id: string): Session {
    const session = this.#sessions.get(id)
    if (session?.repository !== repository) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    return session
  }

  #checkState(exchange: Exchange, session: Session): void {
    if (exchange.url.searchParams.get('_state') !== session.state) throw new RegistryError('BLOB_UPLOAD_INVALID')
  }
}

function newState(): string {
  return randomBytes(48).toString('base64url')
}

function progress(id: string, session: Session): Headers {
  return {
    ...registryHeaders,
    location: `/v2/${session.repository}/blobs/uploads/${id}?_nouploadcache=false&_state=${session.state}`,
    range: `0-${Math.max(0, session.upload.length - 1)}`,
    'docker-upload-uuid': id
  }
}

function created(repository: string, digest: string): Headers {
  return {
    ...registryHeaders,
    location: `/v2/${repository}/blobs/${digest}`,
    'docker-content-digest': digest
  }
}
