import { formatConnectionString } from '../../module/settings/connection-string.ts'
import type { SettingsInput } from '../../module/settings/document.ts'
import type { Device, Site } from '../site-file/site.ts'
import { parentEndpoint } from './parent.ts'
import { suggest } from '../site-file/suggest.ts'
import type { Slot } from '../secrets/store.ts'
import { mapStrings, secretReference } from './references.ts'
import { templateError, type Template } from './template.ts'

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

/** A variable or reference; `$upstream` and `$edgeAgent` have no braces, and so are never touched. */
const placeholder = /\$\{([^}]*)\}/g
const reference = /^(?:secret|hash):[a-zA-Z0-9-]{5,50}\/password[12]$/
const shortReference = /^(secret|hash):([a-zA-Z0-9-]{5,50})$/

/**
 * Puts variables into the parsed values of a template, never into its text: what a variable holds cannot break the JSON.
 * References to secrets stay; one without a slot (`${secret:plant-client}`) gets the slot in use.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` with line and column for a name that is none of ours
 */
export function expandVariables(template: Template, variables: Variables, slotOf: (token: string) => Slot): unknown {
  return mapStrings(template.modulesContent, (text, path) => {
    const [, alone] = /^\$\{([^}]*)\}$/.exec(text) ?? []
    if (alone !== undefined && typeof variables[alone] === 'object') return variables[alone]
    return text.replace(placeholder, (whole, name: string) => {
      const [, kind, token] = shortReference.exec(name) ?? []
      if (kind !== undefined && token !== undefined) return `\${${kind}:${token}/${slotOf(token)}}`
      if (reference.test(name)) return whole
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined
      if (typeof value === 'string' || typeof value === 'number') return String(value)
      const why =
        value === undefined
          ? `there is no variable ${whole}${suggest(name, Object.keys(variables))}`
          : `${whole} must stand alone in its value`
      throw templateError(template.name, template.document.positionOf(['modulesContent', ...path]), why)
    })
  })
}
