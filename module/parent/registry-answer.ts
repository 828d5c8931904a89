import { one, type Answer } from './exchange.ts'

type Headers = Answer['headers']

/**
 * Every answer of a Causeway names itself and its ancestors, nearest first. Proxies pass a header on that they do not know,
 * relays too, so a registry that finds itself there has itself for a parent, over however many hops.
 */
const lineageHeader = 'causeway-lineage'
const mostAncestors = 32
const idForm = /^[0-9a-f]{32}$/

/** A Causeway that has never had all that it is to have puts this on every answer: what it lacks is not gone. */
export const incompleteHeader = 'causeway-incomplete'

/**
 * By what the body of an error is known as a registry's: the specification's codes, without those that a gateway gives as well,
 * distribution's two of its own, and Harbor's `NOT_FOUND` (https://github.com/goharbor/harbor/pull/23637).
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
const registryCodes: readonly unknown[] = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'TAG_INVALID',
  'RANGE_INVALID',
  'NOT_FOUND'
]

/** Ids of a Causeway and its ancestors, nearest first; undefined where the answer is no Causeway's. */
export function readLineage(headers: Headers): readonly string[] | undefined {
  const ids = one(headers[lineageHeader])
    ?.split(',', mostAncestors)
    .map((id) => id.trim())
  return ids?.every((id) => idForm.test(id)) === true ? ids : undefined
}

/**
 * Whether a registry itself gave this answer, by its headers: ACR, distribution and most others mark every answer, some mark none.
 * Docker's own recipe for nginx puts the mark on whatever nginx answers, so that a web page with it proves nothing.
 */
export function isMarked(headers: Headers): boolean {
  if (readLineage(headers) !== undefined) return true
  return headers['docker-distribution-api-version'] !== undefined && !isWebPage(headers)
}

/** What proxies, captive portals and web servers answer, and no registry. */
export function isWebPage(headers: Headers): boolean {
  return /html/i.test(one(headers['content-type']) ?? '')
}

/** Whether a body is an error in the registries' form. */
export function isRegistryError(body: unknown): boolean {
  const errors = (body as { errors?: unknown } | null | undefined)?.errors
  return Array.isArray(errors) && registryCodes.includes((errors[0] as { code?: unknown } | null | undefined)?.code)
}
