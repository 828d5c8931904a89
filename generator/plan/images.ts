import type { ImageState, Login, RegistryContent } from '../acr/content.ts'
import type { DeploymentManifest } from '../deployment/generate.ts'
import { isRecord } from '../deployment/template.ts'
import { GeneratorError } from '../errors.ts'
import { runtimeImages, repositoryOf, type Site } from '../site-file/site.ts'
import type { Change } from './plan.ts'
import { madeLater } from './planning-secrets.ts'
import { registryPart } from './registry.ts'

/** An image that a device pulls from the cloud registry, and the login that it has for it. */
export interface NeededImage {
  /** `repository:tag` or `repository@digest` */
  readonly image: string
  readonly repository: string
  readonly reference: string
  readonly username: string
  readonly password: string
}

/** What edgeAgent would be told of an image. */
export interface MissingImage {
  readonly image: string
  readonly state: Exclude<ImageState, 'present'>
  readonly username: string
}

/**
 * The images of these deployment manifests that come from the site's cloud registry. A device below another pulls through
 * that one, and of its images only the runtime is looked for, with the pull token: the rest is synced and not pulled.
 *
 * @param pullLogin the pull token's, where its password is kept
 */
export function neededImages(
  site: Site,
  manifests: readonly DeploymentManifest[],
  pullLogin: Login | undefined
): readonly NeededImage[] {
  const found = new Map<string, NeededImage>()
  for (const { modulesContent } of manifests) {
    const desired = recordOf(modulesContent['$edgeAgent']?.['properties.desired'])
    const credentials = Object.values(
      recordOf(recordOf(recordOf(desired['runtime'])['settings'])['registryCredentials'])
    )
    const credential = credentials
      .map(recordOf)
      .find(({ address }) => typeof address === 'string' && address.toLowerCase() === site.loginServer)
    for (const module of [
      ...Object.values(recordOf(desired['systemModules'])),
      ...Object.values(recordOf(desired['modules']))
    ]) {
      const image = recordOf(recordOf(module)['settings'])['image']
      const own = typeof image === 'string' ? imageOf(image, site) : undefined
      const { username, password } = credential ?? pullLogin ?? {}
      if (own === undefined || typeof username !== 'string' || typeof password !== 'string') continue
      found.set(`${own.image} ${username}`, { ...own, username, password })
    }
  }
  return [...found.values()].sort((a, b) => (a.image < b.image ? -1 : 1))
}

/** Looks for each; those whose password is yet to be made are left out: then nothing of the site is there. */
export async function missingImages(
  content: RegistryContent,
  needed: readonly NeededImage[]
): Promise<readonly MissingImage[]> {
  const missing: MissingImage[] = []
  for (const { image, repository, reference, username, password } of needed) {
    if (madeLater(password) !== undefined) continue
    const state = await lookFor(content, { username, password }, repository, reference)
    if (state !== 'present') missing.push({ image, state, username })
  }
  return missing
}

async function lookFor(
  content: RegistryContent,
  login: Login,
  repository: string,
  reference: string
): Promise<ImageState> {
  try {
    return await content.imageState(login, repository, reference)
  } catch (error) {
    if (!(error instanceof GeneratorError) || error.code !== 'AZURE_UNREACHABLE') throw error
    throw new GeneratorError(
      error.code,
      `${error.message}. Where only devices reach the registry's content, say --no-image-check`,
      { cause: error }
    )
  }
}

/** How `plan` shows an image that is not there. */
export function imageChanges(missing: readonly MissingImage[]): Change[] {
  return missing.map((image) => ({
    code: 'P104',
    action: 'add',
    part: registryPart,
    subject: `image ${image.image}`,
    differences: [],
    warning: sentence(image)
  }))
}

/** @throws {GeneratorError} `IMAGES_ABSENT` where a device could not pull what it is to run */
export function assertImages(site: Site, missing: readonly MissingImage[]): void {
  if (missing.length === 0) return
  throw new GeneratorError(
    'IMAGES_ABSENT',
    `${missing.length === 1 ? 'an image' : `${missing.length} images`} that devices are to run cannot be pulled from ${site.loginServer}; devices would wait for it in vain`,
    { details: missing.map((image) => `IMAGES_ABSENT ${image.image}: ${sentence(image)}`) }
  )
}

function sentence({ state, username }: MissingImage): string {
  switch (state) {
    case 'absent':
      return 'it is not in the cloud registry; run causeway images import, or push it there'
    case 'not allowed':
      return `token ${username} may not read it; run causeway provision, or look at its scope map`
    case 'login refused':
      return `the cloud registry refuses the password of token ${username}; run causeway provision (a new password takes up to two minutes)`
  }
}

function imageOf(text: string, site: Site): Omit<NeededImage, 'username' | 'password'> | undefined {
  const slash = text.indexOf('/')
  const host = text.slice(0, Math.max(slash, 0)).toLowerCase()
  const image = text.slice(slash + 1)
  if (host !== site.loginServer) {
    if (!/^\$upstream:\d+$/i.test(host) || !runtimeImages(site).includes(image)) return undefined
  }
  const at = image.indexOf('@')
  if (at > 0) return { image, repository: image.slice(0, at), reference: image.slice(at + 1) }
  if (!image.includes(':')) return { image: `${image}:latest`, repository: image, reference: 'latest' }
  return { image, repository: repositoryOf(image), reference: image.slice(image.lastIndexOf(':') + 1) }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}
