import { writeSync } from 'node:fs'
import { loadLibc, PollList, type Libc } from '../libc/libc.ts'
import type { ReceiveOrder } from './hash-protocol.ts'

/** One file that takes its bytes from a socket. */
export interface Receiver {
  readonly id: number
  readonly order: ReceiveOrder
  /** Whether all that stands before these bytes is hashed. */
  readonly mayBegin: () => boolean
  /** Bytes that are in the file now, in memory that is used again. */
  readonly took: (bytes: Uint8Array) => void
  /** Once, at the end: every byte came, or the sender ended, or somebody stopped it, or it failed. */
  readonly ended: (error?: Error) => void
}

/** Milliseconds after which the thread looks up from waiting, so that it can be ended. */
const longestWait = 100
/** The disk is told to begin after so many bytes: the fsync at the end then waits for these and not for all. */
const writeBackBytes = 16 * 1024 * 1024

/**
 * Takes bytes from sockets into files. The sockets are waited for all together, and one buffer serves them all: a sender that
 * is slow, or stalls, holds an entry in a list and no memory, and its bytes wait in the kernel, which tells it to wait.
 */
export class Receivers {
  readonly #buffer: Uint8Array
  readonly #receivers = new Map<number, Receiver>()
  #libc: Libc | undefined
  /** In the order of their entries in the poll list, where the wake counter comes first. */
  #listed: readonly Receiver[] = []
  #polled = new PollList([])

  /** @param buffer what bytes pass through, one piece at a time */
  constructor(buffer: Uint8Array) {
    this.#buffer = buffer
  }

  /** Whether any is left. */
  get areWaiting(): boolean {
    return this.#receivers.size > 0
  }

  add(receiver: Receiver): void {
    this.#receivers.set(receiver.id, receiver)
    if (this.#libc !== undefined) return
    void loadLibc().then((libc) => {
      this.#libc = libc
      // The asking thread has it, so this is a machine that runs out of something.
      if (libc === undefined) for (const { id } of this.#receivers.values()) this.#end(id, new Error('no libc here'))
    })
  }

  stop(id: number): void {
    this.#end(id)
  }

  /** Without a word to anybody. @returns whether it was there */
  remove(id: number): boolean {
    return this.#receivers.delete(id)
  }

  /**
   * Takes what the sockets have.
   *
   * @param wait whether to wait for the first of them
   */
  turn(wait: boolean): void {
    const libc = this.#libc
    if (libc === undefined) return
    const ready = [...this.#receivers.values()].filter((each) => each.mayBegin())
    const [first] = ready
    if (first === undefined) return
    if (ready.length !== this.#listed.length || ready.some((each, index) => each !== this.#listed[index])) {
      this.#listed = ready
      this.#polled = new PollList([
        { descriptor: first.order.wake, until: 'readable' },
        ...ready.map(({ order }) => ({ descriptor: order.socket, until: 'readable' }) as const)
      ])
    }
    libc.poll(this.#polled, wait ? longestWait : 0)
    if (this.#polled.isReady(0)) libc.clear(first.order.wake)
    ready.forEach((receiver, index) => {
      if (this.#polled.isReady(index + 1)) this.#take(libc, receiver)
    })
  }

  #take(libc: Libc, { id, order, took }: Receiver): void {
    try {
      const stored = Atomics.load(order.stored, 0)
      const count = libc.receive(order.socket, this.#buffer, Math.min(this.#buffer.length, order.length - stored))
      if (count === 'later') return
      if (count === 0) {
        this.#end(id)
        return
      }
      const bytes = this.#buffer.subarray(0, count)
      const at = order.from + stored
      for (let done = 0; done < count;) done += writeSync(order.file, bytes, done, count - done, at + done)
      took(bytes)
      const now = stored + count
      Atomics.store(order.stored, 0, now)
      const begun = Math.floor(at / writeBackBytes)
      if (Math.floor((at + count) / writeBackBytes) > begun)
        libc.startWriteBack(order.file, begun * writeBackBytes, writeBackBytes)
      if (now === order.length) this.#end(id)
    } catch (error) {
      this.#end(id, error as Error)
    }
  }

  #end(id: number, error?: Error): void {
    const receiver = this.#receivers.get(id)
    this.#receivers.delete(id)
    receiver?.ended(error)
  }
}
