import { GeneratorError } from '../errors.ts'
import { withRevocations } from '../secrets/revoked.ts'
import { storedNewestFirst } from '../secrets/current-password.ts'
import { currentSlot, storedSlots, type Secrets, type Slot } from '../secrets/store.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import type { Device, Relay, Site } from '../site-file/site.ts'
import { JsonSyntaxError, parseTolerantly, valueOf } from '../validate/json.ts'
import { chunkCreateOptions, withUsualKeys } from './create-options.ts'
import { pullFromAbove } from './from-above.ts'
import { folded } from './layer.ts'
import { assertProxyPort, withNetwork } from './network.ts'
import { pullOwnWorkloads } from './own-workloads.ts'
import { asRelay, withNeededLogins } from './relay.ts'
import { hasReference, resolveReferences } from './references.ts'
import { withConnectedRegistry } from './connected-registry.ts'
import { artifactOf, twinSettingsFor } from './settings-artifact.ts'
import { assertSettings, settingsKey } from './settings-for.ts'
import { isRecord, templateError, type Template } from './template.ts'
import { expandVariables, registryAddress, runtimeVariables, variablesFor } from './variables.ts'
import type { SettingsInput } from '../../module/settings/document.ts'

/** A deployment manifest: what `az iot edge set-modules --content` takes. */
export interface DeploymentManifest {
  readonly modulesContent: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export interface GenerateOptions {
  /** Absent for a manifest (or settings) with references in place of secrets. */
  readonly secrets?: Secrets
  readonly now: Date
}

/**
 * Makes a device's deployment manifest from a template. The same site, template and secrets give the same bytes.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` with its place, `SECRET_MISSING`, `SETTINGS_INVALID`, `SETTINGS_TOO_LARGE`
 */
export function generateManifest(
  site: Site,
  device: Device | Relay,
  template: Template,
  options: GenerateOptions
): DeploymentManifest {
  return manifestMaker(site, template, options)(device)
}

/**
 * {@link generateManifest} for the devices of a fleet, one after the other: what does not differ between them is made once.
 * The passwords are those of the moment it is called.
 */
export function manifestMaker(
  described: Site,
  given: Template,
  options: GenerateOptions
): (device: Device | Relay) => DeploymentManifest {
  const choose = choices(options)
  const { slotOf } = choose
  const { secrets } = options
  const site = secrets === undefined ? described : withRevocations(described, secrets)
  const whole = withWholeCreateOptions(given)
  const settingsOf = settingsMaker(site, choose.slotsOf, secrets)
  const forRelay = (relay: Relay): DeploymentManifest => {
    const template = asRelay(whole, site, relay)
    const variables = runtimeVariables(site, relay, slotOf)
    const filled = expandVariables(template, { variables, slotOf, secrets: secrets !== undefined })
    const expanded = pullFromAbove(filled, template, site, relay)
    assertProxyPort(expanded, template, site, relay)
    const content = withCreateOptions(withNetwork(withNeededLogins(expanded), site, relay), template)
    const modulesContent = secrets === undefined ? content : resolveReferences(content, secrets)
    return { modulesContent: modulesContent as DeploymentManifest['modulesContent'] }
  }
  return (device) => {
    if (!hasRegistry(device)) return forRelay(device)
    const template = withConnectedRegistry(whole, site, device)
    const settings = settingsOf(device)
    const variables = variablesFor(site, device, settings.open, slotOf)
    const filled = expandVariables(template, { variables, slotOf, secrets: secrets !== undefined })
    const expanded = pullFromAbove(filled, template, site, device)
    assertModule(expanded, template, site.moduleName)
    const local = pullOwnWorkloads(expanded, template, { site, device, address: registryAddress(site, device), slotOf })
    assertProxyPort(local, template, site, device)
    const chunked = withCreateOptions(withNetwork(local, site, device), template)
    const modulesContent = (
      secrets === undefined ? chunked : resolveReferences(chunked, secrets, settings.resolved)
    ) as DeploymentManifest['modulesContent']
    if (secrets !== undefined) settings.check(modulesContent[site.moduleName]?.['properties.desired'])
    return {
      modulesContent: template.layer
        ? (folded(modulesContent, template.dotted) as DeploymentManifest['modulesContent'])
        : modulesContent
    }
  }
}

interface MadeSettings {
  /** With references in place of hashes. */
  readonly open: SettingsInput
  /** The same with hashes, where they are looked for in `open`. */
  readonly resolved: (value: object) => unknown
  /** @throws {GeneratorError} where the module would refuse them */
  readonly check: (desired: unknown) => void
}

/** Devices whose settings are the same share them, once put together, filled in and checked. */
function settingsMaker(
  site: Site,
  slotsOf: ReturnType<typeof choices>['slotsOf'],
  secrets: Secrets | undefined
): (device: Device) => MadeSettings {
  const made = new Map<string, MadeSettings>()
  return (device) => {
    const artifact = artifactOf(site, device)
    const key = artifact === undefined ? settingsKey(device) : undefined
    const found = key === undefined ? undefined : made.get(key)
    if (found !== undefined) return found
    const open = twinSettingsFor(site, device, slotsOf)
    let complete: unknown
    let checked: unknown
    const settings: MadeSettings = {
      open,
      resolved: (value) =>
        value !== open || secrets === undefined ? undefined : (complete ??= resolvedOrUndefined(open, secrets)),
      check: (desired) => {
        if (desired !== undefined && desired === checked) return
        assertSettings(desired, device.id, artifact)
        checked = desired
      }
    }
    if (key !== undefined) made.set(key, settings)
    return settings
  }
}

/** Undefined where a password is missing: that is told together with those that the rest of the manifest misses. */
function resolvedOrUndefined(open: SettingsInput, secrets: Secrets): unknown {
  try {
    return resolveReferences(open, secrets)
  } catch (error) {
    if (error instanceof GeneratorError && error.code === 'SECRET_MISSING') return undefined
    throw error
  }
}

/**
 * A device's settings alone, for its module's twin.
 *
 * @throws {GeneratorError} as {@link generateManifest}
 */
export function generateSettings(site: Site, device: Device, options: GenerateOptions): SettingsInput {
  const { secrets } = options
  const effective = secrets === undefined ? site : withRevocations(site, secrets)
  const settings = twinSettingsFor(effective, device, choices(options).slotsOf)
  if (secrets === undefined) return settings
  const complete = resolveReferences(settings, secrets) as SettingsInput
  assertSettings(complete, device.id, artifactOf(site, device))
  return complete
}

/** How a manifest is written to a file: stable, readable in a diff, with a newline at the end. */
export function formatManifest(manifest: DeploymentManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/** Without secrets, and for a token that has none yet, the first slot stands in; the missing one is told when it is resolved. */
function choices({ secrets, now }: GenerateOptions): {
  slotOf: (token: string) => Slot
  slotsOf: (token: string) => { slot: Slot; expiry?: string }[]
} {
  // Where all have run out those stand in, with their times: then no device lets anybody in by them.
  const kept = (from: Secrets, token: string): ReturnType<typeof storedSlots> => {
    const usable = storedSlots(from, token, now)
    return usable.length > 0 ? usable : storedNewestFirst(from, token)
  }
  const stored = (token: string): { slot: Slot; expiry?: string }[] =>
    secrets === undefined
      ? []
      : kept(secrets, token).map(({ slot, secret }) => ({
          slot,
          ...(secret.expiry === undefined ? {} : { expiry: secret.expiry })
        }))
  return {
    slotOf: (token) =>
      (secrets === undefined
        ? undefined
        : (currentSlot(secrets, token, now) ?? storedNewestFirst(secrets, token)[0]?.slot)) ?? 'password1',
    slotsOf: (token) => {
      const slots = stored(token)
      return slots.length > 0 ? slots : [{ slot: 'password1' }]
    }
  }
}

function assertModule(content: unknown, template: Template, moduleName: string): void {
  const agent = isRecord(content) ? content['$edgeAgent'] : undefined
  const desired = isRecord(agent) ? agent['properties.desired'] : undefined
  const modules = isRecord(desired) ? desired['modules'] : undefined
  if (isRecord(modules) && isRecord(modules[moduleName])) return
  throw templateError(
    template.name,
    template.document.positionOf(['modulesContent', '$edgeAgent', 'properties.desired', 'modules'], true),
    `it has no module ${moduleName}, which the site file calls its connected registry (moduleName)`
  )
}

/**
 * Joins the pieces of create options that a template has, and opens those with a placeholder inside: a value that is put in
 * place there cannot break their JSON either.
 */
function withWholeCreateOptions(template: Template): Template {
  const modulesContent = mapModuleSettings(template.modulesContent, (written) => {
    const settings = withUsualKeys(written)
    const pieces = Object.keys(settings).filter((key) => /^createOptions\d\d$/.test(key))
    const { createOptions } = settings
    if (typeof createOptions !== 'string') return settings
    const rest = Object.fromEntries(Object.entries(settings).filter(([key]) => !pieces.includes(key)))
    const text = [createOptions, ...pieces.sort().map((key) => settings[key])].join('')
    const options = text.includes('$') ? readOptions(text) : undefined
    return { ...rest, createOptions: options ?? text }
  })
  return { ...template, modulesContent: modulesContent as Template['modulesContent'] }
}

/** Turns `createOptions` objects (and long texts) into the pieces that edgeAgent reads. */
function withCreateOptions(content: unknown, template: Template): unknown {
  return mapModuleSettings(content, (settings, path) => {
    const { createOptions, ...rest } = settings
    if (createOptions === undefined) return settings
    const written =
      typeof createOptions === 'string' && !isJson(createOptions) ? readOptions(createOptions) : createOptions
    const text = typeof written === 'string' ? written : JSON.stringify(written ?? createOptions)
    const refuse = (message: string): GeneratorError =>
      templateError(template.name, template.document.positionOf(['modulesContent', ...path, 'createOptions']), message)
    // edgeAgent takes nothing for no options (facts: deployment-manifests §1.2).
    if (createOptions === '') return settings
    if (written === undefined) throw refuse('createOptions is neither an object nor JSON')
    // An engine shows create options to everybody. What only waits for the environment is put in place when it is deployed.
    if (hasReference(text)) throw refuse('createOptions is no place for secrets; use env')
    const chunks = chunkCreateOptions(text)
    if (chunks === undefined) throw refuse('createOptions takes more than the 100 pieces of 512 that edgeAgent reads')
    return { ...rest, ...chunks }
  })
}

type ModuleSettings = Readonly<Record<string, unknown>>

/** Applies `change` to the `settings` of every module, the system's own too. */
function mapModuleSettings(
  content: unknown,
  change: (settings: ModuleSettings, path: readonly string[]) => ModuleSettings
): unknown {
  const module = (value: unknown, path: readonly string[]): unknown =>
    isRecord(value) && isRecord(value['settings'])
      ? { ...value, settings: change(value['settings'], [...path, 'settings']) }
      : value
  const modules = (value: unknown, path: readonly string[]): unknown =>
    isRecord(value)
      ? Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, module(entry, [...path, name])]))
      : value
  return inside(content, ['$edgeAgent', 'properties.desired'], (desired, path) =>
    Object.fromEntries(
      Object.entries(desired).map(([key, value]) => [
        key,
        key === 'systemModules' || key === 'modules' ? modules(value, [...path, key]) : value
      ])
    )
  )
}

function inside(
  value: unknown,
  path: readonly string[],
  change: (value: Readonly<Record<string, unknown>>, path: readonly string[]) => unknown,
  walked: readonly string[] = []
): unknown {
  if (!isRecord(value)) return value
  const [key, ...rest] = path
  if (key === undefined) return change(value, walked)
  return { ...value, [key]: inside(value[key], rest, change, [...walked, key]) }
}

/** What edgeAgent reads in a text of create options, which bears with more than JSON; undefined where it would not. */
function readOptions(text: string): unknown {
  try {
    return valueOf(parseTolerantly(text))
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined
    throw error
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
