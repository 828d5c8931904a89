import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** As Azure Container Registry names it in its answers; here it is taken from requests too, and sent to the parent. */
export const correlationHeader = 'X-Ms-Correlation-Request-Id'

/** UUIDs, nginx's `$request_id` and trace ids are all of this form; nothing in it can end a line, a header or a JSON string. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$/
/** https://www.w3.org/TR/trace-context/#traceparent-header: version, trace id, parent id, flags. */
const traceparentPattern = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/
const noTrace = '0'.repeat(32)

/** An id by which everything that was done for one request, or one sync pass, is found. */
export function newCorrelationId(): string {
  return randomUUID()
}

/**
 * The id under which a request is logged: what the client or a proxy on the way gave it, so that their logs and ours have one
 * id, or a new one. It finds lines and proves nothing: two requests may come with one id, by accident or on purpose.
 *
 * @returns 8 to 64 letters, digits, hyphens and underscores
 */
export function correlationIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-ms-correlation-request-id'] ?? headers['x-request-id']
  if (typeof given === 'string' && idPattern.test(given)) return given
  const { traceparent } = headers
  if (typeof traceparent !== 'string') return newCorrelationId()
  const trace = traceparentPattern.exec(traceparent)?.[1]
  // Version ff and a trace id of zeros are invalid by the recommendation.
  return trace === undefined || trace === noTrace || traceparent.startsWith('ff') ? newCorrelationId() : trace
}
