import { OciError } from '../oci/errors.ts'
import { deleteBlob, deleteManifest } from './deletes.ts'
import type { Exchange, Pushing } from './handlers.ts'
import { beginUpload, cancelUpload, continueUpload, describeUpload, finishUpload } from './push-blobs.ts'
import { putManifest } from './push-manifests.ts'
import { errorReply, type Reply } from './reply.ts'
import type { Route } from './routes.ts'

type Write = () => Promise<Reply>

/**
 * Everything but reading, for somebody who may. What a path does not know is refused, with what it knows.
 *
 * @throws {OciError} what the handlers throw
 */
export function serveWrite(pushing: Pushing, exchange: Exchange, route: Route): Reply | Promise<Reply> {
  const writes = writesOf(pushing, exchange, route)
  const method = exchange.request.method ?? ''
  const write = Object.hasOwn(writes, method) ? writes[method] : undefined
  if (write !== undefined) return write()
  const allowed = [...(isReadable(route) ? ['GET', 'HEAD'] : []), ...Object.keys(writes)].join(', ')
  return errorReply(new OciError('UNSUPPORTED', `this path takes ${allowed}`), { Allow: allowed })
}

function writesOf(pushing: Pushing, exchange: Exchange, route: Route): Readonly<Record<string, Write>> {
  switch (route.kind) {
    case 'uploads':
      return { POST: () => beginUpload(pushing, exchange, route.repository) }
    case 'upload': {
      const { repository, id } = route
      const describe: Write = () => describeUpload(pushing, repository, id)
      return {
        GET: describe,
        HEAD: describe,
        PATCH: () => continueUpload(pushing, exchange, repository, id),
        PUT: () => finishUpload(pushing, exchange, repository, id),
        DELETE: () => cancelUpload(pushing, repository, id)
      }
    }
    case 'blob':
      return { DELETE: () => deleteBlob(pushing, route.repository, route.digest) }
    case 'manifest':
      return {
        PUT: () => putManifest(pushing, exchange, route.repository, route.reference),
        DELETE: () => deleteManifest(pushing, route.repository, route.reference)
      }
    case 'ping':
    case 'catalog':
    case 'tags':
    case 'referrers':
      return {}
  }
}

function isReadable({ kind }: Route): boolean {
  return kind !== 'uploads' && kind !== 'upload'
}

/** A ReadOnly registry gives the same answer to every push, and to a path that nobody could write. */
export function refuseWrite(route: Route): Reply {
  const message = ['manifest', 'blob', 'upload', 'uploads'].includes(route.kind)
    ? 'this connected registry is ReadOnly: push to its parent, and it arrives here with the next sync'
    : 'this path can only be read'
  return errorReply(new OciError('UNSUPPORTED', message), { Allow: 'GET, HEAD' })
}
