import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { parseConnectionString } from '../../module/settings/connection-string.ts'
import type { SettingsInput } from '../../module/settings/document.ts'
import { GeneratorError } from '../errors.ts'
import { HashedSecrets } from '../plan/planning-secrets.ts'
import { differences, sortedKeys } from '../plan/difference.ts'
import type { Fingerprints } from '../plan/fingerprints.ts'
import { currentPassword } from '../secrets/current-password.ts'
import type { Secrets } from '../secrets/store.ts'
import type { AutomaticDeployment, Device, Site } from '../site-file/site.ts'
import { generateManifest, generateSettings, type DeploymentManifest } from '../deployment/generate.ts'
import { isRecord, type Template } from '../deployment/template.ts'
import { variablesFor } from '../deployment/variables.ts'

type Document = Readonly<Record<string, unknown>>

/** What IoT Hub is told once for all devices of an automatic deployment. Ids name contents: both change together. */
export interface AutomaticContent {
  readonly base: { readonly id: string; readonly content: DeploymentManifest }
  /** A layer with the settings that all devices share, one dotted key each. */
  readonly settings: { readonly id: string; readonly content: DeploymentManifest }
}

/** Settings that deployments may add to by name; all others are one key each. */
const namedMaps = ['imageSets', 'scopeMaps']
/** What differs between devices by its nature, and so is for the twin alone. */
const perDevice = ['parent', 'tokens']

/**
 * Makes what an automatic deployment puts on all its devices: a base without the connected registry's settings and without its
 * connection string, and a layer with the settings that are the same everywhere. What is left is for `causeway configure`.
 *
 * @throws {GeneratorError} `DEPLOYMENT_DIFFERS` where the template makes something else of each device
 */
export function automaticContent(
  site: Site,
  deployment: AutomaticDeployment,
  template: Template,
  options: { readonly secrets: Secrets; readonly now: Date }
): AutomaticContent {
  const devices = devicesIn(site, deployment)
  const [first, ...others] = devices
  if (first === undefined) throw new Error(`the automatic deployment ${deployment.name} has no devices`)
  const now = options.now
  const open = baseOf(site, generateManifest(site, first, template, { now }))
  for (const device of others) {
    const [difference] = differences(open, baseOf(site, generateManifest(site, device, template, { now })), plain)
    if (difference !== undefined)
      throw new GeneratorError(
        'DEPLOYMENT_DIFFERS',
        `an automatic deployment has one content for all its devices, and ${deployment.name} would need two: ${difference.path} is ${difference.before ?? 'absent'} for ${first.id}, and ${difference.after ?? 'absent'} for ${device.id}. Make them the same, or two deployments of them`
      )
  }
  const shared = sharedSettings(site, deployment)
  const base = baseOf(site, generateManifest(site, first, template, options))
  // Passwords count by their salted hashes: an id tells when one changes, and not what it is.
  const hashed = baseOf(
    site,
    generateManifest(site, first, template, { secrets: new HashedSecrets(options.secrets), now })
  )
  const layer: DeploymentManifest = { modulesContent: { [site.moduleName]: dotted(shared) } }
  return {
    base: { id: `${deployment.name}-${digestOf(hashed)}`, content: base },
    settings: { id: `${deployment.name}-settings-${digestOf(layer)}`, content: layer }
  }
}

const known = new WeakMap<Site, Map<string, Document>>()

/**
 * Settings that are the same on every device of an automatic deployment: its layer owns them, and `configure` leaves them alone.
 * Passwords have no part in them, so they are found out once for a site, however often its devices are looked at.
 */
export function sharedSettings(site: Site, deployment: AutomaticDeployment): Document {
  const ofSite = known.get(site) ?? new Map<string, Document>()
  known.set(site, ofSite)
  const found = ofSite.get(deployment.name) ?? findShared(site, deployment)
  ofSite.set(deployment.name, found)
  return found
}

function findShared(site: Site, deployment: AutomaticDeployment): Document {
  let shared: Document | undefined
  for (const device of devicesIn(site, deployment)) {
    const settings = without(generateSettings(site, device, { now: new Date(0) }), perDevice)
    shared = shared === undefined ? settings : inBoth(shared, settings)
  }
  return shared ?? {}
}

