import { pause, type Patience, type ShowWait } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import type { LastChange } from './acr.ts'

/** What Azure says of the last operation on a thing. */
export interface Provisioned {
  readonly provisioningState?: string
}

/** The longest pause between two looks, in milliseconds: each is a read that Azure counts. */
const longestInterval = 10_000

/** Only three states are an end: what else there is, services make up (facts: arm-wire §13.4). */
export function isUnderWay({ provisioningState = 'Succeeded' }: Provisioned): boolean {
  return !/^(?:succeeded|failed|cancell?ed)$/i.test(provisioningState)
}

/** A thing, where an operation on it is under way. */
export function underWay(thing: Provisioned | undefined): Provisioned | undefined {
  return thing !== undefined && isUnderWay(thing) ? thing : undefined
}

export function lastChangeOf({ provisioningState = 'Succeeded' }: Provisioned): LastChange {
  return /^(?:failed|cancell?ed)$/i.test(provisioningState) ? { failed: true } : {}
}

/**
 * What `read` gives once no operation is under way on what it reads: one that somebody else began, or an earlier run.
 *
 * @param what is waited for, as `token plant-client`
 * @param busy of what `read` gives, a thing on which an operation is under way
 * @throws {GeneratorError} `AZURE_CONFLICT` where one does not end in time; `CANCELLED`
 */
export async function settled<Read>(
  what: string,
  read: () => Promise<Read>,
  busy: (read: Read) => Provisioned | undefined,
  { signal, interval, timeout, showWait }: Patience & { readonly showWait: ShowWait | undefined }
): Promise<Read> {
  const deadline = Date.now() + timeout
  let shown: (() => void) | undefined
  try {
    for (let wait = interval; ; wait = Math.min(wait * 2, longestInterval)) {
      const found = await read()
      const thing = busy(found)
      if (thing === undefined) return found
      if (Date.now() + wait > deadline)
        throw new GeneratorError(
          'AZURE_CONFLICT',
          `${what}: Azure has had it ${thing.provisioningState ?? ''} for ${Math.round(timeout / 60_000)} minutes. Look who changes it (az monitor activity-log list), and run this again`
        )
      shown ??= await showWait?.(`waiting until Azure has ended what it does with ${what}`)
      await pause(wait, signal)
    }
  } finally {
    shown?.()
  }
}
