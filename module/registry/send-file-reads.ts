import { read } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clientGone, type FilePart } from './send-file-part.ts'

/** What parts pass through; lent out, and kept for the next transfers. */
interface Buffers {
  readonly bytes: number
  /** That are kept. */
  readonly most: number
  readonly kept: Buffer[]
}

/** Smaller reads cost throughput. */
const usual: Buffers = { bytes: 256 * 1024, most: 32, kept: [] }
/** Larger ones save a tenth of the processor time, and memory allows for a few: enough for four transfers at once. */
const large: Buffers = { bytes: 1024 * 1024, most: 8, kept: [] }
let largeLent = 0
/** Parts below this get a buffer of their own, out of Node's pool. */
const smallestForKept = 4 * 1024

/** Sends a part of a file through two buffers: one is read into while the other one is written. */
export async function sendByReads(response: ServerResponse, socket: Socket, part: FilePart): Promise<void> {
  if (part.length < smallestForKept) await copy(response, socket, part, [Buffer.allocUnsafe(part.length)])
  else if (part.length > 2 * large.bytes && largeLent + 2 <= large.most) {
    largeLent += 2
    try {
      await sendThrough(large, response, socket, part)
    } finally {
      largeLent -= 2
    }
  } else await sendThrough(usual, response, socket, part)
  response.end()
}

async function sendThrough(
  { bytes, most, kept }: Buffers,
  response: ServerResponse,
  socket: Socket,
  part: FilePart
): Promise<void> {
  const take = (): Buffer => kept.pop() ?? Buffer.allocUnsafeSlow(bytes)
  // What fits into one buffer is read at once.
  const buffers = part.length <= bytes ? [take()] : [take(), take()]
  await copy(response, socket, part, buffers)
  // Only after a good end: otherwise a write may still be looking at them.
  kept.push(...buffers.slice(0, Math.max(0, most - kept.length)))
}

async function copy(
  response: ServerResponse,
  socket: Socket,
  { file, start, length }: FilePart,
  buffers: readonly Buffer[]
): Promise<void> {
  let written: Promise<void> | undefined
  for (let done = 0, turn = 0; done < length; turn += 1) {
    const buffer = buffers[turn % buffers.length] ?? Buffer.alloc(0)
    // With one buffer, a read that came short has to be written before the next one.
    if (buffers.length === 1) await written
    const bytes = await readInto(file.descriptor, buffer.subarray(0, length - done), start + done)
    await written
    written = write(response, socket, bytes)
    // What fails while the next piece is read is told when it is waited for.
    written.catch(() => undefined)
    done += bytes.length
  }
  await written
}

function readInto(descriptor: number, buffer: Buffer, position: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    read(descriptor, buffer, 0, buffer.length, position, (error, count) => {
      if (error !== null) reject(error)
      else if (count === 0) reject(new Error('the file ends before its last byte'))
      else resolve(buffer.subarray(0, count))
    })
  })
}

/** A response that still waits for its turn on the connection is told nothing when that goes, so the socket is asked. */
function write(response: ServerResponse, socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(clientGone())
    if (socket.destroyed) {
      gone()
      return
    }
    socket.once('close', gone)
    response.write(bytes, (error) => {
      socket.off('close', gone)
      if (error) reject(error)
      else resolve()
    })
  })
}
