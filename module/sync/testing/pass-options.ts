import { LineLog } from '../../log/log.ts'
import { Allowance } from '../allowance.ts'
import type { PassOptions } from '../pass.ts'
import { WaitedFor } from '../waited-for.ts'

/** A pass under which nothing happens beside what the test says. */
export function passOptions(
  given: Pick<PassOptions, 'content' | 'parent' | 'imageSets' | 'clock' | 'observer'> & Partial<PassOptions>
): PassOptions {
  return {
    correlationId: 'pass-0001',
    log: new LineLog(() => undefined),
    random: () => 0.5,
    signal: new AbortController().signal,
    announce: false,
    absent: new Set(),
    allowance: new Allowance(given.clock, given.content.index),
    waitedFor: new WaitedFor(),
    looksForReferrers: () => false,
    cleanUp: false,
    ...given
  }
}
