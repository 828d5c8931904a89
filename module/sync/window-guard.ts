import type { Clock } from './ports.ts'
import type { SyncWindows } from './window.ts'

/** A device's clock may jump to the right time while a window is waited for, or its end: it is looked at this often. */
const glance = 60_000
/** Of a window's length, what its beginning may be put off by: a fleet's devices have the same schedule. */
const mostJitter = 0.05

/**
 * Waits for the next window, and a little more on some devices than on others.
 *
 * @param interval milliseconds between two passes: nobody waits longer than that for its turn
 * @throws the signal's reason
 */
export async function waitForWindow(
  windows: SyncWindows,
  interval: number,
  clock: Clock,
  random: () => number,
  signal: AbortSignal
): Promise<void> {
  const jitter = Math.floor(random() * Math.min(interval, (windows.length ?? 0) * mostJitter))
  for (;;) {
    const now = clock.now()
    const state = windows.at(now)
    // A window that has just ended is still open by a clock that is behind.
    const late = now - jitter
    const mine = state.open ? windows.at(late) : state
    if (mine.open) return
    const wait = (mine.opensAt ?? Infinity) - (state.open ? late : now)
    await clock.delay(Math.min(glance, Math.max(1, wait)), signal)
  }
}

/**
 * Aborts `closing` when the window ends, unless somebody waits for what is under way.
 *
 * @param done ends this
 */
export async function closeWithWindow(
  windows: SyncWindows,
  clock: Clock,
  closing: AbortController,
  done: AbortSignal,
  isWaitedFor: () => boolean
): Promise<void> {
  if (windows.length === undefined) return
  try {
    while (!closing.signal.aborted) {
      const now = clock.now()
      const state = windows.at(now)
      if (state.open) await clock.delay(Math.min(glance, Math.max(1, (state.endsAt ?? Infinity) - now)), done)
      else if (isWaitedFor()) await clock.delay(glance, done)
      else closing.abort(new Error('the sync window ended'))
    }
  } catch (error) {
    if (!done.aborted) throw error
  }
}
