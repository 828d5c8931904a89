import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execute, isLoopback } from './engine.ts'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const index = 'application/vnd.oci.image.index.v1+json'

/** A folder from which skopeo brings a manifest to a registry, byte by byte as it was made. */
export class Layout {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Has one for as long as some work takes. */
  static async using(work: (layout: Layout) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-layout-'))
    try {
      await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
      await work(new Layout(folder))
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  async put(content: Buffer, mediaType: string): Promise<Descriptor> {
    const descriptor = describe(content, mediaType)
    await writeFile(join(this.#folder, 'blobs/sha256', descriptor.digest.slice('sha256:'.length)), content)
    return descriptor
  }

  /**
   * Pushes a manifest and, unless it is a list, its blobs, with the credentials that skopeo shares with podman and buildah.
   *
   * @param reference with a tag or a digest
   */
  async push(manifest: Descriptor, reference: string): Promise<void> {
    await writeFile(join(this.#folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    await writeFile(
      join(this.#folder, 'index.json'),
      JSON.stringify({ schemaVersion: 2, mediaType: index, manifests: [manifest] })
    )
    const tls = isLoopback(reference) ? ['--dest-tls-verify=false'] : []
    const words = ['copy', '--multi-arch', 'index-only', '--preserve-digests', ...tls]
    await execute('skopeo', [...words, `oci:${this.#folder}`, `docker://${reference}`])
  }
}

export function hasSkopeo(): boolean {
  return spawnSync('skopeo', ['--version'], { stdio: 'ignore' }).error === undefined
}

/** What a manifest in a registry is known by. */
export function descriptorOf(reference: string): Descriptor {
  const tls = isLoopback(reference) ? ['--tls-verify=false'] : []
  const { status, stdout, stderr } = spawnSync('skopeo', ['inspect', '--raw', ...tls, `docker://${reference}`])
  if (status !== 0) throw new Error(`skopeo inspect: ${stderr.toString().trim()}`)
  return describe(stdout, (JSON.parse(stdout.toString()) as { mediaType: string }).mediaType)
}

/** The same repository by a digest in place of the tag. */
export function byDigest(reference: string, digest: string): string {
  return `${reference.replace(/(?:@.*|:[^:/]*)$/, '')}@${digest}`
}

function describe(content: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, size: content.length }
}
