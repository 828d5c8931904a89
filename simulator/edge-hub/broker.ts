import { Aedes, type Client } from 'aedes'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type Server } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerCertificate } from '../certificates.ts'
import { checkToken, type Identities } from './identities.ts'
import { isAllowedFilter } from './topics.ts'

export interface BrokerEvents {
  connect: [{ readonly moduleId: string; readonly sessionPresent: boolean }]
  disconnect: [{ readonly moduleId: string }]
  refuse: [{ readonly clientId: string; readonly reason: string }]
  subscribe: [{ readonly moduleId: string; readonly filter: string }]
  publish: [{ readonly moduleId: string; readonly topic: string; readonly payload: Buffer }]
}

export interface BrokerOptions {
  readonly deviceId: string
  readonly hubHostName: string
  readonly identities: Identities
  readonly certificate: ServerCertificate
  /** Milliseconds since the epoch, for the expiry of tokens. */
  readonly now: () => number
}

/** What aedes keeps in memory of a client but leaves out of its types. */
interface ClientInside {
  readonly subscriptions: Readonly<Record<string, unknown>>
}
interface BrokerInside {
  readonly persistence: { cleanSubscriptions(client: { readonly id: string }): Promise<unknown> }
}

/**
 * edgeHub's MQTT head: aedes with the checks, limits and takeover of edgeHub around it. Nothing is routed from client to
 * client: what a module is told goes to its own connection, and only where that connection has subscribed. A patch for a
 * connection whose session was lost is therefore lost too, as on a real device.
 */
export class Broker extends EventEmitter<BrokerEvents> {
  readonly #options: BrokerOptions
  readonly #aedes: Aedes
  readonly #clients = new Map<string, Client>()
  readonly #sessions = new Set<string>()
  readonly #sockets = new Set<Socket>()
  readonly #expiry = new WeakMap<Client, number>()
  #server: Server | undefined
  #port = 0