/** What only this device's twin is told: where it syncs from and as whom, its client tokens, and settings of its own. */
export function ownSettings(
  site: Site,
  device: Device,
  shared: Document,
  options: { readonly secrets: Secrets; readonly now: Date }
): Document {
  const settings = generateSettings(site, device, options)
  return { ...leftOf(settings, shared), parent: parentOf(site, device, settings, options) }
}

/** A document without what another one owns: whole keys, and of named maps the names. */
export function leftOf(document: Document, owned: Document): Document {
  return Object.fromEntries(
    Object.entries(document).flatMap(([key, value]) => {
      if (!Object.hasOwn(owned, key)) return [[key, value] as const]
      const names = owned[key]
      if (!namedMaps.includes(key) || !isRecord(value) || !isRecord(names)) return []
      const left = Object.entries(value).filter(([name]) => !Object.hasOwn(names, name))
      return left.length === 0 ? [] : [[key, Object.fromEntries(left)] as const]
    })
  )
}

function devicesIn(site: Site, { devices }: AutomaticDeployment): Device[] {
  return devices.flatMap((id) => site.devices[id] ?? [])
}

function baseOf(site: Site, { modulesContent }: DeploymentManifest): DeploymentManifest {
  const { [site.moduleName]: _settings, ...content } = modulesContent
  const agent = content['$edgeAgent']?.['properties.desired']
  if (!isRecord(agent) || !isRecord(agent['modules'])) return { modulesContent: content }
  const module = agent['modules'][site.moduleName]
  if (!isRecord(module) || !isRecord(module['env'])) return { modulesContent: content }
  // The twin's `parent` takes its place: it differs from device to device, and the container is created with its environment.
  const { ACR_REGISTRY_CONNECTION_STRING: _connectionString, ...env } = module['env']
  const modules = { ...agent['modules'], [site.moduleName]: { ...module, env } }
  return { modulesContent: { ...content, $edgeAgent: { 'properties.desired': { ...agent, modules } } } }
}

function parentOf(
  site: Site,
  device: Device,
  settings: SettingsInput,
  { secrets, now }: { readonly secrets: Secrets; readonly now: Date }
): SettingsInput['parent'] {
  const variables = variablesFor(site, device, settings, () => 'password1')
  const text = variables['connectedRegistry.connectionString']
  if (typeof text !== 'string') throw new Error('there is no connection string')
  const connection = parseConnectionString(text)
  return {
    endpoint: connection.parentGatewayEndpoint,
    protocol: connection.parentEndpointProtocol,
    tokenName: connection.syncTokenName,
    password: currentPassword(secrets, device.syncToken, now)
  }
}

function dotted(shared: Document): Document {
  return Object.fromEntries(
    Object.entries(shared)
      .flatMap(([key, value]): [string, unknown][] =>
        namedMaps.includes(key) && isRecord(value)
          ? Object.entries(value).map(([name, entry]) => [`properties.desired.${key}.${name}`, entry])
          : [[`properties.desired.${key}`, value]]
      )
      .sort(([a], [b]) => (a < b ? -1 : 1))
  )
}

function inBoth(one: Document, other: Document): Document {
  return Object.fromEntries(
    Object.entries(one).flatMap(([key, value]) => {
      if (isDeepStrictEqual(value, other[key])) return [[key, value] as const]
      if (!namedMaps.includes(key) || !isRecord(value) || !isRecord(other[key])) return []
      const names = other[key]
      const same = Object.entries(value).filter(([name, entry]) => isDeepStrictEqual(entry, names[name]))
      return [[key, Object.fromEntries(same)] as const]
    })
  )
}

function without(document: Document, keys: readonly string[]): Document {
  return Object.fromEntries(Object.entries(document).filter(([key]) => !keys.includes(key)))
}

function digestOf(document: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sortedKeys(document)))
    .digest('hex')
    .slice(0, 12)
}

/** Manifests that are compared here have references in place of passwords. */
const plain: Pick<Fingerprints, 'shown'> = { shown: (value) => value }
