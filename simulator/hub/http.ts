import type { IncomingMessage, ServerResponse } from 'node:http'
import { isObject, type Properties } from '../twins.ts'
import { errorBody, HubError } from './errors.ts'

/** What an operation answers. */
export interface Reply {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** More than any deployment or method payload is: 1 MiB. */
const mostBytes = 1024 * 1024

/**
 * Reads a JSON object from a request.
 *
 * @throws HubError MessageTooLarge, ArgumentNull where there is none, IotHubFormatError where it is no JSON object
 */
export async function readJson(request: IncomingMessage): Promise<Properties> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    // Read on to the end: leaving early would destroy the connection under the answer.
    if (bytes <= mostBytes) chunks.push(chunk)
  }
  if (bytes > mostBytes) throw new HubError('MessageTooLarge', `A request's body can be ${mostBytes} bytes`)
  if (bytes === 0) throw new HubError('ArgumentNull', 'The request has no body')
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new HubError('IotHubFormatError', 'The body is not JSON')
  }
  if (!isObject(body)) throw new HubError('IotHubFormatError', 'The body is not a JSON object')
  return body
}

export function writeReply(response: ServerResponse, reply: Reply): void {
  const text = reply.body === undefined ? '' : JSON.stringify(reply.body)
  response.writeHead(reply.status, {
    // The SDK parses a body only where it is announced as JSON, and a 204 has neither.
    ...(text === '' ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    ...(reply.status === 204 ? {} : { 'content-length': Buffer.byteLength(text) }),
    ...reply.headers
  })
  response.end(text)
}

export function errorReply(error: HubError): Reply {
  return { status: error.status, body: errorBody(error), headers: { 'iothub-errorcode': error.code } }
}
