import { isDigest, type Digest } from '../../module/oci/digest.ts'
import { isRepository } from '../../module/oci/name.ts'
import { BodyTooLarge, type Exchange } from '../cloud-http.ts'
import type { Gate } from './access.ts'
import type { BlobFiles } from './blob-files.ts'
import { RegistryError, registryHeaders, writeError } from './errors.ts'
import type { RegistryKnobs } from './knobs.ts'
import { listRepositories, listTags } from './lists.ts'
import { deleteManifest, listReferrers, readStoredManifest, writeManifest } from './manifests.ts'
import type { Repositories } from './repositories.ts'
import { allows } from './scopes.ts'
import type { SignedUrls } from './signed-urls.ts'
import type { Throttle } from './throttle.ts'
import type { Uploads } from './uploads.ts'

/** Everything one registry of the pretend cloud is made of. */
export interface RegistryParts {
  readonly files: BlobFiles
  readonly repositories: Repositories
  readonly uploads: Uploads
  readonly urls: SignedUrls
  readonly throttle: Throttle
  readonly knobs: RegistryKnobs
  readonly gate: Gate
  /** The host that a blob's GET is sent to at this moment. */
  readonly blobHostName: () => string
  /** Answers what is not under `/v2/`. */
  readonly elsewhere: (exchange: Exchange) => Promise<void>
  /** Called before something is read, for a registry that makes its content when asked. */
  readonly prepare?: (repository: string, reference: string) => Promise<void>
}

/** The distribution API as ACR answers it: a challenge on every route, blobs elsewhere, no gateway. */
export async function serveRegistry(exchange: Exchange, parts: RegistryParts): Promise<void> {
  try {
    parts.throttle.admit(exchange.url.pathname)
    if (/^\/v2(?:\/|$)/.test(exchange.url.pathname)) await route(exchange, parts)
    else await parts.elsewhere(exchange)
  } catch (error) {
    const refused = error instanceof BodyTooLarge ? new RegistryError('SIZE_INVALID') : error
    if (!(refused instanceof RegistryError)) throw error
    writeError(exchange, refused)
  }
}

async function route(exchange: Exchange, parts: RegistryParts): Promise<void> {
  const path = decoded(exchange.url.pathname).replace(/^\/v2\/?/, '')
  if (path === '') {
    await parts.gate.check(exchange, 'ping')
    exchange.json(200, {}, registryHeaders)
    return
  }
  if (path === '_catalog') {
    only(exchange, 'GET')
    await parts.gate.check(exchange, { type: 'registry', name: 'catalog', action: '*' })
    listRepositories(exchange, parts.knobs, parts.repositories)
    return
  }
  // Matched from the right: `blobs` and `manifests` may be parts of a repository's name.
  const [, repository = '', kind = '', rest = ''] =
    /^(.+)\/(tags|manifests|referrers|blobs\/uploads|blobs)(?:\/([^/]*))?$/.exec(path) ?? []
  if (repository === '') throw new RegistryError('NOT_FOUND')
  if (!isRepository(repository)) throw new RegistryError('NAME_INVALID', { detail: { name: repository } })
  switch (kind) {
    case 'tags':
      if (rest === 'list') return tags(exchange, parts, repository)
      break
    case 'manifests':
      return manifests(exchange, parts, repository, rest)
    case 'referrers':
      only(exchange, 'GET')
      await allow(exchange, parts, repository, 'pull')
      listReferrers(exchange, parts.repositories.get(repository), rest)
      return
    case 'blobs':
      return blobs(exchange, parts, repository, rest)
    case 'blobs/uploads':
      return uploads(exchange, parts, repository, rest)
  }
  throw new RegistryError('NOT_FOUND')
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new RegistryError('NAME_INVALID')
  }
}

/** Listing tags needs `metadata_read`: `pull` is not enough (https://github.com/goharbor/harbor/pull/16947). */
async function tags(exchange: Exchange, parts: RegistryParts, repository: string): Promise<void> {
  only(exchange, 'GET')
  await allow(exchange, parts, repository, 'metadata_read')
  listTags(exchange, parts.knobs, repository, parts.repositories.get(repository))
}

async function manifests(
  exchange: Exchange,
  parts: RegistryParts,
  repository: string,
  reference: string
): Promise<void> {
  const action = actionOf(exchange)
  await allow(exchange, parts, repository, action)
  if (action === 'push') return writeManifest(exchange, parts.repositories, repository, reference)
  if (action === 'delete') {
    deleteManifest(exchange, parts.repositories.get(repository), reference)
    return
  }
  await parts.prepare?.(repository, reference)
  readStoredManifest(exchange, parts.repositories.get(repository), reference)
}

/** HEAD is answered here, GET by the storage behind: with a signed URL, and the digest on this answer already. */
async function blobs(exchange: Exchange, parts: RegistryParts, repository: string, digest: string): Promise<void> {
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw new RegistryError('UNSUPPORTED')
  await allow(exchange, parts, repository, 'pull')
  const size = sizeOf(parts, repository, digest)
  const headers = {
    ...registryHeaders,
    'docker-content-digest': digest,
    'content-type': 'application/octet-stream'
  }
  if (exchange.method === 'HEAD') {
    exchange.empty(200, { ...headers, 'content-length': size, 'accept-ranges': 'bytes', etag: `"${digest}"` })
    return
  }
  const location = parts.urls.sign(parts.blobHostName(), digest as Digest, parts.knobs.signedUrlSeconds)
  const body = Buffer.from(`<a href="${location.replaceAll('&', '&amp;')}">Temporary Redirect</a>.\n\n`)
  exchange.bytes(307, body, { ...headers, location, 'content-type': 'text/html; charset=utf-8' })
}

function sizeOf(parts: RegistryParts, repository: string, digest: string): number {
  if (!isDigest(digest)) throw new RegistryError('DIGEST_INVALID', { message: `not a digest: ${digest.slice(0, 150)}` })
  const held = parts.repositories.get(repository)?.blobs.has(digest) === true
  const size = held ? parts.files.size(digest) : undefined
  if (size === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
  return size
}

async function uploads(exchange: Exchange, parts: RegistryParts, repository: string, id: string): Promise<void> {
  const token = await parts.gate.check(exchange, { type: 'repository', name: repository, action: 'push' })
  if (id !== '') return parts.uploads.continue(exchange, repository, id)
  only(exchange, 'POST')
  const mayRead = (from: string): boolean =>
    token !== undefined && allows(token.access, { type: 'repository', name: from, action: 'pull' })
  return parts.uploads.start(exchange, repository, mayRead)
}

async function allow(exchange: Exchange, parts: RegistryParts, name: string, action: string): Promise<void> {
  await parts.gate.check(exchange, { type: 'repository', name, action })
}

function actionOf(exchange: Exchange): 'pull' | 'push' | 'delete' {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return 'pull'
    case 'PUT':
      return 'push'
    case 'DELETE':
      return 'delete'
    default:
      throw new RegistryError('UNSUPPORTED')
  }
}

function only(exchange: Exchange, method: string): void {
  if (exchange.method !== method) throw new RegistryError('UNSUPPORTED')
}
