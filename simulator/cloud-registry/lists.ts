import type { Exchange } from '../cloud-http.ts'
import { RegistryError, registryHeaders } from './errors.ts'
import type { RegistryKnobs } from './knobs.ts'
import type { Repositories, RepositoryContent } from './repositories.ts'

/** `tags/list`, with a `Link` to the next page. */
export function listTags(
  exchange: Exchange,
  knobs: RegistryKnobs,
  repository: string,
  content: RepositoryContent | undefined
): void {
  if (content === undefined || content.manifests.size === 0)
    throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository } })
  const page = readPage(exchange, knobs, content.sortedTags())
  exchange.json(
    200,
    { name: repository, tags: page.entries },
    { ...registryHeaders, link: link(`/v2/${repository}/tags/list`, page) }
  )
}

/** `_catalog`. */
export function listRepositories(exchange: Exchange, knobs: RegistryKnobs, repositories: Repositories): void {
  const page = readPage(exchange, knobs, repositories.names())
  exchange.json(200, { repositories: page.entries }, { ...registryHeaders, link: link('/v2/_catalog', page) })
}

interface Page {
  readonly entries: readonly string[]
  readonly size: number
  readonly more: boolean
}

function readPage(exchange: Exchange, knobs: RegistryKnobs, all: readonly string[]): Page {
  const asked = exchange.url.searchParams.get('n')
  const number = asked === null ? knobs.tagPageSize : Number(asked)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new RegistryError('PAGINATION_NUMBER_INVALID', { detail: { n: asked } })
  const size = Math.min(number, knobs.mostTags)
  const last = exchange.url.searchParams.get('last') ?? ''
  const after = all.filter((entry) => entry > last)
  return { entries: after.slice(0, size), size, more: after.length > size }
}

/** As ACR writes it: relative, in angle brackets, with an `orderby` that may be empty. */
function link(path: string, page: Page): string | undefined {
  const last = page.entries.at(-1)
  return page.more && last !== undefined
    ? `<${path}?last=${encodeURIComponent(last)}&n=${page.size}&orderby=>; rel="next"`
    : undefined
}
