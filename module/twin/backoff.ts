import { setTimeout as timer } from 'node:timers/promises'

export interface Backoff {
  readonly firstMs: number
  readonly mostMs: number
  /** From 0 to 1, exclusive. */
  readonly random: () => number
}

/** Milliseconds to wait after `failures` failures in a row: doubling, and half of it chance, so that a fleet spreads out. */
export function delayAfter(failures: number, { firstMs, mostMs, random }: Backoff): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30)) * (0.5 + random() / 2)
}

/** Waits; returns early, without an error, when the signal aborts. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await timer(milliseconds, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
