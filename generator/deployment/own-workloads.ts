import { parseImageFilter, wantsTag } from '../../module/settings/image-filter.ts'
import { covers, readScopeMap } from '../../module/settings/scope-map.ts'
import type { GeneratorError } from '../errors.ts'
import type { Slot } from '../secrets/store.ts'
import { repositoryOf, runtimeImages, type Device, type Site } from '../site-file/site.ts'
import { secretReference } from './references.ts'
import { agentDesired, isRecord, templateError, withAgentDesired, type Template } from './template.ts'

/** The key of the credential in `registryCredentials`. */
const credentialKey = 'own-registry'

type Modules = Readonly<Record<string, unknown>>

/**
 * Has the device pull its own workloads from the registry that it hosts, so that their bytes come over the link once: by sync,
 * which goes on where it was cut, and not a second time by an engine, which does not. The runtime, the API proxy and Causeway
 * stay where they were: they have to be there before the registry is.
 *
 * @param content the expanded template
 * @param address where the device would pull else: only images from there change
 * @throws {GeneratorError} `TEMPLATE_INVALID` at a workload that this registry would never give out
 */
export function pullOwnWorkloads(
  content: unknown,
  template: Template,
  {
    site,
    device,
    address,
    slotOf
  }: {
    readonly site: Site
    readonly device: Device
    readonly address: string
    readonly slotOf: (token: string) => Slot
  }
): unknown {
  const desired = agentDesired(content)
  if (!device.workloads.fromOwnRegistry || desired === undefined || !isRecord(desired['modules'])) return content
  const modules: Modules = desired['modules']
  const runtime = new Set(runtimeImages(site).map(repositoryOf))
  const workloads = Object.entries(modules).flatMap(([name, module]) => {
    const image = name === site.moduleName ? undefined : imageAt(module, address)
    return image === undefined || runtime.has(image.repository) ? [] : [{ name, image }]
  })
  if (workloads.length === 0) return content
  const refuse = (path: readonly string[], message: string): GeneratorError =>
    templateError(
      template.name,
      template.document.positionOf(['modulesContent', '$edgeAgent', 'properties.desired', ...path]),
      `${message}; or let the device pull its workloads from where it pulls the runtime, with workloads: { fromOwnRegistry: false }`
    )
  for (const { name, image } of workloads)
    if (!isHeld(site, device, image))
      throw refuse(
        ['modules', name, 'settings', 'image'],
        `${device.id} pulls its workloads from its own registry, and none of its image sets has ${image.text}: add it to imageSets`
      )
  if (!publishesOnLoopback(modules[site.moduleName], device.port))
    throw refuse(
      ['modules', site.moduleName, 'settings', 'createOptions'],
      `${device.id} pulls its workloads from 127.0.0.1:${device.port}: ${site.moduleName} has to publish 8080/tcp there ({ "HostIp": "127.0.0.1", "HostPort": "\${device.port}" }), and nowhere else`
    )
  const repositories = [...new Set(workloads.map(({ image }) => image.repository))].sort()
  const token = tokenFor(site, device, repositories)
  if (token === undefined && !isPublic(site, device, repositories))
    throw refuse(
      ['modules', workloads[0]?.name ?? '', 'settings', 'image'],
      `${device.id} pulls its workloads from its own registry, and ${device.workloads.token ?? 'none of its client tokens'} may${device.workloads.token === undefined ? '' : ' not'} read ${repositories.join(', ')}: extend a scope map`
    )
  const own = `127.0.0.1:${device.port}`
  return withAgentDesired(content, {
    ...desired,
    ...(token === undefined ? {} : { runtime: withCredential(desired['runtime'], own, token, slotOf) }),
    modules: Object.fromEntries(
      Object.entries(modules).map(([name, module]) => {
        const image = workloads.find((workload) => workload.name === name)?.image
        return [name, image === undefined ? module : withImage(module, `${own}/${image.text}`)]
      })
    )
  })
}

