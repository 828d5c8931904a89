import { isDigest } from '../../module/oci/digest.ts'
import { isTag } from '../../module/oci/name.ts'
import type { Gate } from './access.ts'
import type { BlobFiles } from './blob-files.ts'
import { RegistryError } from './errors.ts'
import { buildImage } from './images.ts'
import type { Repositories } from './repositories.ts'

export const publicRegistryHost = 'mcr.microsoft.com'

/** Where its blobs are. */
export const publicBlobHost = 'westeurope.data.mcr.microsoft.com'

/** What the pretend Microsoft registry has, at any tag. */
export const publicRepositories: readonly string[] = [
  'acr/connected-registry',
  'azureiotedge-agent',
  'azureiotedge-api-proxy',
  'azureiotedge-diagnostics',
  'azureiotedge-hub',
  'hello-world'
]

const platforms = ['linux/amd64', 'linux/arm64', 'linux/arm/v7']

/** Everybody may read, nobody may write, and nobody is asked who they are. */
export const publicGate: Gate = {
  check(_exchange, need) {
    if (need === 'ping' || need.action === 'pull' || need.action === 'metadata_read') return Promise.resolve(undefined)
    return Promise.reject(new RegistryError('DENIED'))
  }
}

/**
 * Makes the image of a tag when it is first asked for. Repository and tag decide its bytes, so that two clouds agree on digests;
 * its label `org.opencontainers.image.title` is the last part of the repository's name, by which a pretend device knows what to
 * start.
 */
export async function preparePublicImage(
  files: BlobFiles,
  repositories: Repositories,
  repository: string,
  reference: string
): Promise<void> {
  if (!publicRepositories.includes(repository) || isDigest(reference) || !isTag(reference)) return
  const content = repositories.ensure(repository)
  if (content.tags.has(reference)) return
  const title = repository.slice(repository.lastIndexOf('/') + 1)
  const image = await buildImage(files, content, {
    seed: `${publicRegistryHost}/${repository}:${reference}`,
    platforms,
    layers: [{ seed: `${publicRegistryHost}/${repository}` }, { size: 2048 }],
    labels: { 'org.opencontainers.image.title': title, 'org.opencontainers.image.version': reference }
  })
  content.tags.set(reference, image.digest)
}
