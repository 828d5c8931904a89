import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { CertificateAuthority } from '../certificates.ts'
import type { Network } from '../network.ts'

/** A registry for the tests of this folder, with the token flow and the redirect that a pull meets, and nothing else. */
export class FakeRegistry {
  static readonly host = 'registry.example'
  static readonly blobHost = 'blobs.example'
  /** `host method path`, and whether Authorization came along. */
  readonly requests: { readonly what: string; readonly authorization: string | undefined }[] = []
  readonly #documents = new Map<string, { readonly type: string; readonly bytes: Buffer }>()
  readonly #server: Server
  #answersWith: number | undefined

  private constructor(server: Server) {
    this.#server = server
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response))
  }

  static async start(network: Network, authority: CertificateAuthority): Promise<FakeRegistry> {
    const server = createServer(await authority.issue([FakeRegistry.host, FakeRegistry.blobHost]))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    for (const host of [FakeRegistry.host, FakeRegistry.blobHost]) network.route(`${host}:443`, port)
    return new FakeRegistry(server)
  }

  /** Adds an image and returns its digest. */
  push(repository: string, tag: string, labels: Readonly<Record<string, string>>, platform = false): string {
    const config = this.#add(`/v2/${repository}/blobs/`, '', { config: { Labels: labels } })
    const manifests = `/v2/${repository}/manifests/`
    const type = 'application/vnd.oci.image.manifest.v1+json'
    const digest = this.#add(manifests, type, { schemaVersion: 2, mediaType: type, config: { digest: config } }, tag)
    if (!platform) return digest
    const index = 'application/vnd.oci.image.index.v1+json'
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch
    const entries = [
      { digest: `sha256:${'0'.repeat(64)}`, platform: { os: 'linux', architecture: 's390x' } },
      { digest, platform: { os: 'linux', architecture } }
    ]
    return this.#add(manifests, index, { schemaVersion: 2, mediaType: index, manifests: entries }, tag)
  }

  /** Every answer has this status from now on; undefined undoes it. */
  answerWith(status: number | undefined): void {
    this.#answersWith = status
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #add(prefix: string, type: string, document: unknown, tag?: string): string {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    for (const name of [digest, tag]) if (name !== undefined) this.#documents.set(prefix + name, { type, bytes })
    return digest
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { host, authorization } = request.headers
    const url = new URL(request.url ?? '/', `https://${host ?? ''}`)
    this.requests.push({ what: `${url.hostname} ${request.method ?? ''} ${url.pathname}`, authorization })
    if (this.#answersWith !== undefined) return void response.writeHead(this.#answersWith).end()
    if (url.pathname === '/token') {
      this.#token(url, authorization, response)
      return
    }
    const blobs = url.hostname === FakeRegistry.blobHost
    // Storage accounts refuse a request that carries somebody else's token.
    if (blobs && authorization !== undefined) return void response.writeHead(400).end()
    if (!blobs && authorization !== 'Bearer good') {
      this.#challenge(response)
      return
    }
    if (url.pathname === '/v2/') return void response.writeHead(200).end('{}')
    if (!blobs && url.pathname.includes('/blobs/'))
      return void response.writeHead(307, { location: `https://${FakeRegistry.blobHost}${url.pathname}` }).end()
    const document = this.#documents.get(url.pathname)
    if (document === undefined)
      return void response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}')
    response.writeHead(200, { 'content-type': document.type }).end(document.bytes)
  }

  #token(url: URL, authorization: string | undefined, response: ServerResponse): void {
    const right = `Basic ${Buffer.from('puller:secret').toString('base64')}`
    const asked = url.searchParams.get('service') === FakeRegistry.host && url.searchParams.get('scope') !== null
    if (authorization !== right || !asked)
      return void response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"Incorrect Password"}]}')
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"good"}')
  }

  #challenge(response: ServerResponse): void {
    const { host } = FakeRegistry
    const challenge = `Bearer realm="https://${host}/token",service="${host}",scope="repository:a:pull,push"`
    response.writeHead(401, { 'www-authenticate': challenge }).end('{"errors":[{"code":"UNAUTHORIZED"}]}')
  }
}
