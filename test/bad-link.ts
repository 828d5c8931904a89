import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface LinkTarget {
  readonly host: string
  readonly port: number
}

/** Bytes that are passed on at once: what a connection holds when it breaks is never much more. */
const sliceBytes = 16 * 1024

/**
 * A thin link that drops: passes TCP on to one place, at most so fast over all connections together, and breaks all of them
 * after every so many bytes. It counts what goes down it and up it, headers and all.
 */
export class BadLink {
  /** Bytes per second, each way, over all connections; undefined for as fast as it goes. */
  bytesPerSecond: number | undefined
  /** Every connection breaks after so many bytes, both ways together. */
  cutEvery: number | undefined
  /** Of the next connection that brings so many bytes one of them is changed. */
  corruptAfter: number | undefined
  /** The next new connections get this HTTP answer, whatever they ask. */
  answer: { next: number; readonly text: string } | undefined
  /** Bytes that went down to clients. */
  downstream = 0
  /** Bytes that went up to the target. */
  upstream = 0
  /** Nothing gets through. */
  down = false
  cuts = 0
  /** When clients connected, in milliseconds of the monotonic clock. */
  connectedAt: number[] = []
  readonly #server: Server
  readonly #target: LinkTarget
  readonly #pairs = new Set<readonly [client: Socket, upstream: Socket]>()
  #sinceCut = 0
  /** When the link is free again, each way, in milliseconds of the monotonic clock. */
  readonly #freeAt = { down: 0, up: 0 }
  #news: () => void = () => undefined

  private constructor(target: LinkTarget) {
    this.#target = target
    this.#server = createServer((client) => this.#pass(client))
  }

  static async start(target: LinkTarget): Promise<BadLink> {
    const link = new BadLink(target)
    link.#server.listen(0, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  /** `127.0.0.1:port` */
  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves when the link has been cut so many times in all. */
  async cutTimes(times: number): Promise<void> {
    while (this.cuts < times) await new Promise<void>((resolve) => (this.#news = resolve))
  }

  /** Breaks every connection there is. */
  cut(): void {
    this.cuts += 1
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    this.#news()
  }

  /** Resolves when so many bytes went down. */
  async reached(bytes: number): Promise<void> {
    while (this.downstream < bytes) await new Promise<void>((resolve) => (this.#news = resolve))
  }

  /** Forgets what was counted, and mends everything. */
  reset(): void {
    this.bytesPerSecond = undefined
    this.cutEvery = undefined
    this.corruptAfter = undefined
    this.answer = undefined
    this.downstream = 0
    this.upstream = 0
    this.down = false
    this.cuts = 0
    this.connectedAt = []
    this.#sinceCut = 0
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    await once(this.#server, 'close')
  }

  #pass(client: Socket): void {
    client.on('error', () => undefined)
    if (this.down) {
      client.destroy()
      return
    }
    this.connectedAt.push(performance.now())
    if (this.answer !== undefined && this.answer.next > 0) {
      this.answer.next -= 1
      const { text } = this.answer
      client.once('data', () => client.end(text))
      return
    }
    const upstream = connect(this.#target)
    const pair = [client, upstream] as const
    this.#pairs.add(pair)
    upstream.on('error', () => undefined)
    const gone = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    client.once('close', gone)
    void this.#bring('down', upstream, client).finally(gone)
    void this.#bring('up', client, upstream)
  }

  async #bring(way: 'down' | 'up', from: Socket, to: Socket): Promise<void> {
    let brought = 0
    try {
      for await (const chunk of from as AsyncIterable<Buffer>)
        for (let at = 0; at < chunk.length; at += sliceBytes) {
          const given = chunk.subarray(at, at + sliceBytes)
          const slice = way === 'down' ? this.#perhapsCorrupt(given, brought) : given
          await this.#pace(way, slice.length)
          if (to.destroyed) return
          if (!to.write(slice)) await once(to, 'drain')
          brought += slice.length
          this.#count(way, slice.length)
        }
      to.end()
    } catch {
      // The connection broke: that is what this link is for.
    }
  }

  #perhapsCorrupt(slice: Buffer, before: number): Buffer {
    if (this.corruptAfter === undefined || before + slice.length < this.corruptAfter) return slice
    this.corruptAfter = undefined
    const changed = Buffer.from(slice)
    changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1
    return changed
  }

  #count(way: 'down' | 'up', bytes: number): void {
    if (way === 'down') this.downstream += bytes
    else this.upstream += bytes
    this.#sinceCut += bytes
    this.#news()
    if (this.cutEvery === undefined || this.#sinceCut < this.cutEvery) return
    this.#sinceCut = 0
    this.cut()
  }

  async #pace(way: 'down' | 'up', bytes: number): Promise<void> {
    if (this.bytesPerSecond === undefined) return
    const now = performance.now()
    this.#freeAt[way] = Math.max(this.#freeAt[way], now) + (bytes / this.bytesPerSecond) * 1000
    if (this.#freeAt[way] - now > 1) await delay(this.#freeAt[way] - now)
  }
}
