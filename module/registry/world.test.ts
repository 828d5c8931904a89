import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createAccess, type Access } from '../access/access.ts'
import { correlationHeader } from '../log/correlation.ts'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { settingsSchema, type SettingsInput } from '../settings/document.ts'
import { hashPassword } from '../settings/password-hash.ts'
import { putBlob } from '../storage/contract.ts'
import { openStorage } from '../storage/open-storage.ts'
import type { IndexChange, Storage } from '../storage/storage.ts'
import { createRegistry, type RegistryOptions } from './registry.ts'
import { createHttpServer, type Handler } from './server.ts'

/* What the tests of this room share: a registry on a port of its own, over real storage and real access, with one image. */

export const app = parseRepository('samples/app')
export const layer = randomBytes(2048)
export const bigLayer = randomBytes(3_000_000)
export const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
export const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: [layer, bigLayer].map((bytes) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: digestOf(bytes),
      size: bytes.length
    }))
  })
)
export const basic = basicOf('reader')
export const writer = basicOf('writer')

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export class World {
  folder!: string
  storage!: Storage
  access!: Access
  server!: Server
  mode: 'ReadOnly' | 'ReadWrite' = 'ReadOnly'
  readonly missing: string[] = []
  readonly lines: string[] = []
  readonly #log = new LineLog((line) => this.lines.push(line))
  /** One connection for all, so that a reply which breaks it breaks the test after it. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #servers: Server[] = []
  #passwords = {}

  async open(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'causeway-registry-'))
    this.storage = await openStorage({ folder: join(this.folder, 'data') })
    this.access = await createAccess({ folder: join(this.folder, 'access'), log: this.#log })
    this.#passwords = { password1: { hash: await hashPassword('secret') } }
    this.configure()
    await this.#fill()
    this.server = await this.start()
  }

  /** @param others scope maps of further tokens, which bear their names */
  configure(others: SettingsInput['scopeMaps'] = {}): void {
    const reading = ['repositories/samples/*/content/read', 'repositories/samples/*/metadata/read']
    const writing = ['content/write', 'content/delete', 'metadata/write'].map(
      (each) => `repositories/samples/*/${each}`
    )
    const scopeMaps = { reader: { actions: reading }, writer: { actions: [...reading, ...writing] }, ...others }
    const tokens = Object.keys(scopeMaps).map((name) => [name, { scopeMap: name, passwords: this.#passwords }])
    this.access.configure(settingsSchema.parse({ schemaVersion: '1.0', scopeMaps, tokens: Object.fromEntries(tokens) }))
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
    await this.access.close()
    await this.storage.close()
    await rm(this.folder, { recursive: true })
  }

  /** What a restart of the process does, but for the process. */
  async restart(): Promise<void> {
    for (const server of this.#servers.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
    await this.storage.close()
    this.storage = await openStorage({ folder: join(this.folder, 'data') })
    this.server = await this.start()
  }

  /** Another server over the same content, with other pieces; closed with the world. */
  async start(options: Partial<RegistryOptions> = {}): Promise<Server> {
    const registry = createRegistry({
      content: this.storage,
      authorizer: this.access,
      tokens: this.access,
      trustsProxy: this.access.isTrustedProxy,
      log: this.#log,
      mode: () => this.mode,
      onMissing: (repository, reference) => this.missing.push(`${repository} ${reference}`),
      ...options
    })
    const server = createHttpServer([registry, otherPaths], this.#log)
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  async send(
    method: string,
    path: string,
    headers: Record<string, string> = { authorization: basic },
    body?: string | Buffer,
    port = portOf(this.server)
  ): Promise<Answer> {
    const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: this.#agent })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) }
  }

  /** As somebody who may push and delete. */
  push(method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send(method, path, { authorization: writer, ...headers }, body)
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', path, { authorization: basic, ...headers })
  }

  form(path: string, fields: Record<string, string>): Promise<Answer> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return this.send('POST', path, headers, new URLSearchParams(fields).toString())
  }

  token(query: string, authorization?: string): Promise<Answer> {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    return this.send('GET', `/acr/oauth2/token?${query}`, headers)
  }

  /** The `Authorization` header with a bearer token of a scope. */
  async bearer(scope: string): Promise<string> {
    const { body } = await this.token(`service=x&scope=${encodeURIComponent(scope)}`, basic)
    return `Bearer ${JSON.parse(body.toString()).access_token as string}`
  }

  async #fill(): Promise<void> {
    const { storage } = this
    for (const bytes of [layer, bigLayer, config, manifest, Buffer.alloc(0)]) await putBlob(storage, bytes)
    const link = (bytes: Buffer, repository = app): IndexChange => {
      return { kind: 'linkBlob', repository, digest: digestOf(bytes) }
    }
    const digest = digestOf(manifest)
    await storage.index.apply([
      ...[layer, bigLayer, config, Buffer.alloc(0)].map((bytes) => link(bytes)),
      { kind: 'putManifest', repository: app, digest, mediaType: mediaTypes.ociManifest, size: manifest.length },
      ...['1.0', '1.1', '2.0', 'latest'].map((tag): IndexChange => {
        return { kind: 'setTag', repository: app, tag: parseTag(tag), digest }
      }),
      link(layer, parseRepository('samples/blobs/uploads')),
      link(config, parseRepository('private/app'))
    ])
  }
}

/** A world for the tests of one file or block. */
export function useWorld(): World {
  const world = new World()
  before(() => world.open())
  after(() => world.close())
  beforeEach(() => {
    world.mode = 'ReadOnly'
    world.missing.length = 0
    world.lines.length = 0
  })
  return world
}

const otherPaths: Handler = (request, response) => {
  if (request.url === '/boom') throw new Error('secret insides')
  if (request.url !== '/healthz') return false
  response.end('fine')
  return true
}

/** @param name of a client token */
export function basicOf(name: string): string {
  return `Basic ${Buffer.from(`${name}:secret`).toString('base64')}`
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

export function codeOf({ headers, body }: Answer): string {
  assert.equal(headers['content-type'], 'application/json')
  return JSON.parse(body.toString()).errors[0].code as string
}

/** What two answers to the same request have in common. */
export function lastingHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { date: _date, [correlationHeader.toLowerCase()]: _correlationId, ...lasting } = headers
  return lasting
}

/** The methods of a class instance, so that one of them can be replaced. */
export function blobsOf({ blobs }: Storage): RegistryOptions['content']['blobs'] {
  return {
    size: (digest) => blobs.size(digest),
    read: (digest, range) => blobs.read(digest, range),
    bytes: (digest) => blobs.bytes(digest),
    ingest: (key, algorithm) => blobs.ingest(key, algorithm),
    resume: (key, algorithm) => blobs.resume(key, algorithm)
  }
}

export function indexOf({ index }: Storage): RegistryOptions['content']['index'] {
  return {
    repositories: (page) => index.repositories(page),
    tags: (repository, page) => index.tags(repository, page),
    tag: (repository, tag) => index.tag(repository, tag),
    manifest: (repository, digest) => index.manifest(repository, digest),
    hasBlob: (repository, digest) => index.hasBlob(repository, digest),
    holders: (digest) => index.holders(digest),
    referrers: (repository, subject, page) => index.referrers(repository, subject, page),
    apply: (changes) => index.apply(changes)
  }
}
