import assert from 'node:assert/strict'
import iothub from 'azure-iothub'
import type { Client, Registry } from 'azure-iothub'
import { createHmac } from 'node:crypto'
import { request as httpsRequest } from 'node:https'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { CertificateAuthority } from '../certificates.ts'
import { Network } from '../network.ts'
import { TwinStore } from '../twins.ts'
import { startHub, type Hub, type HubOptions } from './hub.ts'

/** A hub on a network of its own, and clients that reach it as pipelines do: by name, through the proxy. For tests. */
export interface TestHub {
  readonly hub: Hub
  readonly twins: TwinStore
  readonly policy: { readonly name: string; readonly key: string }
  /** `gateway` and `edge/module` style keys of who is connected. */
  readonly connected: Set<string>
  /** The SDK's registry client, with the hub's own connection string unless another is given. */
  registry(connectionString?: string): Registry
  registryFor(token: string): Registry
  client(): Client
  /** A plain request, signed unless it brings its own authorization. */
  send(method: string, path: string, options?: SendOptions): Promise<WireReply>
  close(): Promise<void>
}

export interface SendOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface WireReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
}

export const policy = { name: 'iothubowner', key: Buffer.from('a key of the test').toString('base64') }

/** One for all tests of a file: keys take their time. */
let sharedAuthority: Promise<CertificateAuthority> | undefined

export async function startTestHub(options: Partial<HubOptions> = {}): Promise<TestHub> {
  const network = await Network.start()
  const authority = await (sharedAuthority ??= CertificateAuthority.create())
  const twins = new TwinStore()
  const connected = new Set<string>()
  const hub = await startHub({
    name: 'causeway-hub',
    network,
    authority,
    twins,
    policies: [policy],
    devices: ['gateway'],
    isConnected: (deviceId, moduleId) => connected.has(TwinStore.key(deviceId, moduleId)),
    invokeMethod: () => Promise.reject(new Error('this test calls no method')),
    ...options
  })
  const agent = new HttpsProxyAgent(network.proxyUrl)
  const ca = authority.certificate
  const reach = <T extends Registry | Client>(client: T): T => {
    // Where the SDK keeps its HTTP options is its own affair; there is no public way to give it an agent.
    const { _restApiClient } = client as unknown as { _restApiClient: { setOptions(options: unknown): void } }
    _restApiClient.setOptions({ http: { agent }, ca })
    return client
  }
  return {
    hub,
    twins,
    policy,
    connected,
    registry: (connectionString = hub.connectionString) =>
      reach(iothub.Registry.fromConnectionString(connectionString)),
    registryFor: (token) => {
      const accessToken = { token, expiresOnTimestamp: Date.now() + 3_600_000 }
      return reach(iothub.Registry.fromTokenCredential(hub.hostName, { getToken: () => Promise.resolve(accessToken) }))
    },
    client: () => {
      const client = reach(iothub.Client.fromConnectionString(hub.connectionString))
      client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
      return client
    },
    send: (method, path, { body, headers = {} } = {}) => {
      const authorization = sign({ resource: hub.hostName })
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
      return new Promise((resolve, reject) => {
        const request = httpsRequest(
          { host: hub.hostName, agent, ca, method, path, headers: { authorization, ...headers } },
          (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('end', () => {
              const received = Buffer.concat(chunks).toString()
              const parsed: unknown = received === '' ? undefined : JSON.parse(received)
              resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed })
            })
          }
        )
        request.on('error', reject)
        request.end(text)
      })
    },
    close: async () => {
      agent.destroy()
      await hub.close()
      await network.close()
    }
  }
}

/** A shared access signature; `expiry` in seconds since 1970, an hour from now unless given. */
export function sign(fields: { resource: string; key?: string; name?: string; expiry?: number }): string {
  const { resource, key = policy.key, name = policy.name, expiry = Math.ceil(Date.now() / 1000) + 3600 } = fields
  const encoded = encodeURIComponent(resource)
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${encoded}\n${expiry}`).digest('base64')
  return `SharedAccessSignature sr=${encoded}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${name}`
}

/** A complete deployment with the given modules' desired properties beside the two system modules. */
export function deployment(
  modules: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {},
  run: readonly string[] = Object.keys(modules)
): { modulesContent: Record<string, Record<string, unknown>> } {
  const running = Object.fromEntries(run.map((name) => [name, { type: 'docker', settings: { image: `${name}:1` } }]))
  return {
    modulesContent: {
      $edgeAgent: { 'properties.desired': { schemaVersion: '1.1', modules: running } },
      $edgeHub: { 'properties.desired': { schemaVersion: '1.1', routes: {} } },
      ...Object.fromEntries(Object.entries(modules).map(([name, desired]) => [name, { 'properties.desired': desired }]))
    }
  }
}

/** Checks the name of an error of the SDK: its classes are not exported. */
export function named(name: string): (error: Error) => boolean {
  return (error) => {
    assert.equal(error.name, name, error.message)
    return true
  }
}
