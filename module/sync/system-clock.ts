import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from './ports.ts'

/** Real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  delay: async (milliseconds, signal) => {
    try {
      await delay(milliseconds, undefined, { signal })
    } catch (error) {
      signal.throwIfAborted()
      throw error
    }
  }
}
