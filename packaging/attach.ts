import { readFile } from 'node:fs/promises'
import { byDigest, descriptorOf, hasSkopeo, Layout } from './layout.ts'

const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  materials: 'application/vnd.cyclonedx+json'
} as const

/**
 * Puts a bill of materials beside an image in its registry, as a referrer; where skopeo is missing it says so, for the image
 * itself is there.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
 */
export async function attach(image: string, file: string): Promise<void> {
  if (!hasSkopeo()) {
    console.log(`skopeo is not installed, so ${file} is not attached: oras attach does that too`)
    return
  }
  const subject = descriptorOf(image)
  const materials = await readFile(file)
  await Layout.using(async (layout) => {
    const artifact = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: mediaTypes.materials,
      config: await layout.put(Buffer.from('{}'), mediaTypes.empty),
      layers: [await layout.put(materials, mediaTypes.materials)],
      subject
    }
    const manifest = await layout.put(Buffer.from(JSON.stringify(artifact)), mediaTypes.manifest)
    await layout.push(manifest, byDigest(image, manifest.digest))
  })
}
