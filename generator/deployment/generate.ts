import type { GeneratorError } from '../errors.ts'
import { withRevocations } from '../secrets/revoked.ts'
import { currentSlot, storedSlots, type Secrets, type Slot } from '../secrets/store.ts'
import type { Device, Site } from '../site-file/site.ts'
import { chunkCreateOptions } from './create-options.ts'
import { assertProxyPort, withNetwork } from './network.ts'
import { pullOwnWorkloads } from './own-workloads.ts'
import { findPlaceholder, resolveReferences } from './references.ts'
import { withConnectedRegistry } from './connected-registry.ts'
import { artifactOf, twinSettingsFor } from './settings-artifact.ts'
import { assertSettings } from './settings-for.ts'
import { isRecord, templateError, type Template } from './template.ts'
import { expandVariables, registryAddress, variablesFor } from './variables.ts'
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
  described: Site,
  device: Device,
  given: Template,
  options: GenerateOptions
): DeploymentManifest {
  const { slotOf, slotsOf } = choices(options)
  const site = options.secrets === undefined ? described : withRevocations(described, options.secrets)
  const template = withConnectedRegistry(withWholeCreateOptions(given), site, device)
  const variables = variablesFor(site, device, twinSettingsFor(site, device, slotsOf), slotOf)
  const expanded = expandVariables(template, { variables, slotOf, secrets: options.secrets !== undefined })
  assertModule(expanded, template, site.moduleName)
  const local = pullOwnWorkloads(expanded, template, { site, device, address: registryAddress(site, device), slotOf })
  assertProxyPort(local, template, site, device)
  const chunked = withCreateOptions(withNetwork(local, site, device), template)
  const modulesContent = (
    options.secrets === undefined ? chunked : resolveReferences(chunked, options.secrets)
  ) as DeploymentManifest['modulesContent']
  if (options.secrets !== undefined)
    assertSettings(modulesContent[site.moduleName]?.['properties.desired'], device.id, artifactOf(site, device))
  return { modulesContent }
}

/**
 * A device's settings alone, for its module's twin.
 *
 * @throws {GeneratorError} as {@link generateManifest}
 */
export function generateSettings(site: Site, device: Device, options: GenerateOptions): SettingsInput {
  const effective = options.secrets === undefined ? site : withRevocations(site, options.secrets)
  const settings = twinSettingsFor(effective, device, choices(options).slotsOf)
  if (options.secrets === undefined) return settings
  const complete = resolveReferences(settings, options.secrets) as SettingsInput
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
  const stored = (token: string): { slot: Slot; expiry?: string }[] =>
    secrets === undefined
      ? []
      : storedSlots(secrets, token, now).map(({ slot, secret }) => ({
          slot,
          ...(secret.expiry === undefined ? {} : { expiry: secret.expiry })
        }))
  return {
    slotOf: (token) => (secrets === undefined ? undefined : currentSlot(secrets, token, now)) ?? 'password1',
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
  const modulesContent = mapModuleSettings(template.modulesContent, (settings) => {
    const pieces = Object.keys(settings).filter((key) => /^createOptions\d\d$/i.test(key))
    const { createOptions } = settings
    if (typeof createOptions !== 'string') return settings
    const rest = Object.fromEntries(Object.entries(settings).filter(([key]) => !pieces.includes(key)))
    const text = [createOptions, ...pieces.sort().map((key) => settings[key])].join('')
    return { ...rest, createOptions: text.includes('$') && isJson(text) ? (JSON.parse(text) as unknown) : text }
  })
  return { ...template, modulesContent: modulesContent as Template['modulesContent'] }
}

/** Turns `createOptions` objects (and long texts) into the pieces that edgeAgent reads. */
function withCreateOptions(content: unknown, template: Template): unknown {
  return mapModuleSettings(content, (settings, path) => {
    const { createOptions, ...rest } = settings
    if (createOptions === undefined) return settings
    const text = typeof createOptions === 'string' ? createOptions : JSON.stringify(createOptions)
    const refuse = (message: string): GeneratorError =>
      templateError(template.name, template.document.positionOf(['modulesContent', ...path, 'createOptions']), message)
    // edgeAgent takes nothing for no options (facts: deployment-manifests §1.2).
    if (text === '') return settings
    if (!isJson(text)) throw refuse('createOptions is neither an object nor JSON')
    // A piece could end inside a reference, which then nobody would find; and an engine shows create options to everybody.
    if (findPlaceholder(text) !== undefined) throw refuse('createOptions is no place for secrets; use env')
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

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
