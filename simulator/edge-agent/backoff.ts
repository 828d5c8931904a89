import type { RestartPolicy } from './deployment.ts'

/** How edgeAgent waits before it starts a module again (RestartPolicyManager.cs). */
export interface Backoff {
  /** The first wait, doubled each time: 10 s on real devices. */
  readonly baseMs: number
  /** The longest: 5 minutes on real devices. */
  readonly mostMs: number
  /** After this many restarts the module is left alone as failed. */
  readonly mostRestarts: number
  /** Having run for this long clears the count: 10 minutes on real devices. */
  readonly healthyMs: number
}

export const standardBackoff: Backoff = { baseMs: 10_000, mostMs: 300_000, mostRestarts: 20, healthyMs: 600_000 }

export function waitMs(backoff: Backoff, count: number): number {
  return Math.min(backoff.baseMs * 2 ** count, backoff.mostMs)
}

export type RuntimeStatus = 'unknown' | 'running' | 'backoff' | 'stopped' | 'failed'

/** What becomes of a module whose program ended by itself. */
export function statusAfterExit(
  policy: RestartPolicy,
  exitCode: number,
  restarts: number,
  backoff: Backoff
): Exclude<RuntimeStatus, 'unknown' | 'running'> {
  const ended = exitCode === 0 ? 'stopped' : 'failed'
  if (policy === 'never' || (policy !== 'always' && ended === 'stopped')) return ended
  return restarts >= backoff.mostRestarts ? 'failed' : 'backoff'
}
