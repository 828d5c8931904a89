import { EnvHttpProxyAgent, request, type Dispatcher } from 'undici'
import { digestOf } from '../../module/oci/digest.ts'
import { mediaTypes } from '../../module/oci/media-types.ts'
import { azureError } from '../azure/errors.ts'
import { limited, throwIfCancelled } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import { withRetries } from '../hub/retry.ts'

/** A login of the cloud registry's content side. */
export interface Login {
  readonly username: string
  readonly password: string
}

/** What whoever holds a login sees of an image. */
export type ImageState = 'present' | 'absent' | 'not allowed' | 'login refused'

/** A manifest with the blobs that it names. */
export interface Artifact {
  readonly digest: string
  readonly manifest: Buffer
  readonly blobs: readonly Buffer[]
}

/** The content side of a cloud registry, as far as the generator needs it: whether an image is there, for whom; settings. */
export interface RegistryContent {
  /** @param reference a tag or a digest */
  imageState(login: Login, repository: string, reference: string): Promise<ImageState>
  /** Pushes an artifact under a tag, where that does not name it already. @throws {GeneratorError} */
  push(login: Login, repository: string, tag: string, artifact: Artifact): Promise<'pushed' | 'already there'>
  close(): Promise<void>
}

export interface ContentOptions {
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds for one answer. */
  readonly timeout?: number
  /** Milliseconds before a second try. */
  readonly retryDelay?: number
}

/** What edgeAgent's engine asks for. */
const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json'
].join(', ')

