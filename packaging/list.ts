import { descriptorOf, Layout } from './layout.ts'
import { platformNames, type Platform } from './platforms.ts'

// Docker's, as the images themselves are: OCI's form of an image knows no HEALTHCHECK.
const list = 'application/vnd.docker.distribution.manifest.list.v2+json'

/**
 * Puts a list of the platforms' images where engines look for the one that is theirs. The same images give the same list.
 *
 * @param images by platform, in the registry already, in the repository of the reference
 */
export async function pushList(reference: string, images: ReadonlyMap<Platform, string>): Promise<void> {
  const manifests = [...images].map(([platform, image]) => {
    const [os, architecture, variant] = platformNames[platform].split('/')
    return { ...descriptorOf(image), platform: { architecture, os, ...(variant === undefined ? {} : { variant }) } }
  })
  await Layout.using(async (layout) => {
    const content = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: list, manifests }))
    await layout.push(await layout.put(content, list), reference)
  })
}
