import type { Login, RegistryContent } from '../acr/content.ts'
import { currentSlot, type Secrets } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'
import { declaredImages } from './declared-images.ts'
import { missingImages, neededImages, type ManifestOfDevices, type MissingImage, type NeededImage } from './images.ts'

/** Looks for the images with the logins that the devices have, and with the pull token for those that have none of their own. */
export async function lookForImages(
  content: RegistryContent,
  site: Site,
  secrets: Secrets,
  manifests: readonly ManifestOfDevices[]
): Promise<readonly MissingImage[]> {
  return missingImages(content, neededImages(site, manifests, loginsOf(secrets)))
}

/** Looks for what the site file itself names, but for what deployments need: that was looked for as they do. */
export async function lookForDeclared(
  content: RegistryContent,
  site: Site,
  secrets: Secrets,
  needed: readonly NeededImage[]
): Promise<{ readonly missing: readonly MissingImage[]; readonly warnings: readonly string[] }> {
  const { images, unread } = declaredImages(site, loginsOf(secrets))
  const looked = new Set(needed.map(({ image }) => image))
  return {
    missing: await missingImages(
      content,
      images.filter(({ image }) => !looked.has(image))
    ),
    warnings: unread.map(
      (image) =>
        `warning image ${image}: no token of the site file may read it, so whether it is in the cloud registry is not looked at; causeway images import brings it there`
    )
  }
}

/** The login of a token, as it is kept; of a revoked one there is none. */
export function loginsOf(secrets: Secrets): (token: string) => Login | undefined {
  const now = new Date()
  return (token) => {
    if (secrets.isRevoked?.(token) === true) return undefined
    const slot = currentSlot(secrets, token, now)
    const record = slot === undefined ? undefined : secrets.slot(token, slot)
    return record?.state === 'stored' ? { username: token, password: record.value } : undefined
  }
}
