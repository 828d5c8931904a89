import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clientGone, type FilePart } from './send-file-part.ts'
import { sendByReads } from './send-file-reads.ts'
import { descriptorOf } from './socket-descriptor.ts'
import { SendThread, type Sent } from './send-file-thread.ts'

/** Below this, handing a transfer to the thread costs more than copying its bytes. */
const smallestForKernel = 256 * 1024

/** One for the process: threads are dear, and this one serves everybody. */
let thread: Promise<SendThread | undefined> | undefined

/**
 * Sends a part of a file as the body of a response whose head was written, and ends the response: from the page cache
 * straight into the socket where that is plain and the system can, by large reads and writes otherwise. A reader that
 * stalls holds none of libuv's threads in either way.
 *
 * @throws what broke it off: a client that went away, or a file that could not be read. The connection is of no use then
 */
export async function sendFile(response: ServerResponse, part: FilePart): Promise<void> {
  const socket = response.req.socket
  if (part.length >= smallestForKernel && !('encrypted' in socket)) {
    const sender = await (thread ??= SendThread.create())
    if (sender !== undefined) return sendByKernel(sender, response, socket, part)
  }
  return sendByReads(response, socket, part)
}

async function sendByKernel(
  sender: SendThread,
  response: ServerResponse,
  socket: Socket,
  { file, start, length }: FilePart
): Promise<void> {
  await headSent(response, socket)
  const sent = begin(sender, socket, { file, start, length })
  if (sent === undefined) return sendByReads(response, socket, { file, start, length })
  const cancel = (): void => sent.cancel()
  // Node sees none of these bytes: a slow reader would look idle to it.
  const stillMoving = (): void => {
    if (sent.hasMoved()) socket.setTimeout(socket.timeout ?? 0)
    else socket.destroy()
  }
  socket.once('close', cancel)
  response.on('timeout', stillMoving)
  try {
    await sent.done
  } finally {
    socket.off('close', cancel)
    response.off('timeout', stillMoving)
  }
  response.end()
}

/**
 * Waits until the kernel has the head, and all that went before it on this connection. A client may have sent this request
 * before Node knew that the response before was done (it went past Node, too): then the response waits for its socket.
 */
async function headSent(response: ServerResponse, socket: Socket): Promise<void> {
  const gone = new AbortController()
  const abort = (): void => gone.abort()
  socket.once('close', abort)
  try {
    if (socket.destroyed) throw clientGone()
    if (response.socket === null) await once(response, 'socket', { signal: gone.signal })
    response.flushHeaders()
    if (socket.writableLength > 0)
      await new Promise<void>((resolve, reject) => {
        gone.signal.addEventListener('abort', () => reject(clientGone()))
        socket.write('', () => resolve())
      })
    if (gone.signal.aborted) throw clientGone()
  } catch (error) {
    throw gone.signal.aborted ? clientGone() : error
  } finally {
    socket.off('close', abort)
  }
}

/** @returns undefined where the process has no descriptor left, or Node does not tell the socket's */
function begin(sender: SendThread, socket: Socket, { file, start, length }: FilePart): Sent | undefined {
  const descriptor = descriptorOf(socket)
  if (descriptor === undefined) return undefined
  try {
    return sender.send({ socket: descriptor, file: file.descriptor, start, length })
  } catch {
    return undefined
  }
}
