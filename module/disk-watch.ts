import { statfs } from 'node:fs/promises'
import type { Log } from './log/log.ts'
import type { DiskSpace } from './status/events.ts'

export interface DiskWatchOptions {
  /** Any folder on the volume. */
  readonly folder: string
  readonly reserveBytes: () => number
  readonly onSpace: (space: DiskSpace) => void
  readonly log: Log
  /** Ends it. */
  readonly signal: AbortSignal
  /** Milliseconds between two looks. */
  readonly everyMs?: number
}

/** Other programs fill a disk too; a minute is soon enough for whoever reads a twin. */
const everyMinute = 60_000

/** Looks at once, which is done when this resolves, and then every so often, how much of the data volume is left. */
export async function watchDisk(options: DiskWatchOptions): Promise<void> {
  const { folder, reserveBytes, onSpace, log, signal } = options
  const look = async (): Promise<void> => {
    try {
      const { bavail, blocks, bsize } = await statfs(folder)
      if (!signal.aborted)
        onSpace({ freeBytes: bavail * bsize, totalBytes: blocks * bsize, reserveBytes: reserveBytes() })
    } catch (error) {
      // What matters of a disk that fails is told where something was to be written.
      log.debug('the disk cannot be asked how much is left', { reason: String(error) })
    }
  }
  await look()
  if (signal.aborted) return
  const timer = setInterval(() => void look(), options.everyMs ?? everyMinute)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
