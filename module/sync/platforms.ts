import type { Descriptor, ManifestContents } from '../oci/manifest.ts'

/** What an index holds beside images of platforms is known by these: BuildKit's attestations name what they belong to. */
const attestationOf = 'vnd.docker.reference.digest'
/** Variants that container engines take as given where none is written (containerd, platforms.Normalize). */
const usualVariants: Readonly<Record<string, string>> = { arm64: 'v8', arm: 'v7' }

/**
 * The children of an index that are to be here. Children without a platform are kept: nobody knows what they are for, and
 * attestations are kept where what they belong to is.
 *
 * @param platforms `os/architecture` or `os/architecture/variant`; undefined for all
 */
export function keptChildren(
  { manifests }: Pick<ManifestContents, 'manifests'>,
  platforms: readonly string[] | undefined
): readonly Descriptor[] {
  if (platforms === undefined) return manifests
  const belongsTo = (child: Descriptor): string | undefined => child.annotations?.[attestationOf]
  const chosen = new Set<string>(
    manifests
      .filter((child) => belongsTo(child) === undefined)
      .filter((child) => !hasPlatform(child) || platforms.some((wanted) => isOf(wanted, child)))
      .map(({ digest }) => digest)
  )
  return manifests.filter((child) => chosen.has(belongsTo(child) ?? child.digest))
}

/** The platforms of an index, as a person would write them. */
export function platformsOf({ manifests }: Pick<ManifestContents, 'manifests'>): string[] {
  return [...new Set(manifests.filter(hasPlatform).map(({ platform }) => written(platform)))].sort()
}

/** What both ask for; undefined, which is everything, where one of them asks for everything. */
export function unionOfPlatforms(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined
): readonly string[] | undefined {
  return one === undefined || other === undefined ? undefined : [...new Set([...one, ...other])]
}

function hasPlatform({ platform }: Descriptor): boolean {
  return platform?.os !== undefined && platform.os !== 'unknown'
}

function isOf(wanted: string, { platform }: Descriptor): boolean {
  const [os, architecture = '', variant] = wanted.split('/')
  if (platform?.os !== os || platform?.architecture !== architecture) return false
  return variant === undefined || variant === (platform.variant ?? usualVariants[architecture])
}

function written(platform: Descriptor['platform']): string {
  return [platform?.os, platform?.architecture, platform?.variant].filter((part) => part !== undefined).join('/')
}
