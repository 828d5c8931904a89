import type { Digest } from '../../module/oci/digest.ts'
import { rightsOf, type RegistryFacts } from './access.ts'
import type { PretendRegistry } from './pretend-registry.ts'
import type { Repositories, RepositoryContent } from './repositories.ts'
import { grant } from './scopes.ts'

/** A registry that images can be imported from; the public one has no facts, for it asks nobody. */
export interface ImportSource {
  readonly registry: PretendRegistry
  readonly facts?: RegistryFacts
}

export interface Import {
  readonly registryUri: string
  readonly repository: string
  readonly reference: string
  readonly credentials?: { readonly username?: string; readonly password: string }
  /** Whether the caller's own rights serve at the source. */
  readonly trusted: boolean
  readonly targets: readonly { readonly repository: string; readonly tag?: string }[]
  readonly force: boolean
}

/**
 * Looks whether an image can be imported from one registry of the pretend cloud to another.
 *
 * @returns why not, or what copies it with every platform of it
 */
export async function importInto(
  target: Repositories,
  request: Import,
  find: (host: string) => ImportSource | undefined
): Promise<'source not found' | 'target exists' | 'source refused' | (() => void)> {
  const source = find(request.registryUri)
  if (source === undefined) return 'source not found'
  if (!mayRead(source, request)) return 'source refused'
  await source.registry.prepare(request.repository, request.reference)
  const from = source.registry.repositories.get(request.repository)
  const manifest = from?.find(request.reference)
  if (from === undefined || manifest === undefined) return 'source not found'
  const taken = request.targets.some(
    ({ repository, tag }) => tag !== undefined && target.get(repository)?.tags.has(tag) === true
  )
  if (taken && !request.force) return 'target exists'
  if (!isWhole(from, manifest.digest)) return 'source not found'
  return () => {
    for (const { repository, tag } of request.targets) {
      const content = target.ensure(repository)
      content.copyFrom(from, manifest.digest)
      if (tag !== undefined) content.tags.set(tag, manifest.digest satisfies Digest)
    }
  }
}

function isWhole(from: RepositoryContent, digest: Digest): boolean {
  return from.manifests.get(digest)?.manifests.every((child) => isWhole(from, child)) === true
}

function mayRead(source: ImportSource, request: Import): boolean {
  const { facts } = source
  if (facts === undefined || request.trusted) return true
  const { username, password } = request.credentials ?? {}
  const name =
    username === undefined || password === undefined ? undefined : facts.directory.authenticate(username, password)
  if (request.credentials !== undefined && name === undefined) return false
  const rights = rightsOf(facts, name === undefined ? { kind: 'anonymous' } : { kind: 'token', name })
  const wanted = [{ type: 'repository', name: request.repository, actions: ['pull'] }]
  return rights !== undefined && grant(wanted, rights).length > 0
}
