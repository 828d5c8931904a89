import { Readable } from 'node:stream'
import { ParentError } from './errors.ts'

/** Bytes to be sent, made anew for each try. */
export interface OutgoingBody {
  readonly length: number
  /** Throwing ends the request, and is what the request then throws. */
  readonly pieces: () => AsyncIterable<Uint8Array>
  /** Milliseconds for which the link may take nothing, or the answer to the last byte stay away. */
  readonly patience: number
}

/** A body on its way out. */
export class Outgoing {
  readonly stream: Readable
  /** What reading the bytes here threw; no fault of the link. */
  failure: Error | undefined
  readonly #stalled = new AbortController()
  readonly #patience: number
  #timer: NodeJS.Timeout | undefined

  constructor({ pieces, patience }: OutgoingBody) {
    this.#patience = patience
    // One piece at a time: what a buffer runs ahead of is no ceiling, and is lost with the connection.
    this.stream = Readable.from(this.#watched(pieces()), { highWaterMark: 1 })
  }

  /** Aborted where nothing moves any more. */
  get stalled(): AbortSignal {
    return this.#stalled.signal
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  /** The time that a piece takes to be asked for by a ceiling here is not the link's. */
  async *#watched(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const piece of pieces) {
        this.#expect()
        yield piece
        clearTimeout(this.#timer)
      }
    } catch (error) {
      this.failure = error as Error
      throw error
    }
    this.#expect()
  }

  #expect(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () =>
        this.#stalled.abort(new ParentError('PARENT_UNREACHABLE', 'the link takes no more bytes, or no answer comes')),
      this.#patience
    )
  }
}