/**
 * @param loginServer `mycontainerregistry001.azurecr.io`
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export function createContentClient(loginServer: string, options: ContentOptions): RegistryContent {
  const { signal, env } = options
  const proxy = env['https_proxy'] ?? env['HTTPS_PROXY']
  const exempt = env['no_proxy'] ?? env['NO_PROXY']
  // The command's own environment, and not the process's: undici would look there by itself.
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: '',
    httpsProxy: proxy === undefined || proxy.includes('://') ? (proxy ?? '') : `http://${proxy}`,
    noProxy: exempt ?? ''
  })
  const timeout = options.timeout ?? 30_000

  async function send(
    method: 'GET' | 'HEAD' | 'POST' | 'PUT',
    url: URL,
    headers: Readonly<Record<string, string>>,
    body?: Buffer
  ): Promise<{ readonly status: number; readonly headers: Dispatcher.ResponseData['headers']; readonly text: string }> {
    const once = (): ReturnType<typeof send> =>
      limited(
        async (ended) => {
          const answer = await request(url, {
            method,
            headers,
            dispatcher,
            signal: ended,
            ...(body === undefined ? {} : { body })
          })
          const text = await answer.body.text()
          if (answer.statusCode === 429 || answer.statusCode >= 500)
            throw Object.assign(new Error(`HTTP ${answer.statusCode}`), {
              statusCode: answer.statusCode,
              response: { headers: answer.headers }
            })
          return { status: answer.statusCode, headers: answer.headers, text }
        },
        { signal, timeout, what: `${method} ${url.pathname}: ${url.host}` }
      )
    return withRetries(once, { signal, delay: options.retryDelay ?? 1000 })
  }

  async function look(login: Login, repository: string, reference: string): Promise<ImageState> {
    const url = new URL(`https://${loginServer}/v2/${repository}/manifests/${reference}`)
    const first = await send('HEAD', url, { accept })
    if (first.status !== 401) return stateOf(first.status)
    const proof = await prove(login, first.headers, `repository:${repository}:pull`)
    if (!('authorization' in proof)) return proof.state
    return stateOf((await send('HEAD', url, { accept, ...proof })).status)
  }

  /** A bearer token by the registry's challenge. */
  async function prove(
    login: Login,
    challenge: Dispatcher.ResponseData['headers'],
    scope: string
  ): Promise<{ readonly authorization: string } | { readonly state: 'login refused' | 'not allowed' }> {
    const realm = realmOf(String(challenge['www-authenticate'] ?? ''), loginServer)
    if (realm === undefined) return { state: 'not allowed' }
    realm.searchParams.set('service', loginServer)
    realm.searchParams.set('scope', scope)
    const basic = Buffer.from(`${login.username}:${login.password}`).toString('base64')
    const answer = await send('GET', realm, { authorization: `Basic ${basic}` })
    if (answer.status === 401) return { state: 'login refused' }
    const token = answer.status === 200 ? tokenOf(answer.text) : undefined
    return token === undefined ? { state: 'not allowed' } : { authorization: `Bearer ${token}` }
  }

  async function push(
    login: Login,
    repository: string,
    tag: string,
    { digest, manifest, blobs }: Artifact
  ): Promise<'pushed' | 'already there'> {
    const base = `https://${loginServer}/v2/${repository}`
    const at = new URL(`${base}/manifests/${tag}`)
    const challenged = await send('GET', new URL(`https://${loginServer}/v2/`), {})
    const proof = await prove(login, challenged.headers, `repository:${repository}:pull,push`)
    if (!('authorization' in proof)) throw refused(login, repository, proof.state)
    const there = await send('HEAD', at, { accept, ...proof })
    if (there.status === 200 && there.headers['docker-content-digest'] === digest) return 'already there'
    for (const blob of blobs) {
      const name = digestOf(blob)
      if ((await send('HEAD', new URL(`${base}/blobs/${name}`), proof)).status === 200) continue
      const begun = await send('POST', new URL(`${base}/blobs/uploads/`), proof)
      const location = String(begun.headers['location'] ?? '')
      if (begun.status !== 202 || !URL.canParse(location, base)) throw refused(login, repository, begun.status)
      const upload = new URL(location, base)
      if (upload.host !== loginServer) throw refused(login, repository, `an upload at ${upload.host}`)
      upload.searchParams.set('digest', name)
      const put = await send('PUT', upload, { ...proof, 'content-type': 'application/octet-stream' }, blob)
      if (put.status !== 201) throw refused(login, repository, put.status)
    }
    const put = await send('PUT', at, { ...proof, 'content-type': mediaTypes.ociManifest }, manifest)
    if (put.status !== 201) throw refused(login, repository, put.status)
    return 'pushed'
  }

  function refused({ username }: Login, repository: string, state: string | number): GeneratorError {
    return new GeneratorError(
      'SETTINGS_NOT_PUSHED',
      `${loginServer} does not take settings into ${repository} from token ${username} (${state}); run causeway provision (a new password takes up to two minutes)`
    )
  }

  return {
    async imageState(login, repository, reference) {
      throwIfCancelled(signal)
      try {
        return await look(login, repository, reference)
      } catch (error) {
        throwIfCancelled(signal)
        throw azureError(error, `looking for ${repository}:${reference}`, loginServer)
      }
    },
    async push(login, repository, tag, artifact) {
      throwIfCancelled(signal)
      try {
        return await push(login, repository, tag, artifact)
      } catch (error) {
        throwIfCancelled(signal)
        if (error instanceof GeneratorError) throw error
        throw azureError(error, `pushing settings to ${repository}`, loginServer)
      }
    },
    // Closing would wait for a proxy or registry that was given up on.
    close: () => dispatcher.destroy()
  }
}

function stateOf(status: number): ImageState {
  if (status === 200) return 'present'
  return status === 404 ? 'absent' : 'not allowed'
}

/** Where to ask for a token: a password goes nowhere but to the registry that it is for. */
function realmOf(challenge: string, loginServer: string): URL | undefined {
  const [, realm] = /^Bearer .*\brealm="([^"]+)"/i.exec(challenge) ?? []
  if (realm === undefined || !URL.canParse(realm)) return undefined
  const url = new URL(realm)
  return url.protocol === 'https:' && url.hostname === loginServer ? url : undefined
}

function tokenOf(text: string): string | undefined {
  try {
    const { access_token: access, token } = JSON.parse(text) as { access_token?: unknown; token?: unknown }
    return [access, token].find((value) => typeof value === 'string')
  } catch {
    return undefined
  }
}
