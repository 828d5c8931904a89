import type { Properties } from '../twins.ts'
import { HubError } from './errors.ts'
import type { IsConnected } from './twin-json.ts'

/** A direct method on its way to a device or module. Times are in seconds. */
export interface MethodCall {
  readonly deviceId: string
  /** Absent for the device itself. */
  readonly moduleId?: string
  readonly name: string
  readonly payload: unknown
  readonly responseTimeoutSeconds: number
  readonly connectTimeoutSeconds: number
}

/**
 * Carries a call over the device's edgeHub and gives its answer. An error whose `status` (or `statusCode`) is 404 means that
 * nobody is connected, 504 that no answer came in time.
 */
export type InvokeMethod = (call: MethodCall) => Promise<{ readonly status: number; readonly payload: unknown }>

/** Bounds from azure-sdk.md §7: seconds, and bytes of the payload's JSON. */
const bounds = { response: { least: 5, most: 300, default: 30 }, connect: { least: 0, most: 300, default: 0 } } as const
const mostPayload = 128 * 1024

/**
 * Answers `POST /twins/…/methods`.
 *
 * @param signal aborted when the caller is gone, or the hub closes
 * @throws HubError DeviceNotOnline (404), GatewayTimeout (504) or ArgumentInvalid
 */
export async function callMethod(
  target: { readonly deviceId: string; readonly moduleId?: string },
  body: Properties,
  invoke: InvokeMethod,
  isConnected: IsConnected,
  signal: AbortSignal
): Promise<Properties> {
  const call = readCall(target, body)
  if (call.connectTimeoutSeconds === 0 && !isConnected(call.deviceId, call.moduleId)) throw offline()
  try {
    const { status, payload } = await withinTime(invoke(call), call, signal)
    // The bound is the documentation's; which error stands for it is ours.
    if (sizeOf(payload) > mostPayload)
      throw new HubError('MessageTooLarge', `The answer to a direct method can be ${mostPayload} bytes`)
    return { status, payload: payload ?? null }
  } catch (error) {
    const status = statusOf(error)
    if (status === 404) throw offline()
    if (status === 504) throw late()
    throw error
  }
}

function readCall(target: { readonly deviceId: string; readonly moduleId?: string }, body: Properties): MethodCall {
  const name = body.methodName
  if (typeof name !== 'string' || !/^[\x21-\x7e]{1,100}$/.test(name))
    throw new HubError('ArgumentInvalid', 'methodName must be 1 to 100 printable ASCII characters')
  const payload = body.payload ?? null
  if (sizeOf(payload) > mostPayload)
    throw new HubError('MessageTooLarge', `A direct method's payload can be ${mostPayload} bytes`)
  return {
    ...target,
    name,
    payload,
    responseTimeoutSeconds: readSeconds('response', body.responseTimeoutInSeconds),
    connectTimeoutSeconds: readSeconds('connect', body.connectTimeoutInSeconds)
  }
}

function sizeOf(payload: unknown): number {
  return Buffer.byteLength(JSON.stringify(payload ?? null))
}

function readSeconds(which: keyof typeof bounds, value: unknown): number {
  const bound = bounds[which]
  if (value === undefined || value === null) return bound.default
  if (typeof value !== 'number' || !Number.isInteger(value) || value < bound.least || value > bound.most)
    throw new HubError(
      'ArgumentInvalid',
      `${which}TimeoutInSeconds must be ${bound.least} to ${bound.most}, not ${JSON.stringify(value)}`
    )
  return value
}

/** The hub's own clock: an edgeHub that never settles keeps no caller waiting for ever. */
async function withinTime<T>(answer: Promise<T>, call: MethodCall, signal: AbortSignal): Promise<T> {
  const milliseconds = (call.responseTimeoutSeconds + call.connectTimeoutSeconds) * 1000
  const { promise: deadline, reject } = Promise.withResolvers<never>()
  const giveUp = (): void => reject(late())
  const timer = setTimeout(giveUp, milliseconds)
  signal.addEventListener('abort', giveUp)
  try {
    return await Promise.race([answer, deadline])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || error instanceof HubError) return undefined
  const status: unknown = 'status' in error ? error.status : 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : undefined
}

function offline(): HubError {
  return new HubError('DeviceNotOnline', 'Timed out waiting for device to connect.')
}

function late(): HubError {
  return new HubError('GatewayTimeout', 'Timed out waiting for the response from device.')
}
