import { correlationHeader } from './log/correlation.ts'
import type { Handler } from './registry/server.ts'
import type { Status } from './status/status.ts'

/**
 * Answers `/healthz` (restart or mend this module when it is not 200) and `/readyz` (send it pulls when it is 200), for
 * container engines and load balancers. Without credentials, and so with codes alone: the words that go with them are for the
 * twin, the log and the page, for what a parent says may name repositories and tokens.
 *
 * A disk that is merely full is 200 on both, and `degraded` in the body: what is here is still served, a restart frees
 * nothing, and whoever restarted or routed by it would take the pulls of a whole site away over pushes that wait. A volume
 * that cannot be read or written at all is 503.
 */
export function answerHealth(status: Pick<Status, 'healthz'>): Handler {
  return (request, response, correlationId) => {
    const path = request.url?.split('?', 1)[0]
    if (path !== '/healthz' && path !== '/readyz') return false
    const { ok, body } = status.healthz()
    request.resume()
    response.writeHead(ok ? 200 : 503, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      [correlationHeader]: correlationId
    })
    response.end(request.method === 'HEAD' ? undefined : `${JSON.stringify(body)}\n`)
    return true
  }
}
