/** Media types of manifests, with where they are defined. */
export const mediaTypes = {
  /** https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md */
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  /** https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md */
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  /** https://distribution.github.io/distribution/spec/manifest-v2-2/ */
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json'
} as const

/** What a puller of whole images accepts; registries convert or refuse when a type they hold is not named. */
export const manifestMediaTypes: readonly string[] = Object.values(mediaTypes)

/** Whether a manifest of this type lists other manifests instead of layers. */
export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerManifestList
}

/** `type/subtype` of RFC 6838, section 4.2, without parameters. */
const grammar = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i

/** Whether a text can stand in a `Content-Type`: what nobody has registered yet can too. */
export function isMediaType(text: string): boolean {
  return grammar.test(text)
}
