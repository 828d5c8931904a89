import { adviceByCode, isOperationUnderWay } from '../azure/advice.ts'
import { azureError, refusalOf } from '../azure/errors.ts'
import { throwIfCancelled, unlessAborted, type ShowWait } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import { operationTimeout } from './pipeline.ts'
import { settled, underWay, type Provisioned } from './settled.ts'

/** How calls to Resource Manager are made: for a time, cancelled in good order, their errors told in words that say what to do. */
export interface Calls {
  /** For every call: ends it on Ctrl-C, and when it has taken too long. */
  readonly signal: AbortSignal
  /** @param what the thing that is being done, as `reading token plant-client` */
  readonly attempt: <Result>(what: string, call: () => PromiseLike<Result>) => Promise<Result>
  /** Undefined for what is not there. */
  readonly absentOr: <Result>(what: string, call: () => PromiseLike<Result>) => Promise<Result | undefined>
  /**
   * What `read` gives once no operation is under way on what it reads.
   *
   * @param what is read, as `token plant-client`
   */
  readonly settled: <Read>(
    what: string,
    read: () => Promise<Read>,
    busy: (read: Read) => Provisioned | undefined
  ) => Promise<Read>
  /**
   * Sends a write again that was refused because another operation on the thing is under way, once that has ended. Often it is our
   * own: its reply was lost, and the SDK has sent it twice.
   *
   * @param what is written, as `token plant-client`
   * @param read the thing that is written
   */
  readonly write: <Result>(
    what: string,
    send: () => PromiseLike<Result>,
    read: () => PromiseLike<Provisioned>
  ) => Promise<Result>
}

export interface CallOptions {
  readonly advice?: CallAdvice
  /** Milliseconds for a call with all that it waits for. */
  readonly timeout?: number
  /** Milliseconds between two looks at an operation of somebody else. */
  readonly interval: number
  readonly showWait?: ShowWait | undefined
}

/** Milliseconds that an operation of somebody else is waited for. */
const settleTimeout = 10 * 60_000

/** How often a write is sent where others are always faster. */
const mostWrites = 4

/** What to add where the service's own words leave open what to do. */
export interface CallAdvice {
  /** For 404. */
  readonly notFound: string
  /** For 409. */
  readonly conflict: string
}

/**
 * @param where the host, for errors of the network
 * @param advice in place of what {@link azureError} says, which speaks of the site file
 */
export function createCalls(
  signal: AbortSignal,
  where: string,
  { advice, timeout = operationTimeout, interval, showWait }: CallOptions
): Calls {
  const late = new AbortController()
  const ended = AbortSignal.any([signal, late.signal])
  async function attempt<Result>(what: string, call: () => PromiseLike<Result>): Promise<Result> {
    throwIfCancelled(signal)
    const timer = setTimeout(() => {
      late.abort()
    }, timeout)
    try {
      return await unlessAborted(call(), ended)
    } catch (error) {
      throwIfCancelled(signal)
      // Nobody cancelled: a request, or the operation with all its polls, took longer than it may.
      if (error instanceof Error && error.name === 'AbortError')
        throw new GeneratorError(
          'TIMED_OUT',
          `${what}: ${where} ${late.signal.aborted ? `has not ended it in ${Math.round(timeout / 60_000)} minutes` : 'does not answer'}. What was begun may go on there: look at the network and at https://azure.status.microsoft, and run this again`,
          { cause: error }
        )
      throw (advice === undefined ? undefined : advised(error, what, advice)) ?? azureError(error, what, where)
    } finally {
      clearTimeout(timer)
    }
  }
  const patience = { signal, interval, timeout: settleTimeout, showWait }
  return {
    signal: ended,
    attempt,
    absentOr: (what, call) => attempt(what, () => unlessAbsent(call)),
    settled: (what, read, busy) => settled(what, read, busy, patience),
    async write(what, send, read) {
      for (let writes = 1; ; writes++)
        try {
          return await send()
        } catch (error) {
          const refusal = refusalOf(error)
          if (refusal.status !== 409 || writes >= mostWrites) throw error
          const look = (): Promise<Provisioned | undefined> => unlessAbsent(read)
          const busy = underWay(await look()) !== undefined
          if (!busy && !isOperationUnderWay(refusal)) throw error
          if (busy) await settled(what, look, underWay, patience)
        }
    }
  }
}

async function unlessAbsent<Result>(call: () => PromiseLike<Result>): Promise<Result | undefined> {
  try {
    return await call()
  } catch (error) {
    // An absent registry or resource group is a 404 too, under another code: whoever asks has read the registry.
    if (refusalOf(error).status === 404) return undefined
    throw error
  }
}

function advised(error: unknown, what: string, advice: CallAdvice): GeneratorError | undefined {
  if (error instanceof GeneratorError || !(error instanceof Error)) return undefined
  const refusal = refusalOf(error)
  const { status, code, message } = refusal
  if ((status !== 404 && status !== 409) || adviceByCode(refusal) !== undefined) return undefined
  const said = (message.split('\n', 1)[0] ?? '').replace(/[.\s]+$/, '')
  const service = code === undefined || said.includes(code) ? said : `${code}: ${said}`
  return status === 404
    ? new GeneratorError('AZURE_NOT_FOUND', `${what}: ${service}. ${advice.notFound}`, { cause: error })
    : new GeneratorError('AZURE_CONFLICT', `${what}: ${service}. ${advice.conflict}`, { cause: error })
}
