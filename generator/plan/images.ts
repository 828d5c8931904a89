import { covers, readScopeMap } from '../../module/settings/scope-map.ts'
import type { ImageState, Login, RegistryContent } from '../acr/content.ts'
import type { DeploymentManifest } from '../deployment/generate.ts'
import { isRecord } from '../deployment/template.ts'
import { GeneratorError } from '../errors.ts'
import { atOnce } from '../hub/at-once.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import { runtimeImages, repositoryOf, type Device, type Relay, type Site } from '../site-file/site.ts'
import type { Change } from './plan.ts'
import { madeLater } from './planning-secrets.ts'
import { registryPart } from './registry.ts'

/** Images looked for at one time. */
const looksAtOnce = 4

/** An image that has to be in the cloud registry, and the login of whoever fetches it from there. */
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

/** A deployment manifest, with the devices that are given it: one, or those of an automatic deployment. */
export interface ManifestOfDevices {
  readonly manifest: DeploymentManifest
  readonly devices: readonly (Device | Relay)[]
}

/**
 * The images of these deployment manifests that have to be in the site's cloud registry: those that devices pull from there,
 * and those that they pull from their own registry or from the one above, which bring them from there by sync. Of the latter,
 * the runtime is looked for with the pull token, and the rest with the sync token of the device that fetches it from the cloud.
 *
 * @param loginOf a token's login, where its password is kept
 */
export function neededImages(
  site: Site,
  manifests: readonly ManifestOfDevices[],
  loginOf: (token: string) => Login | undefined
): readonly NeededImage[] {
  const found = new Map<string, NeededImage>()
  const add = (image: Image, login: Login | undefined, key = `${image.image} ${login?.username ?? ''}`): void => {
    if (login !== undefined && !found.has(key)) found.set(key, { ...image, ...login })
  }
  const runtime = new Set(runtimeImages(site))
  for (const { manifest, devices } of manifests) {
    const desired = recordOf(manifest.modulesContent['$edgeAgent']?.['properties.desired'])
    const login = cloudLogin(desired, site)
    for (const module of [
      ...Object.values(recordOf(desired['systemModules'])),
      ...Object.values(recordOf(desired['modules']))
    ]) {
      const written = recordOf(recordOf(module)['settings'])['image']
      if (typeof written !== 'string') continue
      const { host, ...image } = imageOf(written)
      const fromAbove = /^\$upstream:\d+$/.test(host)
      if (host === site.loginServer || (fromAbove && runtime.has(image.image)))
        add(image, login ?? loginOf(site.pullToken.name))
      else
        for (const device of devices) {
          const holders = fromAbove ? above(site, device) : isOwn(host, device) ? [device, ...above(site, device)] : []
          const top = holders.at(-1)
          if (top === undefined || holders.some((holder) => mayBePushed(site, holder, image.repository))) continue
          // Who fetches it makes no difference to its being there: of a fleet's devices one is asked for.
          add(image, loginOf(top.syncToken), `${image.image} by sync`)
        }
    }
  }
  return [...found.values()].sort((a, b) => (a.image < b.image ? -1 : 1))
}

/** What a manifest has edgeAgent log in with at the cloud registry. */
function cloudLogin(desired: Readonly<Record<string, unknown>>, site: Site): Login | undefined {
  const settings = recordOf(recordOf(desired['runtime'])['settings'])
  const { username, password } =
    Object.values(recordOf(settings['registryCredentials']))
      .map(recordOf)
      .find(({ address }) => typeof address === 'string' && address.toLowerCase() === site.loginServer) ?? {}
  return typeof username === 'string' && typeof password === 'string' ? { username, password } : undefined
}

/** The devices whose registries are above this one, up to the one that syncs from the cloud. */
function above(site: Site, { parent }: Pick<Device, 'parent'>): readonly Device[] {
  const device = parent === undefined ? undefined : site.devices[parent]
  return device === undefined ? [] : [device, ...above(site, device)]
}

function isOwn(host: string, device: Device | Relay): device is Device {
  return hasRegistry(device) && (host === `127.0.0.1:${device.port}` || host === `localhost:${device.port}`)
}

/** Whether clients of this device may bring an image there themselves, so that it need not come from the cloud. */
export function mayBePushed(site: Site, { mode, tokens }: Device, repository: string): boolean {
  if (mode !== 'ReadWrite') return false
  return tokens.some((name) =>
    readScopeMap(site.scopeMaps[site.tokens[name]?.scopeMap ?? '']?.actions ?? []).permissions.some(
      ({ action, pattern }) => action === 'content/write' && covers(pattern, repository)
    )
  )
}

/** Looks for each; those whose password is yet to be made are left out: then nothing of the site is there. */
export async function missingImages(
  content: RegistryContent,
  needed: readonly NeededImage[]
): Promise<readonly MissingImage[]> {
  const known = needed.filter(({ password }) => madeLater(password) === undefined)
  const looked = await atOnce(known, looksAtOnce, async ({ image, repository, reference, username, password }) => ({
    image,
    state: await lookFor(content, { username, password }, repository, reference),
    username
  }))
  return looked.flatMap(({ state, ...image }) => (state === 'present' ? [] : [{ ...image, state }]))
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

type Image = Pick<NeededImage, 'image' | 'repository' | 'reference'>

function imageOf(text: string): Image & { readonly host: string } {
  const slash = text.indexOf('/')
  const host = text.slice(0, Math.max(slash, 0)).toLowerCase()
  const image = text.slice(slash + 1)
  const at = image.indexOf('@')
  if (at > 0) return { host, image, repository: image.slice(0, at), reference: image.slice(at + 1) }
  if (!image.includes(':')) return { host, image: `${image}:latest`, repository: image, reference: 'latest' }
  return { host, image, repository: repositoryOf(image), reference: image.slice(image.lastIndexOf(':') + 1) }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}
