import { algorithmOf, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/errors.ts'
import { parseTag, type Repository, type Tag } from '../oci/name.ts'
import { referrersTag } from '../oci/referrers-tag.ts'
import { emptyTree, growTree, type ImageTree, type TreeOptions } from './image-tree.ts'
import { manifestName } from './plan.ts'
import { asParentFault, type Referrer } from './ports.ts'

/** A signature of an SBOM of an image; deeper is a mistake or an attack. */
const deepest = 3
/** Of one manifest: whoever attaches a scan to it every day has more. */
const mostReferrers = 100
/** Where an image set demands signatures, of those: one of them decides whether the image is served. */
const mostDemanded = 1000
/** How `artifactType` of signatures begins: cosign's bundles, what it made before them, Notation's. */
const signatureTypes = [
  'application/vnd.dev.sigstore.bundle.',
  'application/vnd.dev.cosign.artifact.sig.',
  'application/vnd.cncf.notary.signature'
] as const
/** What cosign appends to the fallback tag for signatures, attestations and SBOMs, where it does not use the referrers API. */
const cosignSuffixes = ['.sig', '.att', '.sbom'] as const

/**
 * Adds to a tree what refers to an image: by the parent's referrers API, by the spec's fallback tag where it has none, and
 * by cosign's tags; in a repository that was listed, by those alone that are there. What cannot be had, or is too much, is told in
 * the log and left out: the image itself is worth having without.
 *
 * @param isDemanded whether the image has to be signed
 * @returns whether the parent has the API
 * @throws the parent's passing faults, and what stops a pass
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#unavailable-referrers-api
 */
export async function growReferrers(
  tree: ImageTree,
  repository: Repository,
  subject: Digest,
  isDemanded: boolean,
  options: TreeOptions
): Promise<boolean> {
  const hasApi = await byApi(tree, repository, subject, options, 1, isDemanded)
  const listed = options.listed.get(repository)
  const tags = tagsFor(subject, !hasApi).filter((tag) => listed?.has(tag) ?? true)
  for (const tag of tags) await byTag(tree, repository, tag, options)
  return hasApi
}

/**
 * The same for the children of an index. An index has dozens of them, so that each costs one request where nothing refers to
 * it: cosign's tags are looked for in a repository that was listed, and there they cost nothing.
 *
 * @param hasApi what was found when the index itself was looked at
 */
export async function growChildReferrers(
  tree: ImageTree,
  repository: Repository,
  children: readonly Digest[],
  hasApi: boolean,
  options: TreeOptions
): Promise<void> {
  const listed = options.listed.get(repository)
  for (const child of children) {
    if (hasApi) await byApi(tree, repository, child, options, 1)
    const [fallback] = hasApi ? [] : tagsFor(child, true)
    const tags = tagsFor(child, !hasApi).filter((tag) => listed?.has(tag) ?? tag === fallback)
    for (const tag of tags) await byTag(tree, repository, tag, options)
  }
}

/** Tags under which what refers to a manifest may stand. */
export function referrerTags(subject: Digest): Tag[] {
  return tagsFor(subject, true)
}

function tagsFor(subject: Digest, fallback: boolean): Tag[] {
  const tag = referrersTag(subject)
  // Cosign cuts nothing: its tags for sha512 would be longer than a tag may be.
  const cosign = algorithmOf(subject) === 'sha256' ? cosignSuffixes.map((suffix) => parseTag(`${tag}${suffix}`)) : []
  return [...(fallback ? [tag] : []), ...cosign]
}

/** @returns whether the parent has the API */
async function byApi(
  tree: ImageTree,
  repository: Repository,
  subject: Digest,
  options: TreeOptions,
  depth: number,
  isDemanded = false
): Promise<boolean> {
  const { parent, patience, signal, log } = options
  const listed = await unlessRefused(repository, `referrers of ${subject}`, options, () =>
    patience.ask(() => parent.referrers(repository, subject, { signal }))
  )
  if (listed === undefined) return false
  const chosen = choose(listed, isDemanded)
  if (chosen.length < listed.length)
    log.warn('more refers to a manifest than comes with it: signatures come first; delete old ones in the parent', {
      repository,
      subject,
      referrers: listed.length,
      brought: chosen.length
    })
  for (const { digest, mediaType } of chosen) {
    if (tree.manifests.some((manifest) => manifest.digest === digest)) continue
    const grown = await unlessRefused(repository, `referrer ${digest}`, options, () =>
      grow(tree, repository, digest, mediaType, options)
    )
    if (grown !== undefined && depth < deepest) await byApi(tree, repository, digest, options, depth + 1)
  }
  return true
}

/** As many as come, signatures before all else: registries list them in any order. */
function choose(listed: readonly Referrer[], isDemanded: boolean): readonly Referrer[] {
  // By the spec there is a type; of what a registry tells none for, nobody knows.
  const isSignature = ({ artifactType }: Referrer): boolean =>
    artifactType === undefined || signatureTypes.some((type) => artifactType.startsWith(type))
  const signatures = listed.filter(isSignature)
  const most = isDemanded ? Math.max(mostReferrers, Math.min(mostDemanded, signatures.length)) : mostReferrers
  return [...signatures, ...listed.filter((each) => !isSignature(each))].slice(0, most)
}

async function byTag(tree: ImageTree, repository: Repository, tag: Tag, options: TreeOptions): Promise<void> {
  const { parent, patience, signal } = options
  await unlessRefused(repository, `tag ${tag}`, options, async () => {
    const { digest } = await patience.ask(() => parent.head(repository, tag, { known: undefined, signal }))
    options.given.add(manifestName(repository, digest))
    await grow(tree, repository, digest, undefined, options)
    tree.tags.push({ tag, digest })
  })
}

/** All of it or nothing: half a signature would be linked and never mended. */
async function grow(
  tree: ImageTree,
  repository: Repository,
  digest: Digest,
  mediaType: string | undefined,
  options: TreeOptions
): Promise<true> {
  const draft: ImageTree = { ...emptyTree(), manifests: [...tree.manifests], blobs: new Map(tree.blobs) }
  await growTree(draft, repository, digest, options, undefined, mediaType)
  tree.manifests.splice(0, Infinity, ...draft.manifests)
  for (const [blob, size] of draft.blobs) tree.blobs.set(blob, size)
  if (!tree.referrers.includes(digest)) tree.referrers.push(digest)
  return true
}

async function unlessRefused<T>(
  repository: Repository,
  what: string,
  { log }: TreeOptions,
  work: () => Promise<T>
): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    const code = asParentFault(error)?.code
    if (code === 'PARENT_NOT_FOUND') return undefined
    if (code !== 'PARENT_DENIED' && code !== 'PARENT_PROTOCOL' && !(error instanceof OciError)) throw error
    log.warn('what refers to an image cannot be brought', { repository, what, reason: (error as Error).message })
    return undefined
  }
}
