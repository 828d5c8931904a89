import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, type Digest } from '../module/oci/digest.ts'
import { mediaTypes } from '../module/oci/media-types.ts'
import { isInstalled, mustRun, Program } from './real-tools.ts'

/** Milliseconds that one request on loopback may take. */
const patience = 10_000

export interface Credentials {
  readonly user: string
  readonly password: string
}

/** What was pushed: the image manifest and its blobs, as they are to come out again. */
export interface Pushed {
  readonly digest: Digest
  readonly manifest: Buffer
  readonly blobs: readonly Buffer[]
}

/**
 * Debian's docker-registry: a parent that none of us wrote. It asks for Basic authentication where `htpasswd` is there to make
 * its file of passwords, and lets everybody in where not.
 */
export class ForeignRegistry {
  /** `127.0.0.1:port` */
  readonly endpoint: string
  readonly #program: Program
  readonly #authorization: Readonly<Record<string, string>>

  private constructor(endpoint: string, program: Program, authorization: Readonly<Record<string, string>>) {
    this.endpoint = endpoint
    this.#program = program
    this.#authorization = authorization
  }

  /** @param folder where it keeps everything */
  static async start(folder: string, { user, password }: Credentials): Promise<ForeignRegistry> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const passwords = join(folder, 'htpasswd')
    const guarded = isInstalled('htpasswd')
    if (guarded) await writeFile(passwords, await mustRun('htpasswd', ['-Bni', user], {}, password), { mode: 0o600 })
    else console.log('    without passwords: htpasswd is not installed')
    const configuration = {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'content') } },
      http: { addr: '127.0.0.1:0' },
      ...(guarded ? { auth: { htpasswd: { realm: 'foreign', path: passwords } } } : {})
    }
    // JSON is YAML.
    await writeFile(join(folder, 'configuration.yml'), JSON.stringify(configuration))
    const program = new Program('docker-registry', ['serve', join(folder, 'configuration.yml')], {
      OTEL_TRACES_EXPORTER: 'none'
    })
    const [, endpoint = ''] = await program.says(/listening on (127\.0\.0\.1:\d+)/)
    const basic = Buffer.from(`${user}:${password}`).toString('base64')
    return new ForeignRegistry(endpoint, program, guarded ? { authorization: `Basic ${basic}` } : {})
  }

  /** Pushes an image of random bytes. */
  async push(repository: string, tag: string, layerSizes: readonly number[]): Promise<Pushed> {
    const config = Buffer.from(
      JSON.stringify({ architecture: 'amd64', os: 'linux', noise: randomBytes(8).toString('hex') })
    )
    const layers = layerSizes.map((size) => randomBytes(size))
    for (const blob of [config, ...layers]) await this.#pushBlob(repository, blob)
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: describe('application/vnd.oci.image.config.v1+json', config),
        layers: layers.map((layer) => describe('application/vnd.oci.image.layer.v1.tar', layer))
      })
    )
    await this.#expect(201, `/v2/${repository}/manifests/${tag}`, {
      method: 'PUT',
      headers: { 'content-type': mediaTypes.ociManifest },
      body: manifest
    })
    return { digest: digestOf(manifest), manifest, blobs: [config, ...layers] }
  }

  /** Pushes a manifest as it is, with its blobs. */
  async pushAsIs(repository: string, reference: string, manifest: string, blobs: readonly string[]): Promise<void> {
    for (const blob of blobs) await this.#pushBlob(repository, Buffer.from(blob))
    const { mediaType } = JSON.parse(manifest) as { mediaType: string }
    await this.#expect(201, `/v2/${repository}/manifests/${reference}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body: manifest
    })
  }

  async stop(): Promise<void> {
    await this.#program.end('SIGKILL')
  }

  async #pushBlob(repository: string, bytes: Buffer): Promise<void> {
    const begun = await this.#expect(202, `/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    const place = new URL(begun.headers.get('location') ?? '', `http://${this.endpoint}`)
    place.searchParams.set('digest', digestOf(bytes))
    await this.#expect(201, place.href, { method: 'PUT', body: new Uint8Array(bytes) })
  }

  async #expect(status: number, path: string, request: RequestInit): Promise<Response> {
    const answer = await fetch(new URL(path, `http://${this.endpoint}`), {
      ...request,
      headers: { ...(request.headers as Record<string, string> | undefined), ...this.#authorization },
      signal: AbortSignal.timeout(patience)
    })
    const text = await answer.text()
    if (answer.status !== status) throw new Error(`${request.method ?? 'GET'} ${path}: ${answer.status} ${text}`)
    return answer
  }
}

function describe(mediaType: string, bytes: Buffer): { mediaType: string; digest: Digest; size: number } {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}
