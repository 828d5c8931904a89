import { setTimeout as timer } from 'node:timers/promises'
import type { Log } from '../log/log.ts'
import type { RegistryEvent } from './event.ts'
import type { NotificationQueue } from './queue.ts'

/** Where events go. */
export interface Target {
  readonly name: string
  /** Events that it takes at once. */
  readonly most: number
  /** Resolves when they have arrived. @throws where they have not, or may not have */
  send(events: readonly RegistryEvent[], signal: AbortSignal): Promise<void>
}

/** Waits between two tries, in milliseconds: the first, and the longest. */
export interface RetryWaits {
  readonly firstMs: number
  readonly mostMs: number
}

const usualWaits: RetryWaits = { firstMs: 1000, mostMs: 300_000 }
/** As long as a timer can be. */
const forEver = 2 ** 31 - 1

/** Brings the queue's events to one target, in order, for as long as it takes. */
export class Delivery {
  readonly #queue: NotificationQueue
  readonly #target: Target
  readonly #log: Log
  readonly #waits: RetryWaits
  readonly #stopping = new AbortController()
  readonly #done: Promise<void>
  #awake = new AbortController()
  #idle = false

  constructor(queue: NotificationQueue, target: Target, log: Log, waits: RetryWaits = usualWaits) {
    this.#queue = queue
    this.#target = target
    this.#log = log
    this.#waits = waits
    queue.on('added', this.#wakeIdle)
    this.#done = this.#run()
  }

  /** Tries again now: there may be a connection. */
  readonly wake = (): void => this.#awake.abort()

  async stop(): Promise<void> {
    this.#queue.off('added', this.#wakeIdle)
    this.#stopping.abort()
    await this.#done
  }

  /** A new event is no reason to try a target again that has just failed. */
  readonly #wakeIdle = (): void => {
    if (this.#idle) this.wake()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let failures = 0
    await Promise.resolve()
    while (!signal.aborted) {
      this.#awake = new AbortController()
      const { events, upTo } = this.#queue.next(this.#target.name, this.#target.most)
      if (events.length === 0) {
        await this.#rest(undefined)
        continue
      }
      try {
        await this.#target.send(events, signal)
        this.#queue.delivered(this.#target.name, upTo)
        if (failures > 0) this.#log.info('notifications are delivered again', { target: this.#target.name })
        failures = 0
      } catch (error) {
        if (this.#isStopped()) return
        failures += 1
        const reason = error instanceof Error ? error.message : String(error)
        // A site can be cut off for weeks: that is worth one line.
        if (failures === 1) this.#log.info('notifications wait', { target: this.#target.name, reason })
        await this.#rest(this.#waits.firstMs * 2 ** Math.min(failures - 1, 30) * (0.5 + Math.random() / 2))
      }
    }
  }

  #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Waits so long, or until there is something to do where no time is given. */
  async #rest(milliseconds: number | undefined): Promise<void> {
    const signal = AbortSignal.any([this.#awake.signal, this.#stopping.signal])
    this.#idle = milliseconds === undefined
    try {
      await timer(milliseconds === undefined ? forEver : Math.min(milliseconds, this.#waits.mostMs), undefined, {
        signal
      })
    } catch {
      // Woken, or stopped: the loop looks.
    } finally {
      this.#idle = false
    }
  }
}
