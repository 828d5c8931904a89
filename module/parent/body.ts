import type { Readable } from 'node:stream'

/** Bytes of one body that may wait for a slow disk. */
const usualReadAhead = 2 * 1024 * 1024

/**
 * The bytes of a body, every one that arrived: where the connection breaks, the error comes after them. Iterating the stream
 * itself would lose what its buffer holds at that moment, and a metered link pays for those bytes a second time.
 *
 * Leaving the loop early destroys the body.
 *
 * @param mostQueued bytes that may wait for whoever reads; the stream's own buffer comes on top
 */
export async function* arrivals(body: Readable, mostQueued = usualReadAhead): AsyncGenerator<Buffer, void, undefined> {
  const queue: Buffer[] = []
  let queued = 0
  let end: { readonly error?: Error } | undefined
  let wake = (): void => undefined
  body.on('data', (chunk: Buffer) => {
    queue.push(chunk)
    queued += chunk.byteLength
    if (queued >= mostQueued) body.pause()
    wake()
  })
  const finish = (error?: Error): void => {
    end ??= error === undefined ? {} : { error }
    wake()
  }
  body.once('end', () => finish())
  body.once('error', finish)
  body.once('close', () => finish())
  try {
    for (;;) {
      const chunk = queue.shift()
      if (chunk !== undefined) {
        queued -= chunk.byteLength
        if (queued < mostQueued / 2 && body.isPaused()) body.resume()
        yield chunk
      } else if (end?.error !== undefined) throw end.error
      else if (end !== undefined) return
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    body.destroy()
  }
}
