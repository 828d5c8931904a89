import { OciError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { nextPage, readLimit, type Exchange, type Serving } from './handlers.ts'
import { json, type Reply } from './reply.ts'

/** Repositories looked at in one go, of which the caller may see some. */
const catalogStep = 500

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
export async function serveCatalog({ content }: Serving, { query, caller }: Exchange): Promise<Reply> {
  const limit = readLimit(query)
  const enough = limit === undefined ? Infinity : limit + 1
  const found: Repository[] = []
  let after = query.get('last') ?? undefined
  for (let step = catalogStep; step === catalogStep && found.length < enough;) {
    const some = await content.index.repositories({ limit: catalogStep, ...(after === undefined ? {} : { after }) })
    found.push(...some.filter((repository) => caller.mayList(repository)))
    after = some.at(-1)
    step = some.length
  }
  return page('/v2/_catalog', found, limit, (repositories) => ({ repositories }))
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
