import { createHash } from 'node:crypto'
import { manifestMediaTypes, isIndexMediaType } from '../../module/oci/media-types.ts'
import { parseImage } from './image-name.ts'
import type { RegistryCredential } from './deployment.ts'

/** An answer, its body read to the end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** How a device's container engine reaches a URL: its own ports, the network's names, what it trusts. */
export type Fetch = (url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<Answer>

export interface PulledImage {
  readonly digest: string
  readonly labels: Readonly<Record<string, string>>
}

/** What an engine still has to fetch once manifest and config are here. */
export interface LayersWanted {
  /** `host:port` as this machine reaches it: for a port of the device's own, the loopback port behind it. */
  readonly registry: string
  readonly repository: string
  readonly digest: string
  readonly credential: RegistryCredential | undefined
}

/** Fetches an image's layers, as container engines do and a pretend device need not. @throws {Error} where it cannot */
export type PullLayers = (wanted: LayersWanted) => Promise<void>

/** Why an image cannot be pulled, as `docker pull` would put it; never a password. */
export class PullError extends Error {
  override readonly name = 'PullError'
}

const mostRedirects = 5
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm: 'arm' }

/**
 * Pulls an image's manifest and config the way a container engine does: `/v2/` says which authentication there is, a
 * Bearer token is fetched with Basic, and Authorization never follows a redirect to another host. Layers stay where they
 * are: a pretend device runs no file systems.
 *
 * @throws {PullError}
 */
export async function pullImage(options: {
  readonly image: string
  readonly credential: RegistryCredential | undefined
  readonly fetch: Fetch
  readonly signal: AbortSignal
}): Promise<PulledImage> {
  const { registry, repository, reference } = parseImage(options.image)
  const puller = new Puller(registry, repository, options)
  await puller.authenticate()
  let { bytes, type } = await puller.manifest(reference)
  const digest = digestOf(bytes)
  if (isIndexMediaType(type)) ({ bytes, type } = await puller.manifest(platformOf(bytes, options.image)))
  const config = (parseJson(bytes) as { config?: { digest?: unknown } }).config?.digest
  if (typeof config !== 'string') throw new PullError(`${options.image}: its manifest names no config`)
  const { config: settings } = parseJson(await puller.blob(config)) as { config?: { Labels?: Record<string, string> } }
  return { digest, labels: settings?.Labels ?? {} }
}

class Puller {
  readonly #origin: string
  readonly #repository: string
  readonly #credential: RegistryCredential | undefined
  readonly #fetch: Fetch
  readonly #signal: AbortSignal
  #authorization: string | undefined

  constructor(registry: string, repository: string, options: Parameters<typeof pullImage>[0]) {
    // Container engines take a registry on loopback without TLS.
    this.#origin = `${/^127\./.test(registry) ? 'http' : 'https'}://${registry}`
    this.#repository = repository
    this.#credential = options.credential
    this.#fetch = options.fetch
    this.#signal = options.signal
  }

  /** Docker decides "authentication or not" from GET /v2/ alone (registry.md §6.4). */
  async authenticate(): Promise<void> {
    const answer = await this.#get(new URL('/v2/', this.#origin))
    if (answer.status !== 401) return
    const challenge = String(answer.headers['www-authenticate'] ?? '')
    const basic =
      this.#credential === undefined
        ? undefined
        : `Basic ${Buffer.from(`${this.#credential.username}:${this.#credential.password}`).toString('base64')}`
    if (/^basic\b/i.test(challenge)) {
      this.#authorization = basic
      return
    }
    if (!/^bearer\b/i.test(challenge)) throw new PullError(`${this.#origin} asks for an unknown authentication`)
    this.#authorization = `Bearer ${await this.#token(challenge, basic)}`
  }

  async manifest(reference: string): Promise<{ bytes: Buffer; type: string }> {
    const url = new URL(`/v2/${this.#repository}/manifests/${reference}`, this.#origin)
    const answer = await this.#get(url, { accept: manifestMediaTypes.join(', ') })
    if (answer.status !== 200) throw this.#refused(`manifest of ${this.#repository}:${reference}`, answer)
    if (reference.includes(':')) verify(answer.body, reference)
    return { bytes: answer.body, type: String(answer.headers['content-type'] ?? '') }
  }

  async blob(digest: string): Promise<Buffer> {
    const answer = await this.#get(new URL(`/v2/${this.#repository}/blobs/${digest}`, this.#origin))
    if (answer.status !== 200) throw this.#refused(`blob ${digest}`, answer)
    verify(answer.body, digest)
    return answer.body
  }

  async #token(challenge: string, basic: string | undefined): Promise<string> {
    const parameters = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value])
    ) as Record<string, string | undefined>
    const realm = parameters['realm']
    if (realm === undefined || !URL.canParse(realm)) throw new PullError(`${this.#origin} names no token endpoint`)
    const url = new URL(realm)
    if (parameters['service'] !== undefined) url.searchParams.set('service', parameters['service'])
    url.searchParams.set('scope', `repository:${this.#repository}:pull`)
    const answer = await this.#fetch(url, basic === undefined ? {} : { authorization: basic }, this.#signal)
    if (answer.status !== 200) throw this.#refused(`token from ${url.origin}`, answer)
    const { access_token: access, token } = parseJson(answer.body) as Record<string, unknown>
    const found = token ?? access
    if (typeof found !== 'string') throw new PullError(`${url.origin} answered no token`)
    return found
  }

  async #get(url: URL, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    let target = url
    for (let hops = 0; hops <= mostRedirects; hops += 1) {
      const trusted = target.origin === url.origin && this.#authorization !== undefined
      const answer = await this.#fetch(
        target,
        { ...headers, ...(trusted ? { authorization: this.#authorization ?? '' } : {}) },
        this.#signal
      )
      const location = answer.headers['location']
      if (![301, 302, 303, 307, 308].includes(answer.status) || typeof location !== 'string') return answer
      target = new URL(location, target)
    }
    throw new PullError(`${url.origin} redirects without end`)
  }

  #refused(what: string, answer: Answer): PullError {
    const errors = (parseJson(answer.body, {}) as { errors?: { code?: string; message?: string }[] }).errors
    const [first] = Array.isArray(errors) ? errors : []
    const reason = first === undefined ? '' : `: ${first.code ?? ''} ${first.message ?? ''}`
    const who = this.#credential === undefined ? 'anonymously' : `as ${this.#credential.username}`
    return new PullError(`${this.#origin} answered ${answer.status} ${who} for the ${what}${reason}`)
  }
}

function platformOf(index: Buffer, image: string): string {
  const { manifests } = parseJson(index) as {
    manifests?: { digest: string; platform?: { os?: string; architecture?: string } }[]
  }
  const architecture = architectures[process.arch] ?? process.arch
  const found = manifests?.find(({ platform }) => platform?.os === 'linux' && platform.architecture === architecture)
  if (found === undefined) throw new PullError(`${image}: no matching manifest for linux/${architecture}`)
  return found.digest
}

function verify(bytes: Buffer, digest: string): void {
  if (digestOf(bytes, digest.split(':')[0]) !== digest)
    throw new PullError(`the registry sent other bytes than ${digest}`)
}

function digestOf(bytes: Buffer, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

function parseJson(bytes: Buffer, otherwise?: object): unknown {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch (cause) {
    if (otherwise === undefined) throw new PullError('the registry did not answer with JSON', { cause })
  }
  return otherwise ?? {}
}
