import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { Allowance } from './allowance.ts'
import type { Patience } from './patience.ts'
import type { Content, ContentIngest, ParentFault, ParentSource } from './ports.ts'

export interface WantedBlob {
  readonly repository: Repository
  readonly digest: Digest
  readonly size: number
}

export interface BlobTransferOptions {
  readonly content: Content
  readonly parent: ParentSource
  readonly patience: Patience
  readonly allowance: Allowance
  readonly signal: AbortSignal
  /** Bytes of the blob that are here now. */
  readonly onOffset: (offset: number) => void
  /** Bytes that came over the wire. */
  readonly onFetched: (bytes: number) => void
}

/** What a power cut or a kill may cost of a blob, at the most. */
const flushBytes = 8 * 1024 * 1024
/** A parent that cannot resume sends everything again after each cut: on a bad link that never ends, so it is bounded. */
const mostRepeats = 2

/**
 * Brings a blob: from where its partial file ends, over as many cuts as it takes while each try gets further, and verified
 * before it counts. What was received stays for the next try whatever happens, but for bytes that proved wrong.
 *
 * @throws {OciError} `DIGEST_INVALID` where the parent twice sent other bytes; the parent's, the content's and the signal's errors
 */
export async function fetchBlob(blob: WantedBlob, options: BlobTransferOptions): Promise<void> {
  const { content, allowance } = options
  if ((await content.blobs.size(blob.digest)) === blob.size) return
  for (let corrupt = allowance.wrongBlobs.has(blob); ; corrupt = true) {
    const ingest = await content.blobs.ingest(blob.digest)
    try {
      const from = beginning(ingest, blob)
      options.onOffset(from)
      // A disk that cannot take all of it is not to be filled with the half, nor the half to be paid for.
      await ingest.expect(blob.size - from)
      await fill(ingest, blob, options)
      await ingest.commit(blob.digest)
      allowance.wrongBlobs.remove(blob)
      return
    } catch (error) {
      if (!(error instanceof OciError) || error.code !== 'DIGEST_INVALID') throw error
      // What is here from earlier, or the way, may be to blame: once more from the beginning.
      if (corrupt) throw allowance.wrongBlobs.add(blob, error)
    } finally {
      await ingest.close()
    }
  }
}

/** More bytes than the manifest says may be another manifest's, which is right: they stay until the parent has said who is. */
function beginning({ offset }: ContentIngest, { size }: WantedBlob): number {
  return offset > size ? 0 : offset
}

async function fill(ingest: ContentIngest, blob: WantedBlob, options: BlobTransferOptions): Promise<void> {
  const { parent, patience, allowance, signal } = options
  let attempt = 0
  let repeats = 0
  let furthest = beginning(ingest, blob)
  while (ingest.offset !== blob.size) {
    const offset = beginning(ingest, blob)
    try {
      await allowance.mayFetch()
      const { readAhead } = allowance
      const answer = await parent.blob(blob.repository, blob.digest, { offset, signal, readAhead })
      patience.answered()
      let at = answer.offset
      let begun = false
      for await (const chunk of answer.stream) {
        // Before anything is given up for it: what answers in the parent's place has bytes too.
        if (answer.encoding !== undefined && answer.size !== blob.size) throw packed(blob, answer.encoding)
        if (answer.size !== undefined && answer.size !== blob.size) throw otherSize(blob, answer.size)
        if (!begun && ingest.offset > blob.size) await ingest.restart()
        if (!begun && at === 0 && ingest.offset > 0) repeats += 1
        if (repeats > mostRepeats) throw cannotResume(blob)
        begun = true
        // What is here already stays, and is not written again: whether it is the same is for the digest to say.
        const known = Math.min(ingest.offset - at, chunk.byteLength)
        at += chunk.byteLength
        await take(chunk, known, ingest, blob, options)
      }
      // A body of unknown length that ends early looks complete; it is a cut like any other.
      if (ingest.offset !== blob.size) throw cutShort(blob, at)
    } catch (error) {
      await ingest.flush()
      attempt = ingest.offset > furthest ? 1 : attempt + 1
      furthest = Math.max(furthest, ingest.offset)
      await patience.waitOrThrow(error, attempt)
    }
  }
}

/** @param known bytes at the beginning of the chunk that are here already */
async function take(
  chunk: Uint8Array,
  known: number,
  ingest: ContentIngest,
  blob: WantedBlob,
  { allowance, onFetched, onOffset, signal }: BlobTransferOptions
): Promise<void> {
  onFetched(chunk.byteLength)
  const before = ingest.offset
  if (before + chunk.byteLength - known > blob.size) {
    await ingest.restart()
    throw new OciError('DIGEST_INVALID', `the parent sends more than the ${blob.size} bytes of ${blob.digest}`)
  }
  if (known < chunk.byteLength) await ingest.append(chunk.subarray(known))
  if (Math.floor(ingest.offset / flushBytes) > Math.floor(before / flushBytes)) await ingest.flush()
  onOffset(ingest.offset)
  await allowance.fetched(chunk.byteLength, signal)
}

function cannotResume({ digest, size }: WantedBlob): OciError {
  return new OciError(
    'SIZE_INVALID',
    `the parent cannot resume, and its answers ended ${mostRepeats + 1} times before all ${size} bytes of ${digest} had come`
  )
}

/** Some stores call every gzip file so, and give its very bytes: those have the size that they should have. */
function packed({ digest }: WantedBlob, encoding: string): ParentFault {
  const message = `the bytes of ${digest} come packed (Content-Encoding: ${encoding}), though they were asked for as they are: something on the way changes content, which has to leave /v2/ alone`
  return Object.assign(new Error(message), { code: 'PARENT_PROTOCOL', transient: false, retryAfterSeconds: undefined })
}

function otherSize({ digest, size }: WantedBlob, told: number): ParentFault {
  const message = `the parent has ${told} bytes for ${digest}, whose manifest says ${size}: push the image again, or check what answers in the parent's place`
  return Object.assign(new Error(message), { code: 'PARENT_PROTOCOL', transient: false, retryAfterSeconds: undefined })
}

function cutShort({ digest, size }: WantedBlob, at: number): ParentFault {
  return Object.assign(new Error(`the parent's answer ended after ${at} of the ${size} bytes of ${digest}`), {
    code: 'PARENT_FAILED',
    transient: true,
    retryAfterSeconds: undefined
  })
}
