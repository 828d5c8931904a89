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

/**
 * What a ReadOnly registry answers to everything but reading. A push gets 403 `DENIED`, as Microsoft's module has it: podman,
 * buildah and skopeo end at once on that code and show the message, where `UNSUPPORTED` has them try for six more seconds
 * (retryable in containers/common, pkg/retry), and containerd takes 405 for a method to be tried in another way. A delete gets
 * 405 `UNSUPPORTED`: the spec wants 400 or 405 where deleting is disabled, and clients of artifacts go by that.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#content-management
 */
export function refuseWrite(route: Route, method: string | undefined): Reply {
  if (!['manifest', 'blob', 'upload', 'uploads'].includes(route.kind))
    return errorReply(new OciError('UNSUPPORTED', 'this path can only be read'), { Allow: 'GET, HEAD' })
  return method === 'DELETE'
    ? errorReply(
        new OciError(
          'UNSUPPORTED',
          'this connected registry is ReadOnly: delete in its parent, and sync does the rest'
        ),
        { Allow: 'GET, HEAD' }
      )
    : errorReply(
        new OciError(
          'DENIED',
          'this connected registry is ReadOnly: push to its parent, and it arrives here with the next sync'
        )
      )
}
