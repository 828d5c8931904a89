import { createHash } from 'node:crypto'
import { open, rename, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { algorithmOf, hexOf, type Digest } from '../oci/digest.ts'
import { blobFiles } from './blob-files.ts'
import { syncFolder } from './durable.ts'
import { diskError, systemCode } from './errors.ts'
import type { CleaningParts } from './garbage-collection.ts'
import type { ScrubOptions, ScrubReport } from './storage.ts'

const defaultPace = 8 * 1024 * 1024
/** Short enough that a slow core's event loop is never held for long by hashing it. */
const sliceBytes = 128 * 1024
/** The last folder that a scrub had finished when it was ended, by whatever. */
const stateKey = 'scrub.folder'
/** Milliseconds. */
const rememberEvery = 60_000

/**
 * Verifies every blob against its digest, at a pace that leaves the disk to others. Flash wears out and file systems rot in
 * silence: a damaged layer would be served for years, and fail on whoever unpacks it.
 */
export async function scrub(parts: CleaningParts, options: ScrubOptions = {}): Promise<ScrubReport> {
  const { index, paths, log } = parts
  const { bytesPerSecond = defaultPace, signal, rest = (milliseconds: number) => sleep(milliseconds, signal) } = options
  const began = performance.now()
  const report = { blobs: 0, bytes: 0, damaged: [] as Digest[] }
  const pace = new Pace(bytesPerSecond, rest)
  const done = (complete: boolean): ScrubReport => ({
    ...report,
    complete,
    milliseconds: Math.round(performance.now() - began)
  })
  try {
    let finished = ((await index.state(stateKey)) as string | undefined) ?? ''
    let current = finished
    const remember = (folder: string): Promise<void> =>
      index.apply([{ kind: 'setState', key: stateKey, value: folder === '' ? undefined : folder }])
    let rememberedAt = began
    for await (const { digest, folder } of blobFiles(paths, finished)) {
      if (folder !== current) finished = current
      current = folder
      if (performance.now() - rememberedAt > rememberEvery) {
        await remember(finished)
        rememberedAt = performance.now()
      }
      const found = await verify(parts, digest, pace, signal)
      if (signal?.aborted === true) {
        await remember(finished)
        return done(false)
      }
      report.blobs += found === undefined ? 0 : 1
      report.bytes += found?.bytes ?? 0
      if (found?.sound !== false || !(await quarantine(parts, digest, found.inode))) continue
      report.damaged.push(digest)
      log?.error('a blob is not what its digest says; it was moved aside, and the next sync brings it again', {
        digest,
        now: paths.quarantined(digest),
        reason: found.reason
      })
    }
    await remember('')
    return done(true)
  } catch (cause) {
    throw diskError('verifying blobs', cause)
  }
}

interface Verified {
  readonly sound: boolean
  readonly reason?: string
  readonly bytes: number
  readonly inode: number
}

/** @returns undefined where the blob is gone by now, or nobody waits for the answer any more */
async function verify(
  { paths }: CleaningParts,
  digest: Digest,
  pace: Pace,
  signal: AbortSignal | undefined
): Promise<Verified | undefined> {
  let file: FileHandle
  try {
    file = await open(paths.blob(digest), 'r')
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined
    throw cause
  }
  let bytes = 0
  const { ino: inode } = await file.stat()
  try {
    const hash = createHash(algorithmOf(digest))
    const slice = Buffer.allocUnsafe(sliceBytes)
    for (;;) {
      const { bytesRead } = await file.read(slice, 0, sliceBytes, bytes)
      if (bytesRead === 0) break
      hash.update(slice.subarray(0, bytesRead))
      bytes += bytesRead
      await pace.after(bytesRead)
      if (signal?.aborted === true) return undefined
    }
    if (hash.digest('hex') === hexOf(digest)) return { sound: true, bytes, inode }
    return { sound: false, bytes, inode, reason: `its ${bytes} bytes have another digest` }
  } catch (cause) {
    // A sector that cannot be read any more: these bytes are as lost as wrong ones.
    if (systemCode(cause) === 'EIO') return { sound: false, bytes, inode, reason: 'it cannot be read' }
    throw cause
  } finally {
    await file.close()
  }
}

/** Moves a damaged blob aside, unless good bytes have taken its place meanwhile. */
function quarantine({ leases, paths }: CleaningParts, digest: Digest, inode: number): Promise<boolean> {
  let moved = false
  const work = async (): Promise<void> => {
    if ((await stat(paths.blob(digest))).ino !== inode) return
    await rename(paths.blob(digest), paths.quarantined(digest))
    await syncFolder(paths.blobFolder(digest))
    moved = true
  }
  return leases
    .takeAway(digest, () => true, work)
    .then(
      () => moved,
      (cause: unknown) => {
        if (systemCode(cause) === 'ENOENT') return false
        throw cause
      }
    )
}

/** Rests for as long as reading was ahead of its pace. */
class Pace {
  readonly #bytesPerMs: number
  readonly #rest: (milliseconds: number) => Promise<unknown>
  readonly #began = performance.now()
  #bytes = 0

  constructor(bytesPerSecond: number, rest: (milliseconds: number) => Promise<unknown>) {
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#rest = rest
  }

  async after(bytes: number): Promise<void> {
    this.#bytes += bytes
    const ahead = this.#bytes / this.#bytesPerMs - (performance.now() - this.#began)
    if (ahead >= 5) await this.#rest(ahead)
  }
}

/** Until the time is over, or the signal ends it. */
async function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(milliseconds, undefined, signal === undefined ? { ref: false } : { signal }).catch(() => undefined)
}
