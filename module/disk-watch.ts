import { constants } from 'node:fs'
import { access, statfs } from 'node:fs/promises'
import type { Log } from './log/log.ts'
import type { DiskSpace } from './status/events.ts'

/** Mebibytes that content leaves alone where no settings say otherwise. */
export const reserveWithoutSettings = 1024

export interface DiskWatchOptions {
  /** Any folder on the volume. */
  readonly folder: string
  readonly reserveBytes: () => number
  readonly onSpace: (space: DiskSpace) => void
  /** Told with why when the volume stops letting itself be written, and with undefined when it does again. */
  readonly onWritable: (reason: string | undefined) => void
  readonly log: Log
  /** Ends it. */
  readonly signal: AbortSignal
  /** Milliseconds between two looks. */
  readonly everyMs?: number
  /** Fails where a folder may not be written; asks the system by default. */
  readonly mayWrite?: (folder: string) => Promise<void>
}

/** Other programs fill a disk too; a minute is soon enough for whoever reads a twin. */
const everyMinute = 60_000

/** A failing SD card turns read-only by itself, and `access` tells so (EROFS) without wearing it out by a try. */
const askSystem = (folder: string): Promise<void> => access(folder, constants.W_OK)

/** Looks at once, which is done when this resolves, and then every so often, how much of the data volume is left, and whether it may be written. */
export async function watchDisk(options: DiskWatchOptions): Promise<void> {
  const { folder, reserveBytes, onSpace, onWritable, log, signal, mayWrite = askSystem } = options
  let unwritable: string | undefined
  const probe = async (): Promise<void> => {
    const reason = await mayWrite(folder).then(
      () => undefined,
      (error: unknown) =>
        `the data volume may not be written: ${error instanceof Error ? error.message : String(error)}`
    )
    if (signal.aborted || reason === unwritable) return
    unwritable = reason
    onWritable(reason)
  }
  const look = async (): Promise<void> => {
    await probe()
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
