import { hasAnyBelow } from '../site-file/has-registry.ts'
import type { Device, Site } from '../site-file/site.ts'
import { isRecord, objectIn, type Template } from './template.ts'
import { registryAddress } from './variables.ts'

type Section = Readonly<Record<string, unknown>>

const desiredPath = ['$edgeAgent', 'properties.desired']

/** The image of Microsoft's connected registry, wherever it was imported to. */
const theirImage = /(?:^|\/)acr\/connected-registry:[^$]*$/

/**
 * Gives a template what a device's connected registry needs, as the template that comes with Causeway has it, where it is not
 * there yet: the module with its settings, the login that IoT Edge pulls with and, for devices with others below them, the API
 * proxy. A template that has Microsoft's module keeps it where it stands, with the image, the connection string and the
 * settings of the site file. Everything else stays as it is.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` where something that is no object stands in the way
 */
export function withConnectedRegistry(template: Template, site: Site, device: Device): Template {
  const { shipped, modulesContent } = template
  if (shipped === undefined) return template
  const name = site.moduleName
  const ours = desiredOf(shipped)
  const theirs = desiredOf(modulesContent)
  const modules = modulesIn(template)
  const shippedModule = recordAt(recordAt(ours, 'modules'), 'connected-registry')
  const present = moduleIn(template, name)
  const own = objectIn(template, [name])
  const module = isRecord(modules[name]) ? moved(present, shippedModule) : withoutOrder(shippedModule, theirs)
  const desired: Section = {
    ...theirs,
    runtime: withLogin(template, recordAt(ours, 'runtime'), [
      '${registry.address}',
      registryAddress(site, device).toLowerCase(),
      ...(device.parent === undefined ? ['${registry.loginserver}'] : [])
    ]),
    modules: { ...modules, [name]: module, ...apiProxy(modules, recordAt(ours, 'modules'), device, theirs) }
  }
  return {
    ...template,
    modulesContent: {
      ...modulesContent,
      $edgeAgent: { ...recordAt(modulesContent, '$edgeAgent'), 'properties.desired': desired },
      [name]: isRecord(modulesContent[name]) ? own : { 'properties.desired': '${settings}' }
    }
  }
}

/** Somebody who wrote the image by hand wants that one; Microsoft's is what this takes the place of. */
function moved(module: Section, shipped: Section): Section {
  const settings = recordAt(module, 'settings')
  const { image } = settings
  const env = recordAt(module, 'env')
  const connection = recordAt(env, 'ACR_REGISTRY_CONNECTION_STRING')['value']
  const ours = typeof connection === 'string' && connection.includes('${')
  return {
    ...module,
    settings:
      typeof image === 'string' && theirImage.test(image)
        ? { ...settings, image: recordAt(shipped, 'settings')['image'] }
        : settings,
    env: ours ? env : { ...env, ...recordAt(shipped, 'env') }
  }
}

function apiProxy(modules: Section, shipped: Section, device: Device, theirs: Section): Section {
  const present = Object.entries(modules).some(([name, module]) => isApiProxy(name, module))
  return present || !hasAnyBelow(device)
    ? {}
    : { IoTEdgeAPIProxy: withoutOrder(recordAt(shipped, 'IoTEdgeAPIProxy'), theirs) }
}

export function isApiProxy(name: string, module: unknown): boolean {
  const { image } = isRecord(module) ? recordAt(module, 'settings') : {}
  return name.toLowerCase() === 'iotedgeapiproxy' || (typeof image === 'string' && image.includes('api-proxy'))
}

/** `startupOrder` came with schema 1.1. */
export function withoutOrder(module: Section, theirs: Section): Section {
  if (theirs['schemaVersion'] !== '1.0') return module
  const { startupOrder: _, ...rest } = module
  return rest
}

/**
 * The login goes in where none is for the same registry; one that was never filled in is no login. An address is matched as
 * it stands, without regard to case (facts: deployment-manifests §0, 7).
 */
export function withLogin(template: Template, shipped: Section, addresses: readonly string[]): Section {
  const path = [...desiredPath, 'runtime']
  const runtime = objectIn(template, path)
  const settings = objectIn(template, [...path, 'settings'])
  const written = objectIn(template, [...path, 'settings', 'registryCredentials'])
  const credentials = Object.entries(written).filter(([, each]) => !isUnfilled(each))
  const present = credentials.some(
    ([, each]) => isRecord(each) && addresses.includes(String(each['address']).toLowerCase())
  )
  const ours = present ? {} : recordAt(recordAt(shipped, 'settings'), 'registryCredentials')
  // Somebody else's login may have the name of ours.
  const taken = new Set(credentials.map(([name]) => name))
  const named = Object.entries(ours).map(([name, each]) => [taken.has(name) ? `${name}-cloud` : name, each] as const)
  const registryCredentials = Object.fromEntries([...credentials, ...named])
  return { ...runtime, settings: { ...settings, registryCredentials } }
}

/** As Microsoft's published manifests have it: `REPLACE_WITH_SYNC_TOKEN_PASSWORD`. */
function isUnfilled(credential: unknown): boolean {
  return isRecord(credential) && /^(?:REPLACE_|<)/.test(String(credential['password']))
}

/** The modules of a template. @throws {GeneratorError} `TEMPLATE_INVALID` where it has something else in their place */
export function modulesIn(template: Template): Section {
  return objectIn(template, [...desiredPath, 'modules'])
}

/** A module of a template that is about to be changed. @throws {GeneratorError} as {@link modulesIn} */
export function moduleIn(template: Template, name: string): Section {
  const path = [...desiredPath, 'modules', name]
  for (const key of ['settings', 'env']) objectIn(template, [...path, key])
  return objectIn(template, path)
}

export function desiredOf(content: Section): Section {
  return recordAt(recordAt(content, '$edgeAgent'), 'properties.desired')
}

export function recordAt(section: Section, key: string): Section {
  const value = section[key]
  return isRecord(value) ? value : {}
}
