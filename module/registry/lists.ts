import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { CatalogRange } from './authorizer.ts'
import { nextPage, readLimit, type Exchange, type Serving } from './handlers.ts'
import { json, type Reply } from './reply.ts'

/**
 * `GET /v2/<name>/tags/list`
 *
 * @throws {OciError} `NAME_UNKNOWN`, `PAGINATION_NUMBER_INVALID`
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags
 */
export async function serveTags({ content }: Serving, { query }: Exchange, repository: Repository): Promise<Reply> {
  const limit = readLimit(query)
  const tags = await content.index.tags(repository, pageOf(query, limit))
  if (tags === undefined) throw new OciError('NAME_UNKNOWN', `repository ${repository} is not here, or not yet`)
  return page(`/v2/${repository}/tags/list`, tags, limit, (names) => ({ name: repository, tags: names }))
}

/**
 * `GET /v2/_catalog`: the repositories that the caller may pull and list.
 *
 * @throws {OciError} `PAGINATION_NUMBER_INVALID`
 * @see https://distribution.github.io/distribution/spec/api/#listing-repositories
 */
export async function serveCatalog({ content: { index } }: Serving, { query, caller }: Exchange): Promise<Reply> {
  const limit = readLimit(query)
  const { limit: most = Infinity, after } = pageOf(query, limit)
  const found: Repository[] = []
  for (const range of caller.catalog) {
    if (found.length >= most) break
    found.push(...(await inRange(index, range, after, most - found.length)))
  }
  return page('/v2/_catalog', found, limit, (repositories) => ({ repositories }))
}

/** A page costs its own length and one look for each range, of which a scope map has some hundreds at most. */
async function inRange(
  index: Serving['content']['index'],
  range: CatalogRange,
  after: string | undefined,
  limit: number
): Promise<readonly Repository[]> {
  const prefix = 'prefix' in range ? range.prefix : range.repository
  // All of it was on pages before this one.
  if (after !== undefined && after >= prefix && ('repository' in range || !after.startsWith(prefix))) return []
  const page = { prefix, ...(after === undefined ? {} : { after }) }
  if ('prefix' in range) return index.repositories(limit === Infinity ? page : { ...page, limit })
  // Of the names that begin so, the name itself comes first.
  return (await index.repositories({ ...page, limit: 1 })).filter((name) => name === range.repository)
}

/** One more than asked for tells whether there is another page. */
function pageOf(query: URLSearchParams, limit: number | undefined): { after?: string; limit?: number } {
  const after = query.get('last')
  return { ...(after === null ? {} : { after }), ...(limit === undefined ? {} : { limit: limit + 1 }) }
}

function page(
  path: string,
  names: readonly string[],
  limit: number | undefined,
  body: (names: readonly string[]) => object
): Reply {
  const shown = limit === undefined ? names : names.slice(0, limit)
  const last = shown.at(-1)
  const more = limit !== undefined && last !== undefined && names.length > limit
  return json(200, body(shown), more ? nextPage(path, limit, last) : {})
}
