import { isExact, parseImageFilter } from '../../module/settings/image-filter.ts'
import { covers, readScopeMap } from '../../module/settings/scope-map.ts'
import type { Login } from '../acr/content.ts'
import { importsOf } from '../acr/imports.ts'
import { repositoriesOf, repositoryOf, type Device, type Site } from '../site-file/site.ts'
import { mayBePushed, type NeededImage } from './images.ts'

/** What the site file itself says is to be in the cloud registry, whether a deployment names it or not. */
export interface DeclaredImages {
  readonly images: readonly NeededImage[]
  /** Images to import that no token of the site may read, so that nobody can tell whether they are there. */
  readonly unread: readonly string[]
}

/**
 * The targets of `images import`, and the tags that image sets name exactly, unless clients may push them to a device. Each is looked
 * for with a login of somebody who may read it: the pull token for the runtime, the sync token of a device at the top for what it or those
 * below it hold, and a client token otherwise.
 *
 * @param loginOf a token's login, where its password is kept
 */
export function declaredImages(site: Site, loginOf: (token: string) => Login | undefined): DeclaredImages {
  const readers = syncReaders(site, loginOf)
  const runtime = new Set(Object.values(site.images).map(repositoryOf))
  const readerOf = (repository: string): Reader | undefined =>
    runtime.has(repository)
      ? readerNamed(site.pullToken.name, loginOf)
      : (readers.get(repository) ?? clientReader(site, repository, loginOf))
  const imports = importsOf(site, false).map(({ target }) => target)
  const read = [...new Set([...imports, ...exactTags(site)])].map((image) => ({
    image,
    reader: readerOf(repositoryOf(image))
  }))
  return {
    images: read.flatMap(({ image, reader }) =>
      reader?.login === undefined
        ? []
        : [
            {
              image,
              repository: repositoryOf(image),
              reference: image.slice(image.lastIndexOf(':') + 1),
              ...reader.login
            }
          ]
    ),
    unread: read.flatMap(({ image, reader }) => (reader === undefined ? [image] : []))
  }
}

/** Somebody who may read; without a login where the password is not made yet, or the token is revoked. */
interface Reader {
  readonly login?: Login
}

function readerNamed(token: string, loginOf: (token: string) => Login | undefined): Reader {
  const login = loginOf(token)
  return login === undefined ? {} : { login }
}

/** By repository: of a fleet's devices the first whose login is known. */
function syncReaders(site: Site, loginOf: (token: string) => Login | undefined): ReadonlyMap<string, Reader> {
  const readers = new Map<string, Reader>()
  for (const device of Object.values(site.devices))
    for (const repository of repositoriesOf(site, [device]))
      if (readers.get(repository)?.login === undefined)
        readers.set(repository, readerNamed(topOf(site, device).syncToken, loginOf))
  return readers
}

function clientReader(
  site: Site,
  repository: string,
  loginOf: (token: string) => Login | undefined
): Reader | undefined {
  const able = Object.entries(site.tokens).filter(([, { scopeMap }]) =>
    readScopeMap(site.scopeMaps[scopeMap]?.actions ?? []).permissions.some(
      ({ action, pattern }) => action === 'content/read' && covers(pattern, repository)
    )
  )
  const readers = able.map(([name]) => readerNamed(name, loginOf))
  return readers.find(({ login }) => login !== undefined) ?? readers[0]
}

function exactTags(site: Site): readonly string[] {
  const devices = Object.values(site.devices)
  const tags = Object.entries(site.imageSets).flatMap(([name, { repositories }]) => {
    const filters = repositories.map(parseImageFilter).filter((filter) => filter !== undefined)
    const exact = filters.filter(isExact)
    if (exact.length === 0) return []
    const holders = devices.filter(({ imageSets }) => imageSets.includes(name))
    return exact
      .filter(
        ({ repository }) => holders.length > 0 && !holders.some((holder) => mayBePushed(site, holder, repository))
      )
      .flatMap((filter) => filter.tags.map((tag) => `${filter.repository}:${tag}`))
  })
  return tags
}

function topOf(site: Site, device: Device): Device {
  const above = device.parent === undefined ? undefined : site.devices[device.parent]
  return above === undefined ? device : topOf(site, above)
}
