import { refuse } from './read.ts'
import type { RegistryCredential } from './deployment.ts'

/**
 * Replaces `$upstream:PORT` by the parent's name; edgeAgent insists on the port (DockerConfig.cs, connected-registry.md §8).
 *
 * @param upstream the parent's host name
 */
export function resolveUpstream(text: string, upstream: string, path: string): string {
  if (!text.startsWith('$')) return text
  const [, before, after] = /^(.*)\$upstream(:[1-9].*)$/i.exec(text) ?? []
  if (before === undefined || after === undefined)
    refuse(`${path}: ${text} cannot be resolved; check the port is specified after $upstream`)
  return `${before}${upstream}${after}`
}

/**
 * edgeAgent's own reading of an image's name: `name`, `name:tag` or `name@sha256:…`, never a tag and a digest together;
 * without either the tag is `latest` (deployment-manifests.md §1.2).
 */
export function readImage(text: string, upstream: string, path: string): string {
  const image = resolveUpstream(text.trim(), upstream, path)
  const match = /^(?:[^/]*\/)*[^/:]+(:[^/:]+)?$/.exec(image)
  if (match === null) refuse(`${path}: ${image} is not an image`)
  return match[1] === undefined ? `${image}:latest` : image
}

/** An image as a container engine reads it. */
export interface ImageReference {
  /** `host[:port]`. */
  readonly registry: string
  readonly repository: string
  /** A tag or a digest. */
  readonly reference: string
}

/** The first part of a name is a host only with a dot or a colon in it (DockerUtil.cs; a bare `localhost` is not). */
export function parseImage(image: string): ImageReference {
  const slash = image.indexOf('/')
  const first = image.slice(0, Math.max(slash, 0))
  const hosted = /[.:]/.test(first)
  const rest = hosted ? image.slice(slash + 1) : image
  const at = rest.indexOf('@')
  const split = at >= 0 ? at : rest.lastIndexOf(':')
  const name = rest.slice(0, split)
  return {
    registry: hosted ? first : 'registry-1.docker.io',
    repository: hosted || name.includes('/') ? name : `library/${name}`,
    reference: rest.slice(split + 1)
  }
}

/** Exact equality of `host[:port]`, case aside: a scheme or a missing port silently means an anonymous pull. */
export function credentialFor(
  registry: string,
  credentials: readonly RegistryCredential[]
): RegistryCredential | undefined {
  return credentials.find(({ address }) => address.toLowerCase() === registry.toLowerCase())
}