  private constructor(options: BrokerOptions) {
    super()
    this.#options = options
    this.#aedes = new Aedes({
      authenticate: (client, username, password, done) => {
        const refusal = this.#authenticate(client, username, password?.toString('utf8'))
        if (refusal !== undefined) this.emit('refuse', { clientId: client.id, reason: refusal })
        // false becomes CONNACK 5, "not authorized": what edgeHub answers to every bad identity.
        done(null, refusal === undefined)
      },
      authorizePublish: (_client, packet, done) => {
        // IoT Hub closes a connection that publishes with QoS 2 (docs: iot-hub-mqtt-support).
        done(packet.qos === 2 ? new Error('QoS 2 is not supported') : null)
      },
      authorizeSubscribe: (client, subscription, done) => {
        const allowed = isAllowedFilter(subscription.topic, options.deviceId, moduleOf(client))
        // null is the failure code in the SUBACK; there is no QoS 2 here either. IoT Hub's limit of 5 subscriptions needs no
        // check: there are four filters.
        done(null, allowed && subscription.qos < 2 ? subscription : null)
      },
      published: (packet, client: Client | null, done) => {
        // Without a client it is one of aedes' own announcements.
        if (client !== null)
          this.emit('publish', {
            moduleId: moduleOf(client),
            topic: packet.topic,
            payload: Buffer.from(packet.payload)
          })
        done(null)
      }
    })
    this.#watch()
  }

  static async start(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options)
    await broker.#aedes.listen()
    await broker.comeBack()
    return broker
  }

  get port(): number {
    return this.#port
  }

  /** Sends to a module, if it is connected and has subscribed to `filter`. Says whether it was sent. */
  deliver(moduleId: string, filter: string, topic: string, payload: string): boolean {
    const client = this.#clients.get(this.#clientId(moduleId))
    if (client === undefined || !subscriptionsOf(client).includes(filter)) return false
    client.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 0, retain: false, dup: false },
      () => undefined
    )
    return true
  }

  isConnected(moduleId: string): boolean {
    return this.#clients.has(this.#clientId(moduleId))
  }

  /** Breaks every connection without a word, as when edgeHub crashes. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  drop(moduleId: string): void {
    this.#clients.get(this.#clientId(moduleId))?.close()
  }

  /** Forgets every subscription and breaks the connections: an edgeHub without storage, after a restart. */
  async loseSessions(): Promise<void> {
    const { persistence } = this.#aedes as Aedes & BrokerInside
    this.dropConnections()
    await Promise.all([...this.#sessions].map((id) => persistence.cleanSubscriptions({ id })))
    this.#sessions.clear()
  }

  /** Stops listening and breaks the connections; sessions stay. */
  async goAway(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    this.dropConnections()
    await closed
  }

  /** Listens again, on the same port. */
  async comeBack(): Promise<void> {
    if (this.#server !== undefined) return
    for (let attempt = 1; ; attempt++) {
      const server = createServer(this.#options.certificate, (socket) => this.#accept(socket))
      // A client that goes away within the handshake is the pretend weather.
      server.on('tlsClientError', () => undefined)
      try {
        server.listen(this.#port, '127.0.0.1')
        await once(server, 'listening')
        this.#server = server
        this.#port = (server.address() as AddressInfo).port
        return
      } catch (error) {
        // Another program may have been given the port for a short connection of its own meanwhile.
        if (attempt === 20) throw error
        await sleep(100)
      }
    }
  }

  async close(): Promise<void> {
    await this.goAway()
    await new Promise<void>((resolve) => {
      this.#aedes.close(resolve)
    })
    this.removeAllListeners()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#aedes.handle(socket)
  }

  #authenticate(client: Client, username: string | undefined, password: string | undefined): string | undefined {
    const { deviceId, hubHostName, identities, now } = this.#options
    const [hub, device, moduleId = '', query = ''] = (username ?? '').split('/')
    const identity = identities.get(moduleId)
    if (hub !== hubHostName || device !== deviceId || identity === undefined)
      return `unknown identity ${username ?? ''}`
    if (!new URLSearchParams(query.replace(/^\?/, '')).has('api-version')) return 'no api-version in the user name'
    if (client.id !== this.#clientId(moduleId)) return `client id ${client.id} is not ${this.#clientId(moduleId)}`
    const resource = `${hubHostName}/devices/${deviceId}/modules/${moduleId}`
    const check = checkToken(password ?? '', resource, identity.key, now())
    if (!check.ok) return check.reason
    this.#expiry.set(client, check.expiresAt)
    return undefined
  }

  #watch(): void {
    const present = new WeakMap<Client, boolean>()
    this.#aedes.on('connackSent', (packet, client) => present.set(client, packet.sessionPresent))
    // After CONNACK, as edgeHub does it (MqttAdapter.CompleteConnect of the protocol gateway): a patch in between is lost.
    this.#aedes.on('clientReady', (client) => {
      this.#clients.set(client.id, client)
      if (!client.clean) this.#sessions.add(client.id)
      this.#closeOnExpiry(client)
      this.emit('connect', { moduleId: moduleOf(client), sessionPresent: present.get(client) ?? false })
    })
    this.#aedes.on('clientDisconnect', (client) => {
      // After a takeover the name belongs to the newcomer already.
      if (this.#clients.get(client.id) !== client) return
      this.#clients.delete(client.id)
      this.emit('disconnect', { moduleId: moduleOf(client) })
    })
    this.#aedes.on('subscribe', (subscriptions, client) => {
      for (const { topic } of subscriptions) this.emit('subscribe', { moduleId: moduleOf(client), filter: topic })
    })
    // Broken connections are ordinary here; the clients' own ends tell what came of them.
    this.#aedes.on('clientError', () => undefined)
    this.#aedes.on('connectionError', () => undefined)
  }

  #closeOnExpiry(client: Client): void {
    const expiresAt = this.#expiry.get(client)
    if (expiresAt === undefined) return
    const timer = setTimeout(() => client.close(), Math.min(expiresAt - this.#options.now(), 2 ** 31 - 1))
    timer.unref()
    client.conn.once('close', () => clearTimeout(timer))
  }

  #clientId(moduleId: string): string {
    return `${this.#options.deviceId}/${moduleId}`
  }
}

function moduleOf(client: Client): string {
  return client.id.slice(client.id.indexOf('/') + 1)
}

function subscriptionsOf(client: Client): string[] {
  return Object.keys((client as Client & ClientInside).subscriptions)
}
