import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execute, isLoopback } from './engine.ts'

const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  materials: 'application/vnd.cyclonedx+json'
} as const

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/**
 * Puts a bill of materials beside an image in its registry, as a referrer, with skopeo and the credentials that it shares
 * with podman and buildah; where skopeo is missing it says so, for the image itself is there.
 */
export async function attach(image: string, file: string): Promise<void> {
  if (spawnSync('skopeo', ['--version'], { stdio: 'ignore' }).error !== undefined) {
    console.log(`skopeo is not installed, so ${file} is not attached: oras attach does that too`)
    return
  }
  const tls = isLoopback(image)
  const raw = skopeo('inspect', '--raw', ...(tls ? ['--tls-verify=false'] : []), `docker://${image}`)
  const { mediaType } = JSON.parse(raw.toString()) as { mediaType: string }
  const folder = await mkdtemp(join(tmpdir(), 'causeway-attach-'))
  try {
    const digest = await makeLayout(folder, describe(raw, mediaType), await readFile(file))
    const name = image.replace(/(?:@.*|:[^:/]*)$/, '')
    const destination = [...(tls ? ['--dest-tls-verify=false'] : []), `oci:${folder}`, `docker://${name}@${digest}`]
    await execute('skopeo', ['copy', '--preserve-digests', ...destination])
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage */
async function makeLayout(folder: string, subject: Descriptor, materials: Buffer): Promise<string> {
  const blobs = join(folder, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const put = async (content: Buffer, mediaType: string): Promise<Descriptor> => {
    const descriptor = describe(content, mediaType)
    await writeFile(join(blobs, descriptor.digest.slice('sha256:'.length)), content)
    return descriptor
  }
  const manifest = await put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        artifactType: mediaTypes.materials,
        config: await put(Buffer.from('{}'), mediaTypes.empty),
        layers: [await put(materials, mediaTypes.materials)],
        subject
      })
    ),
    mediaTypes.manifest
  )
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [manifest] })
  )
  return manifest.digest
}

function describe(content: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, size: content.length }
}

function skopeo(...words: string[]): Buffer {
  const { status, stdout, stderr } = spawnSync('skopeo', words)
  if (status !== 0) throw new Error(`skopeo ${words[0] ?? ''}: ${stderr.toString().trim()}`)
  return stdout
}
