import { EnvHttpProxyAgent, request, type Dispatcher } from 'undici'
import { azureError } from '../azure/errors.ts'
import { throwIfCancelled } from '../azure/wait.ts'
import { limited, withRetries } from '../hub/retry.ts'

/** A login of the cloud registry's content side. */
export interface Login {
  readonly username: string
  readonly password: string
}

/** What whoever holds a login sees of an image. */
export type ImageState = 'present' | 'absent' | 'not allowed' | 'login refused'

/** The content side of a cloud registry, as far as the generator looks at it: whether an image is there, for whom. */
export interface RegistryContent {
  /** @param reference a tag or a digest */
  imageState(login: Login, repository: string, reference: string): Promise<ImageState>
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
    method: 'GET' | 'HEAD',
    url: URL,
    headers: Readonly<Record<string, string>>
  ): Promise<{ readonly status: number; readonly headers: Dispatcher.ResponseData['headers']; readonly text: string }> {
    const once = (): ReturnType<typeof send> =>
      limited(
        async () => {
          const answer = await request(url, { method, headers, dispatcher, signal })
          const text = await answer.body.text()
          if (answer.statusCode === 429 || answer.statusCode >= 500)
            throw Object.assign(new Error(`HTTP ${answer.statusCode}`), {
              statusCode: answer.statusCode,
              response: { headers: answer.headers }
            })
          return { status: answer.statusCode, headers: answer.headers, text }
        },
        { signal, timeout }
      )
    return withRetries(once, { signal, delay: options.retryDelay ?? 1000 })
  }

  async function look(login: Login, repository: string, reference: string): Promise<ImageState> {
    const url = new URL(`https://${loginServer}/v2/${repository}/manifests/${reference}`)
    const first = await send('HEAD', url, { accept })
    if (first.status !== 401) return stateOf(first.status)
    const realm = realmOf(String(first.headers['www-authenticate'] ?? ''), loginServer)
    if (realm === undefined) return 'not allowed'
    realm.searchParams.set('service', loginServer)
    realm.searchParams.set('scope', `repository:${repository}:pull`)
    const basic = Buffer.from(`${login.username}:${login.password}`).toString('base64')
    const answer = await send('GET', realm, { authorization: `Basic ${basic}` })
    if (answer.status === 401) return 'login refused'
    if (answer.status !== 200) return 'not allowed'
    const token = tokenOf(answer.text)
    if (token === undefined) return 'not allowed'
    return stateOf((await send('HEAD', url, { accept, authorization: `Bearer ${token}` })).status)
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
    close: () => dispatcher.close()
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
