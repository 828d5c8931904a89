import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from './content.ts'

/** What a registry holds whose images share some of their layers. */
export interface ManyImages {
  readonly repositories: readonly string[]
  readonly images: number
  /** Manifests, configurations and layers, each counted once. */
  readonly blobs: number
  readonly bytes: number
}

export interface ManyImagesOptions {
  readonly images: number
  readonly layers: number
  /** How many of each image's layers other images have too. */
  readonly shared: number
  /** Bytes. */
  readonly layerSize: number
  readonly imagesPerRepository: number
}

/** Images that have the same shared layers: a base image, and the releases built on it. */
const imagesPerBase = 50

/**
 * Writes images of random layers as the distribution registry keeps them on disk: a push of ten thousand blobs takes minutes.
 *
 * @param folder the registry's `rootdirectory`
 * @see https://github.com/distribution/distribution/blob/v2.8.2/registry/storage/paths.go
 */
export async function writeManyImages(folder: string, options: ManyImagesOptions): Promise<ManyImages> {
  const tree = new RegistryTree(folder)
  const repositories = new Set<string>()
  for (let image = 0; image < options.images; image += 1) {
    const repository = `fleet/app${Math.floor(image / options.imagesPerRepository)}`
    repositories.add(repository)
    const layers: Buffer[] = []
    for (let layer = 0; layer < options.layers; layer += 1) {
      const isShared = layer < options.shared
      layers.push(
        noise(isShared ? `base ${Math.floor(image / imagesPerBase)} ${layer}` : `${image} ${layer}`, options.layerSize)
      )
    }
    await tree.add(repository, `1.${image % options.imagesPerRepository}`, layers)
  }
  return { repositories: [...repositories], images: options.images, ...tree.totals }
}

/** The distribution registry's files. */
export class RegistryTree {
  readonly #root: string
  readonly #sizes = new Map<string, number>()
  readonly #links = new Set<string>()

  constructor(folder: string) {
    this.#root = join(folder, 'docker/registry/v2')
  }

  get totals(): { readonly blobs: number; readonly bytes: number } {
    return { blobs: this.#sizes.size, bytes: [...this.#sizes.values()].reduce((sum, size) => sum + size, 0) }
  }

  /** @returns the digest of the first layer */
  async add(repository: string, tag: string, layers: readonly Buffer[]): Promise<string> {
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', image: `${repository}:${tag}` }))
    const [configured, ...layered] = await Promise.all(
      [config, ...layers].map(async (bytes) => {
        const digest = await this.#blob(bytes)
        await this.#link(`repositories/${repository}/_layers/${digest.replace(':', '/')}/link`, digest)
        return { digest, size: bytes.length }
      })
    )
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...configured },
        layers: layered.map((layer) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }))
      })
    )
    const digest = await this.#blob(manifest)
    const manifests = `repositories/${repository}/_manifests`
    await this.#link(`${manifests}/revisions/${digest.replace(':', '/')}/link`, digest)
    await this.#link(`${manifests}/tags/${tag}/index/${digest.replace(':', '/')}/link`, digest)
    await this.#link(`${manifests}/tags/${tag}/current/link`, digest)
    return layered[0]?.digest ?? ''
  }

  async #blob(bytes: Buffer): Promise<string> {
    const digest = sha256(bytes)
    if (this.#sizes.has(digest)) return digest
    this.#sizes.set(digest, bytes.length)
    const [algorithm = '', hex = ''] = digest.split(':')
    await this.#write(`blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`, bytes)
    return digest
  }

  async #link(path: string, digest: string): Promise<void> {
    if (this.#links.has(path)) return
    this.#links.add(path)
    await this.#write(path, digest)
  }

  async #write(path: string, content: Buffer | string): Promise<void> {
    const file = join(this.#root, path)
    await mkdir(join(file, '..'), { recursive: true })
    await writeFile(file, content)
  }
}

/** Bytes without a pattern, the same in every run. */
export function noise(seed: string, size: number): Buffer {
  return createHash('shake256', { outputLength: size }).update(seed).digest()
}
