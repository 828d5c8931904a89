import { formatConnectionString } from '../../module/settings/connection-string.ts'
import type { SettingsInput } from '../../module/settings/document.ts'
import type { Device, Site } from '../site-file/site.ts'
import { parentEndpoint } from './parent.ts'
import { suggest } from '../site-file/suggest.ts'
import type { Slot } from '../secrets/store.ts'
import { mapStrings, secretReference } from './references.ts'
import { expandPlaceholders } from './template-environment.ts'
import { placeKey, templateError, type Template } from './template.ts'

/** What a template may name in `${…}`. All are texts but `settings`, which stands alone in a value and becomes an object. */
export type Variables = Readonly<Record<string, string | number | SettingsInput>>

/** Where a lower layer reaches the registry of the device above, through its API proxy. edgeAgent insists on the port. */
export function upstreamRegistry(site: Pick<Site, 'apiProxyPort'>): string {
  return `$upstream:${site.apiProxyPort}`
}

/** Where a device pulls its runtime: from the cloud registry, or from the registry of the device above. */
export function registryAddress(site: Site, device: Device): string {
  return device.parent === undefined ? site.loginServer : upstreamRegistry(site)
}

/**
 * The variables of one device. Passwords are references, to be put in place last.
 *
 * A top-layer device pulls from the cloud as the image pull token. One below another pulls from that one's registry, which
 * knows this device's sync token as a client that may read.
 */
export function variablesFor(
  site: Site,
  device: Device,
  settings: SettingsInput,
  slotOf: (token: string) => Slot
): Variables {
  const top = device.parent === undefined
  const pullToken = top ? site.pullToken.name : device.syncToken
  return {
    'device.id': device.id,
    'device.port': device.port,
    'device.dataFolder': device.dataFolder,
    'registry.loginServer': site.loginServer,
    'registry.address': registryAddress(site, device),
    'images.connectedRegistry': site.images.connectedRegistry,
    'images.agent': site.images.agent,
    'images.hub': site.images.hub,
    'images.apiProxy': site.images.apiProxy,
    'pull.username': pullToken,
    'pull.password': secretReference(pullToken, slotOf(pullToken)),
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
 * Puts variables into the parsed values of a template, never into its text: what a variable holds cannot break the JSON.
 * Ours go before the environment's. References to secrets stay; one without a slot (`${secret:plant-client}`) gets the slot in
 * use.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` with line and column for a name that nobody knows
 */
export function expandVariables(template: Template, { variables, slotOf, secrets }: Expansion): unknown {
  const { environment, bare } = template
  return mapStrings(template.modulesContent, (text, path) => {
    if (!text.includes('$')) return text
    const refuse = (why: string): never => {
      throw templateError(template.name, template.document.positionOf(['modulesContent', ...path]), why)
    }
    const [, alone] = /^\$\{([^}]*)\}$/.exec(text) ?? []
    if (alone !== undefined && typeof variables[alone] === 'object') return variables[alone]
    const value = expandPlaceholders(text, (whole, name) => {
      const [, kind, token] = shortReference.exec(name) ?? []
      if (kind !== undefined && token !== undefined) return `\${${kind}:${token}/${slotOf(token)}}`
      if (reference.test(name)) return whole
      const own = Object.hasOwn(variables, name) ? variables[name] : environment.images[name]
      if (typeof own === 'string' || typeof own === 'number') return String(own)
      if (own !== undefined) return refuse(`${whole} must stand alone in its value`)
      const given = environment.variables[name]
      if (given !== undefined) return !secrets && secretName.test(name) ? whole : given
      const meant = suggest(name, Object.keys(variables))
      const elsewhere = meant === '' ? `, here or in the environment; $${whole} stands for the text ${whole}` : meant
      return refuse(`there is no variable ${whole}${elsewhere}`)
    })
    return bare.has(placeKey(path)) ? parseBare(value, text, refuse) : value
  })
}

/** What stood without quotes is JSON: a number, mostly. */
function parseBare(value: string, text: string, refuse: (why: string) => never): unknown {
  if (value === text) return value
  try {
    return JSON.parse(value)
  } catch {
    return refuse(`${text} stands without quotes, and its value is no number or other JSON`)
  }
}
