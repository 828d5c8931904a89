import { join } from 'node:path'
import { watchIndex } from './content-watch.ts'
import type { Log } from './log/log.ts'
import type { RegistryEvent } from './notifications/event.ts'
import { Notifications } from './notifications/notifications.ts'
import type { Settings } from './settings/document.ts'
import type { Environment } from './settings/environment.ts'
import type { Storage } from './storage/storage.ts'
import type { TwinLink } from './twin/twin-link.ts'
import { version } from './version.ts'
import { Webhook } from './webhook.ts'

export interface NotifyingOptions {
  readonly environment: Environment
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly storage: Storage
  readonly log: Log
}

/** Tells the hub and a webhook of what is pushed and deleted, whoever does it: clients and sync write through {@link content}. */
export class Notifying {
  readonly content: Storage
  readonly #notifications: Notifications
  readonly #webhook: Webhook
  readonly #hub: { link?: TwinLink }

  private constructor(storage: Storage, notifications: Notifications, webhook: Webhook, hub: { link?: TwinLink }) {
    this.#hub = hub
    this.#notifications = notifications
    this.#webhook = webhook
    this.content = {
      ...storage,
      index: watchIndex(storage.index, {
        isWanted: () => notifications.isWanted,
        tell: (news) => notifications.tell(news)
      })
    }
  }

  static async open({ environment, variables, storage, log }: NotifyingOptions): Promise<Notifying> {
    const webhook = new Webhook(variables)
    const hub: { link?: TwinLink } = {}
    const notifications = await Notifications.open({
      folder: join(environment.dataFolder, 'notifications'),
      teller: { connectedRegistry: nameOf(environment), version },
      log,
      sendToHub: environment.source.kind === 'twin' ? (event) => sendBy(hub.link, event) : undefined,
      post: webhook.post
    })
    return new Notifying(storage, notifications, webhook, hub)
  }

  /** Events that wait for the hub or the webhook. */
  waiting(): ReturnType<Notifications['waiting']> {
    return this.#notifications.waiting()
  }

  configure(settings: Settings | undefined): void {
    // Without settings nobody is known who wants to hear; what waits for them from before keeps waiting.
    if (settings !== undefined)
      this.#notifications.configure({ patterns: settings.notifications, webhook: settings.notificationsWebhook })
  }

  setTrustBundle(bundle: string): void {
    this.#webhook.setTrustBundle(bundle)
  }

  connected(link: TwinLink): void {
    this.#hub.link = link
    this.#notifications.hubIsBack()
  }

  /** Whether the hub can be reached now. */
  get hubIsReached(): boolean {
    return this.#hub.link?.online === true
  }

  async close(): Promise<void> {
    await this.#notifications.close()
    await this.#webhook.close()
  }
}

/** The name that ACR knows this registry by; on a device that was set up without ACR's connection string, the device's. */
function nameOf({ connection, source }: Environment): string {
  return connection?.connectedRegistryName ?? (source.kind === 'twin' ? source.deviceId : 'causeway')
}

async function sendBy(link: TwinLink | undefined, event: RegistryEvent): Promise<void> {
  if (link === undefined) throw new Error('there has been no connection with edgeHub so far')
  await link.send('notifications', event, { eventType: event.eventType })
}
