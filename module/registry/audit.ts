import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Client } from './authorizer.ts'
import type { Route } from './routes.ts'

/** One thing that somebody did or was refused, as an auditor asks for it. Never a secret. */
export interface AuditEntry {
  /** A client token's name, proven or (on a refusal) merely claimed; empty for somebody who did not say who they are. */
  readonly who: string
  /** The connection's: behind a proxy, the proxy's. */
  readonly address: string
  readonly action: 'pull' | 'push' | 'delete' | 'read' | 'token'
  readonly repository?: string
  /** As asked for: a tag or a digest. */
  readonly reference?: string
  /** What it was about, where it was found. */
  readonly digest?: string
  /** The HTTP status. */
  readonly result: number
  readonly correlationId: string
}

/** Who keeps the record. */
export interface Audit {
  /** Must not throw, and costs the request nothing that it waits for. */
  record(entry: AuditEntry): void
}

/** What is known of a request by the time it has been answered. */
export interface Trail {
  readonly client: Client
  /** Undefined for the token endpoint, and for a path that could not be read. */
  route?: Route | undefined
  /** Undefined until somebody has proven who they are. */
  who?: string | undefined
  /** Whom the token endpoint's form or Basic credentials name. */
  claimed?: string | undefined
}

/**
 * What a request is worth in the record: every push and delete, every manifest that was pulled, and every refusal. A request
 * without credentials that is asked for some is no refusal: every client begins so.
 */
export function auditEntry(
  request: IncomingMessage,
  trail: Trail,
  result: number,
  headers: OutgoingHttpHeaders
): AuditEntry | undefined {
  const { client, route, who, claimed = claimedName(request.headers.authorization) } = trail
  const refused = result === 403 || result === 429 || (result === 401 && claimed !== undefined)
  const action = actionOf(request.method, route)
  const done =
    (action === 'pull' && route?.kind === 'manifest' && result === 200) ||
    (action === 'push' && (result === 201 || result >= 400)) ||
    action === 'delete'
  if (!refused && !(done && result !== 401)) return undefined
  const digest = headers['Docker-Content-Digest']
  return {
    who: (who ?? claimed ?? '').slice(0, 64),
    address: client.address,
    action,
    ...(route !== undefined && 'repository' in route ? { repository: route.repository } : {}),
    ...(route === undefined ? {} : referenceOf(route)),
    ...(typeof digest === 'string' ? { digest } : {}),
    result,
    correlationId: client.correlationId
  }
}

function actionOf(method: string | undefined, route: Route | undefined): AuditEntry['action'] {
  if (route === undefined) return 'token'
  if (method === 'GET') return route.kind === 'manifest' || route.kind === 'blob' ? 'pull' : 'read'
  if (method === 'HEAD') return 'read'
  // An upload that its client gives up deletes nothing.
  return method === 'DELETE' && route.kind !== 'upload' ? 'delete' : 'push'
}

function referenceOf(route: Route): { readonly reference?: string } {
  if (route.kind === 'manifest')
    return { reference: route.reference.kind === 'tag' ? route.reference.tag : route.reference.digest }
  return 'digest' in route ? { reference: route.digest } : {}
}

/** Whom Basic credentials name; empty for a bearer token, which names nobody before it is verified. */
function claimedName(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined
  const encoded = /^Basic +(\S+)$/i.exec(authorization)?.[1]
  return encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString().split(':', 1)[0]
}
