import { adviceByCode } from '../azure/advice.ts'
import { azureError, refusalOf } from '../azure/errors.ts'
import { throwIfCancelled } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import { operationTimeout } from './pipeline.ts'

/** How calls to Resource Manager are made: for a time, cancelled in good order, their errors told in words that say what to do. */
export interface Calls {
  /** For every call: ends it on Ctrl-C, and when it has taken too long. */
  readonly signal: AbortSignal
  /** @param what the thing that is being done, as `reading token plant-client` */
  readonly attempt: <Result>(what: string, call: () => PromiseLike<Result>) => Promise<Result>
  /** Undefined for what is not there. */
  readonly absentOr: <Result>(what: string, call: () => PromiseLike<Result>) => Promise<Result | undefined>
}

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
  { advice, timeout = operationTimeout }: { readonly advice?: CallAdvice; readonly timeout?: number } = {}
): Calls {
  const late = new AbortController()
  async function attempt<Result>(what: string, call: () => PromiseLike<Result>): Promise<Result> {
    throwIfCancelled(signal)
    const timer = setTimeout(() => {
      late.abort()
    }, timeout)
    try {
      return await call()
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
  return {
    signal: AbortSignal.any([signal, late.signal]),
    attempt,
    absentOr: (what, call) =>
      attempt(what, async () => {
        try {
          return await call()
        } catch (error) {
          // An absent registry or resource group is a 404 too, under another code: whoever asks has read the registry.
          if (refusalOf(error).status === 404) return undefined
          throw error
        }
      })
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
