import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { CertificateAuthority } from './certificates.ts'
import { startCloud, type Cloud, type CloudOptions } from './cloud.ts'
import { Network } from './network.ts'

/** What `JSON.parse` gives: tests say what they expect of it by reading it. */
export type ParsedJson = ReturnType<typeof JSON.parse>

/** What an answer was, whole. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Each header as often as it was sent. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  readonly text: string
  /** The body read as JSON, when asked for. */
  readonly json: ParsedJson
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Text and buffers as they are, parameters as a form, all else as JSON. */
  readonly body?: unknown
}

/** The identity of the cloud that tests start; the secret is as good as any. */
export const testIdentity = {
  tenantId: '11111111-1111-4111-8111-111111111111',
  clientId: '22222222-2222-4222-8222-222222222222',
  clientSecret: 'pretend~secret/with+odd=characters',
  subscriptionId: '33333333-3333-4333-8333-333333333333',
  resourceGroup: 'shop-floor'
} as const

/** A cloud with its own network, certificate authority and folder, and a client that reaches it as programs do. */
export class CloudFixture {
  readonly cloud: Cloud
  readonly network: Network
  readonly folder: string
  /** The authority's certificate in PEM, for `NODE_EXTRA_CA_CERTS`. */
  readonly caFile: string
  readonly #authority: CertificateAuthority
  readonly #agent: HttpsProxyAgent<string>

  private constructor(cloud: Cloud, network: Network, folder: string, authority: CertificateAuthority) {
    this.cloud = cloud
    this.network = network
    this.folder = folder
    this.caFile = join(folder, 'ca.pem')
    this.#authority = authority
    this.#agent = new HttpsProxyAgent(network.proxyUrl, { keepAlive: true })
  }

  static async start(options: Partial<CloudOptions> = {}): Promise<CloudFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-cloud-'))
    const [network, authority] = await Promise.all([Network.start(), CertificateAuthority.create()])
    await writeFile(join(folder, 'ca.pem'), authority.certificate)
    const registries = [{ name: 'Contoso', region: 'westeurope', dataEndpointEnabled: true }]
    const cloud = await startCloud({ network, authority, folder, ...testIdentity, registries, ...options })
    return new CloudFixture(cloud, network, folder, authority)
  }

  /** What a program's environment needs to find the pretend cloud. */
  get environment(): Record<string, string> {
    return {
      https_proxy: this.network.proxyUrl,
      HTTPS_PROXY: this.network.proxyUrl,
      NODE_EXTRA_CA_CERTS: this.caFile,
      SSL_CERT_FILE: this.caFile,
      AZURE_TENANT_ID: testIdentity.tenantId,
      AZURE_CLIENT_ID: testIdentity.clientId,
      AZURE_CLIENT_SECRET: testIdentity.clientSecret
    }
  }

  /** One request through the proxy; redirects are not followed. */
  send(method: string, url: string, options: SendOptions = {}): Promise<Answer> {
    const { bytes, type } = encode(options.body)
    return new Promise((resolve, reject) => {
      const outgoing = request(
        url,
        {
          method,
          agent: this.#agent,
          ca: this.#authority.certificate,
          headers: {
            ...(type === undefined ? {} : { 'content-type': type }),
            ...(bytes === undefined && method !== 'POST' && method !== 'PUT' && method !== 'PATCH'
              ? {}
              : { 'content-length': bytes?.length ?? 0 }),
            ...options.headers
          },
          timeout: 10_000
        },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', reject)
          response.on('end', () =>
            resolve(answer(response.statusCode ?? 0, response.headers, response.rawHeaders, Buffer.concat(parts)))
          )
        }
      )
      outgoing.on('error', reject)
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${url}`)))
      outgoing.end(bytes)
    })
  }

  /** A bearer token of the pretend login. */
  async entraToken(scope = 'https://management.azure.com/.default'): Promise<string> {
    const answer = await this.send(
      'POST',
      `https://login.microsoftonline.com/${testIdentity.tenantId}/oauth2/v2.0/token`,
      {
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: testIdentity.clientId,
          client_secret: testIdentity.clientSecret,
          scope
        })
      }
    )
    return (answer.json as { access_token: string }).access_token
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.cloud.close()
    await this.network.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

function encode(body: unknown): { readonly bytes?: Buffer; readonly type?: string } {
  if (body === undefined) return {}
  if (body instanceof Uint8Array) return { bytes: Buffer.from(body) }
  if (typeof body === 'string') return { bytes: Buffer.from(body) }
  if (body instanceof URLSearchParams)
    return { bytes: Buffer.from(body.toString()), type: 'application/x-www-form-urlencoded' }
  return { bytes: Buffer.from(JSON.stringify(body)), type: 'application/json' }
}

function answer(status: number, headers: IncomingHttpHeaders, rawHeaders: readonly string[], body: Buffer): Answer {
  return {
    status,
    headers,
    rawHeaders,
    body,
    text: body.toString('utf8'),
    get json(): unknown {
      const parsed: unknown = JSON.parse(body.toString('utf8'))
      return parsed
    }
  }
}

/** The keys of an object that an answer held, in their order. */
export function keysOf(value: unknown): string[] {
  return Object.keys(value as object)
}

/** The names in a list that an answer held. */
export function namesOf(list: unknown): string[] {
  return (list as readonly { readonly name: string }[]).map(({ name }) => name)
}