export interface Image {
  /** `repository`, with `:tag` or `@digest` where it has one. */
  readonly text: string
  readonly repository: string
  /** Undefined for one that is named by its digest. */
  readonly tag: string | undefined
}

/** The image of a module, where it is at this registry. */
export function imageAt(module: unknown, address: string): Image | undefined {
  const settings = isRecord(module) ? module['settings'] : undefined
  const image = isRecord(settings) ? settings['image'] : undefined
  if (typeof image !== 'string' || !image.trim().toLowerCase().startsWith(`${address.toLowerCase()}/`)) return undefined
  const text = image.trim().slice(address.length + 1)
  const [, repository = text, tag, digest] = /^([^:@]+)(?::([^:@]+))?(@.+)?$/.exec(text) ?? []
  return { text, repository, tag: digest === undefined ? (tag ?? 'latest') : undefined }
}

/** Whether an image set of the device has it. */
export function isHeld(site: Site, device: Device, { repository, tag }: Image): boolean {
  const entries = device.imageSets.flatMap((name) => site.imageSets[name]?.repositories ?? [])
  return entries.some((entry) => {
    const filter = parseImageFilter(entry)
    return filter?.repository === repository && (tag === undefined || wantsTag(filter, tag))
  })
}

/** The token that the site file names for it, or else the first that may read all of them. */
function tokenFor(site: Site, device: Device, repositories: readonly string[]): string | undefined {
  const candidates = device.workloads.token === undefined ? device.tokens : [device.workloads.token]
  return candidates.find((name) => {
    const token = site.tokens[name]
    return token?.status === 'enabled' && mayRead(site, token.scopeMap, repositories)
  })
}

function isPublic(site: Site, { settings, workloads }: Device, repositories: readonly string[]): boolean {
  const { anonymousPull } = settings
  if (workloads.token !== undefined || anonymousPull?.enabled !== true) return false
  return anonymousPull.scopeMap === undefined || mayRead(site, anonymousPull.scopeMap, repositories)
}

function mayRead(site: Site, scopeMap: string, repositories: readonly string[]): boolean {
  const { permissions } = readScopeMap(site.scopeMaps[scopeMap]?.actions ?? [])
  return repositories.every((repository) =>
    permissions.some(({ action, pattern }) => action === 'content/read' && covers(pattern, repository))
  )
}

/** Passwords come over that port without TLS, so nobody but the device itself may reach it. */
function publishesOnLoopback(module: unknown, port: number): boolean {
  const settings = isRecord(module) ? module['settings'] : undefined
  const written = isRecord(settings) ? settings['createOptions'] : undefined
  const options = typeof written === 'string' ? parseJson(written) : written
  const host = isRecord(options) ? options['HostConfig'] : undefined
  const bindings = isRecord(host) && isRecord(host['PortBindings']) ? host['PortBindings']['8080/tcp'] : undefined
  const published = Array.isArray(bindings) ? bindings.filter(isRecord) : []
  return (
    published.some((binding) => Number(binding['HostPort']) === port) &&
    published.every(({ HostIp: address }) => typeof address === 'string' && address.startsWith('127.'))
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function withCredential(runtime: unknown, address: string, token: string, slotOf: (token: string) => Slot): unknown {
  const before = isRecord(runtime) ? runtime : {}
  const settings = isRecord(before['settings']) ? before['settings'] : {}
  const credentials = isRecord(settings['registryCredentials']) ? settings['registryCredentials'] : {}
  // Who has written one for this address by hand knows better.
  if (Object.values(credentials).some((each) => isRecord(each) && each['address'] === address)) return runtime
  const credential = { address, username: token, password: secretReference(token, slotOf(token)) }
  return { ...before, settings: { ...settings, registryCredentials: { ...credentials, [credentialKey]: credential } } }
}

export function withImage(module: unknown, image: string): unknown {
  if (!isRecord(module) || !isRecord(module['settings'])) return module
  return { ...module, settings: { ...module['settings'], image } }
}
