import { formatConnectionString } from '../../module/settings/connection-string.ts'
import type { SettingsInput } from '../../module/settings/document.ts'
import { throwAll, type GeneratorError } from '../errors.ts'
import type { Position } from '../site-file/positions.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import type { Device, Relay, Site } from '../site-file/site.ts'
import { parentEndpoint } from './parent.ts'
import { suggest } from '../site-file/suggest.ts'
import type { Slot } from '../secrets/store.ts'
import { secretReference } from './references.ts'
import { expandPlaceholders, variableOf } from './template-environment.ts'
import { isRecord, placeKey, templateError, type Template } from './template.ts'

/** What a template may name in `${…}`. All are texts but `settings`, which stands alone in a value and becomes an object. */
export type Variables = Readonly<Record<string, string | number | SettingsInput>>

/** Where a lower layer reaches the registry of the device above, through its API proxy. edgeAgent insists on the port. */
export function upstreamRegistry(site: Pick<Site, 'apiProxyPort'>): string {
  return `$upstream:${site.apiProxyPort}`
}

/** Where a device pulls its runtime: from the cloud registry, or from the registry of the device above. */
export function registryAddress(site: Site, device: Pick<Device, 'parent'>): string {
  return device.parent === undefined ? site.loginServer : upstreamRegistry(site)
}

/**
 * The token as which a device pulls its runtime. A top-layer device pulls from the cloud as the image pull token. One below another
 * pulls from that one's registry, which knows this device's sync token as a client that may read; a relay has none, and is let in
 * there as the image pull token.
 */
export function runtimeToken(site: Site, device: Device | Relay): string {
  return hasRegistry(device) && device.parent !== undefined ? device.syncToken : site.pullToken.name
}

/** The variables of one device. Passwords are references, to be put in place last. */
export function variablesFor(
  site: Site,
  device: Device,
  settings: SettingsInput,
  slotOf: (token: string) => Slot
): Variables {
  return {
    ...runtimeVariables(site, device, slotOf),
    'device.port': device.port,
    'device.dataFolder': device.dataFolder,
    'connectedRegistry.name': device.registryName,
    'connectedRegistry.connectionString': formatConnectionString({
      connectedRegistryName: device.registryName,
      syncTokenName: device.syncToken,
      syncTokenPassword: secretReference(device.syncToken, slotOf(device.syncToken)),
      parentGatewayEndpoint: parentEndpoint(site, device),
      parentEndpointProtocol: 'https'
    }),
    settings
  }
}

/** Those that a device without a registry has, too. */
export function runtimeVariables(
  site: Site,
  device: Device | Relay,
  slotOf: (token: string) => Slot
): Readonly<Record<string, string>> {
  const pullToken = runtimeToken(site, device)
  return {
    'device.id': device.id,
    'registry.loginServer': site.loginServer,
    'registry.address': registryAddress(site, device),
    'images.connectedRegistry': site.images.connectedRegistry,
    'images.agent': site.images.agent,
    'images.hub': site.images.hub,
    'images.apiProxy': site.images.apiProxy,
    'pull.username': pullToken,
    'pull.password': secretReference(pullToken, slotOf(pullToken)),
    // As the tools for VS Code call the runtime's own.
    'VERSION.edgeAgent': tagOf(site.images.agent),
    'VERSION.edgeHub': tagOf(site.images.hub),
    'SCHEMAVERSION.edgeAgent': '1.1',
    'SCHEMAVERSION.edgeHub': '1.1'
  }
}

function tagOf(image: string): string {
  return image.slice(image.lastIndexOf(':') + 1)
}

const reference = /^(?:secret|hash):[a-zA-Z0-9-]{5,50}\/password[12]$/
const shortReference = /^(secret|hash):([a-zA-Z0-9-]{5,50})$/
/** Environment variables that hold secrets by their name: without secrets, they stay as they are. */
const secretName = /PASSWORD|PASSWD|SECRET|TOKEN|KEY|CONNECTION_?STRING|CREDENTIAL|SAS/i

export interface Expansion {
  readonly variables: Variables
  readonly slotOf: (token: string) => Slot
  /** Whether environment variables that look like secrets are put in place too. */
  readonly secrets: boolean
}

