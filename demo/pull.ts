import { createHash } from 'node:crypto'
import { ask } from './loopback.ts'
import { StepFailed } from './programs.ts'

export interface Pulled {
  readonly digest: string
  readonly bytes: number
}

interface Manifest {
  readonly manifests?: readonly { readonly digest: string }[]
  readonly config?: { readonly digest: string }
  readonly layers?: readonly { readonly digest: string }[]
}

/**
 * Pulls an image as a container engine does: the challenge, a token for the client token's name and password, manifests,
 * then every blob, each compared with its digest.
 *
 * @param registry `http://host:port`
 * @throws {StepFailed} saying which request got what
 */
export async function pull(registry: string, image: string, user: string, password: string): Promise<Pulled> {
  const [repository = '', reference = 'latest'] = image.split(':')
  const authorization = `Bearer ${await logIn(registry, repository, user, password)}`
  let bytes = 0
  const fetchVerified = async (path: string, digest?: string): Promise<{ body: Buffer; digest: string }> => {
    const accept = accepted.join(', ')
    const response = await ask(`${registry}/v2/${repository}/${path}`, { authorization, accept })
    const body = Buffer.from(await response.arrayBuffer())
    if (!response.ok) throw new StepFailed(`GET ${path} gave ${response.status}: ${body.toString().slice(0, 300)}`)
    const actual = `sha256:${createHash('sha256').update(body).digest('hex')}`
    if (actual !== (digest ?? response.headers.get('docker-content-digest')))
      throw new StepFailed(`GET ${path} gave bytes of another digest, ${actual}`)
    bytes += body.length
    return { body, digest: actual }
  }
  const pullManifest = async (name: string, digest?: string): Promise<string> => {
    const fetched = await fetchVerified(`manifests/${name}`, digest)
    const manifest = JSON.parse(fetched.body.toString()) as Manifest
    for (const child of manifest.manifests ?? []) await pullManifest(child.digest, child.digest)
    for (const blob of [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])])
      await fetchVerified(`blobs/${blob.digest}`, blob.digest)
    return fetched.digest
  }
  return { digest: await pullManifest(reference), bytes }
}

const accepted = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json'
]

async function logIn(registry: string, repository: string, user: string, password: string): Promise<string> {
  const challenged = await ask(`${registry}/v2/`)
  await challenged.body?.cancel()
  const challenge = challenged.headers.get('www-authenticate') ?? ''
  const realm = /realm="([^"]+)"/.exec(challenge)?.[1]
  const service = /service="([^"]+)"/.exec(challenge)?.[1]
  if (challenged.status !== 401 || realm === undefined)
    throw new StepFailed(`GET /v2/ gave ${challenged.status} and no Bearer challenge: ${challenge}`)
  const question = new URLSearchParams({ service: service ?? '', scope: `repository:${repository}:pull` })
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const answer = await ask(`${realm}?${question.toString()}`, { authorization })
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  if (token === undefined) throw new StepFailed(`the token endpoint gave ${answer.status} and no token to ${user}`)
  return token
}
