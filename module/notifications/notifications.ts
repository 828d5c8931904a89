import type { Log } from '../log/log.ts'
import {
  coversNotification,
  parseNotificationPattern,
  type NotificationPattern
} from '../settings/notification-pattern.ts'
import { Delivery, type RetryWaits, type Target } from './delivery.ts'
import { makeEvent, type ContentNews, type RegistryEvent, type Teller } from './event.ts'
import { NotificationQueue } from './queue.ts'

export interface NotificationsOptions {
  /** Of the queue. */
  readonly folder: string
  readonly teller: Teller
  readonly log: Log
  /** Sends one event to the module's output; absent without IoT Edge. @throws where it has not arrived */
  readonly sendToHub?: ((event: RegistryEvent) => Promise<void>) | undefined
  /** Posts JSON. @throws where the answer is no 2xx */
  readonly post: (url: URL, events: readonly RegistryEvent[], signal: AbortSignal) => Promise<void>
  readonly now?: () => Date
  readonly waits?: RetryWaits
}

export interface NotificationSettings {
  /** Patterns that the settings have looked at. */
  readonly patterns: readonly string[]
  readonly webhook: string | undefined
}

const hub = 'hub'
/** Whatever its address: what waits goes to the new one. */
const hook = 'webhook'
const mostPerPost = 50

/** Tells of pushes and deletes that match the settings' patterns, to IoT Hub and to a webhook, whenever they can be reached. */
export class Notifications {
  readonly #options: NotificationsOptions
  readonly #queue: NotificationQueue
  #patterns: readonly NotificationPattern[] = []
  #deliveries = new Map<string, Delivery>()
  #webhook: string | undefined
  readonly #retired = new Set<Promise<void>>()

  private constructor(options: NotificationsOptions, queue: NotificationQueue) {
    this.#options = options
    this.#queue = queue
  }

  static async open(options: NotificationsOptions): Promise<Notifications> {
    return new Notifications(options, await NotificationQueue.open(options))
  }

  /** Whether anybody wants to hear of anything. */
  get isWanted(): boolean {
    return this.#patterns.length > 0 && this.#deliveries.size > 0
  }

  /** Events that wait, by target. */
  waiting(): ReadonlyMap<string, number> {
    return this.#queue.waiting()
  }

  configure({ patterns, webhook }: NotificationSettings): void {
    this.#patterns = patterns.flatMap((text) => parseNotificationPattern(text) ?? [])
    const { sendToHub } = this.#options
    const wanted = new Set<string>()
    if (this.#patterns.length > 0 && sendToHub !== undefined) wanted.add(hub)
    if (this.#patterns.length > 0 && webhook !== undefined) wanted.add(hook)
    const stale = [...this.#deliveries].filter(
      ([name]) => !wanted.has(name) || (name === hook && webhook !== this.#webhook)
    )
    this.#webhook = webhook
    for (const [name, delivery] of stale) {
      this.#deliveries.delete(name)
      const stopped = delivery.stop().finally(() => this.#retired.delete(stopped))
      this.#retired.add(stopped)
    }
    this.#queue.setTargets([...wanted])
    for (const name of wanted)
      if (!this.#deliveries.has(name))
        this.#deliveries.set(
          name,
          new Delivery(this.#queue, this.#target(name), this.#options.log, this.#options.waits)
        )
  }

  /** Takes in what happened, where a pattern covers it. */
  tell(happened: readonly ContentNews[]): void {
    if (!this.isWanted) return
    const at = this.#options.now?.() ?? new Date()
    for (const news of happened)
      if (this.#patterns.some((pattern) => coversNotification(pattern, news)))
        this.#queue.add(makeEvent(news, at, this.#options.teller))
  }

  /** The hub can be reached again. */
  hubIsBack(): void {
    this.#deliveries.get(hub)?.wake()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#retired, ...[...this.#deliveries.values()].map((delivery) => delivery.stop())])
    this.#deliveries.clear()
    await this.#queue.close()
  }

  #target(name: string): Target {
    const { sendToHub, post } = this.#options
    if (name === hub && sendToHub !== undefined)
      return { name, most: 1, send: async ([event]) => (event === undefined ? undefined : sendToHub(event)) }
    const url = new URL(this.#webhook ?? '')
    return { name, most: mostPerPost, send: (events, signal) => post(url, events, signal) }
  }
}
