import type { Log } from '../log/log.ts'
import { messageOf } from './errors.ts'

/** What a direct method gives back; `status` as in HTTP. */
export interface MethodAnswer {
  readonly status: number
  readonly payload?: unknown
}

/** @param payload the caller's JSON, parsed and not checked */
export type MethodHandler = (payload: unknown) => MethodAnswer | Promise<MethodAnswer>

/** What a handler throws to say that the caller is at fault. */
export class MethodRefusal extends Error {
  override readonly name = 'MethodRefusal'
  readonly code: string
  readonly status: number

  constructor(code: string, message: string, status = 400) {
    super(message)
    this.code = code
    this.status = status
  }
}

/** IoT Hub's limit for an answer (docs: iot-hub-devguide-direct-methods). */
const mostAnswerBytes = 128 * 1024

export interface MethodCallOptions {
  /** Milliseconds a handler may take: less than the 30 s after which callers stop listening by default. */
  readonly timeoutMs: number
  readonly log: Log
}

/**
 * Calls a direct method's handler and always comes to an answer: the SDK lets an async handler's failure go unanswered and
 * unhandled, and says nothing at all to a method that nobody registered, so that callers wait for nothing.
 */
export async function answerMethod(
  name: string,
  handler: MethodHandler | undefined,
  body: Buffer,
  { timeoutMs, log }: MethodCallOptions
): Promise<Required<MethodAnswer>> {
  if (handler === undefined) return failure(404, 'METHOD_UNKNOWN', `this module has no method ${name}`)
  let payload: unknown
  try {
    payload = body.length === 0 ? null : JSON.parse(body.toString('utf8'))
  } catch {
    return failure(400, 'PAYLOAD_INVALID', 'the payload is not JSON')
  }
  const late = Promise.withResolvers<MethodAnswer>()
  const timer = setTimeout(() => late.resolve(failure(504, 'METHOD_TIMEOUT', `${name} is taking too long`)), timeoutMs)
  try {
    const answer = await Promise.race([(async () => handler(payload))(), late.promise])
    return sendable(answer)
  } catch (error) {
    if (error instanceof MethodRefusal) return failure(error.status, error.code, error.message)
    log.error(`direct method ${name} failed: ${messageOf(error)}`)
    return failure(500, 'METHOD_FAILED', messageOf(error))
  } finally {
    clearTimeout(timer)
  }
}

function sendable({ status, payload = null }: MethodAnswer): Required<MethodAnswer> {
  if (Buffer.byteLength(JSON.stringify(payload)) > mostAnswerBytes)
    return failure(500, 'ANSWER_TOO_LARGE', `the answer has more than ${mostAnswerBytes} bytes`)
  return { status, payload }
}

function failure(status: number, code: string, message: string): Required<MethodAnswer> {
  return { status, payload: { code, message } }
}