/**
 * Puts variables into the parsed values and keys of a template, never into its text: what a variable holds cannot break the
 * JSON. Ours go before the environment's. References to secrets stay; one without a slot (`${secret:plant-client}`) gets the slot
 * in use.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` with line and column for every name that nobody knows
 */
export function expandVariables(template: Template, { variables, slotOf, secrets }: Expansion): unknown {
  const { environment, bare } = template
  const errors = new Map<string, GeneratorError>()
  const expandText = (text: string, path: readonly PropertyKey[], asKey: boolean): unknown => {
    if (!text.includes('$')) return text
    const refuse = (why: string): string => {
      const position = template.document.positionOf(['modulesContent', ...path], asKey)
      if (!errors.has(why)) errors.set(why, templateError(template.name, position, why))
      return ''
    }
    const [, alone] = /^\$\{([^}]*)\}$/.exec(text) ?? []
    if (!asKey && alone !== undefined && Object.hasOwn(variables, alone) && typeof variables[alone] === 'object')
      return variables[alone]
    const value = expandPlaceholders(text, ({ whole, name, unsure }) => {
      // In a route `$body` and `$connectionDeviceId` are its own, whatever the environment has by these names.
      if (unsure) return isRoute(path) ? whole : (variableOf(environment.variables, name) ?? whole)
      const [, kind, token] = shortReference.exec(name) ?? []
      if (kind !== undefined && token !== undefined) return `\${${kind}:${token}/${slotOf(token)}}`
      if (reference.test(name)) return whole
      const own = Object.hasOwn(variables, name) ? variables[name] : variableOf(environment.images, name)
      if (typeof own === 'string' || typeof own === 'number') return String(own)
      if (own !== undefined) return refuse(`${whole} must stand alone in its value`)
      const given = variableOf(environment.variables, name)
      if (given !== undefined) return !secrets && !asKey && !isOpen(path) && secretName.test(name) ? whole : given
      const meant = suggest(name, Object.keys(variables))
      const elsewhere = meant === '' ? `, here or in the environment; $${whole} stands for the text ${whole}` : meant
      return refuse(`there is no variable ${whole}${elsewhere}`)
    })
    return !asKey && bare.has(placeKey(path)) ? parseBare(value, text, refuse) : value
  }
  const path: PropertyKey[] = []
  const below = <T>(key: PropertyKey, work: () => T): T => {
    path.push(key)
    const result = work()
    path.pop()
    return result
  }
  // What nothing changes in stays the same object: what devices share is then known by that.
  const expand = (value: unknown): unknown => {
    if (typeof value === 'string') return expandText(value, path, false)
    if (Array.isArray(value)) {
      const items = value.map((entry, index) => below(index, () => expand(entry)))
      return items.every((item, index) => item === value[index]) ? value : items
    }
    if (!isRecord(value)) return value
    const expanded: Record<string, unknown> = {}
    const changes = Object.entries(value).map(([key, entry]) =>
      below(key, () => {
        const name = key.includes('$') ? String(expandText(key, path, true)) : key
        if (Object.hasOwn(expanded, name))
          errors.set(
            name,
            templateError(template.name, positionOf(path), `${key} stands for ${name}, which is there already`)
          )
        const becomes = expand(entry)
        Object.defineProperty(expanded, name, { value: becomes, enumerable: true, writable: true, configurable: true })
        return name !== key || becomes !== entry
      })
    )
    return changes.includes(true) ? expanded : value
  }
  const positionOf = (path: readonly PropertyKey[]): Position =>
    template.document.positionOf(['modulesContent', ...path], true)
  const expanded = expand(template.modulesContent)
  throwAll([...errors.values()])
  return expanded
}

/** What everybody may know, whatever the variable is called: `$TOKENSERVICE_IMAGE`. */
function isOpen(path: readonly PropertyKey[]): boolean {
  return ['image', 'address', 'schemaVersion', 'version'].includes(String(path.at(-1)))
}

function isRoute([section, , list]: readonly PropertyKey[]): boolean {
  return section === '$edgeHub' && list === 'routes'
}

/** What stood without quotes is JSON: a number, mostly. */
function parseBare(value: string, text: string, refuse: (why: string) => unknown): unknown {
  if (value === text) return value
  try {
    return JSON.parse(value)
  } catch {
    return refuse(`${text} stands without quotes, and its value is no number or other JSON`)
  }
}
