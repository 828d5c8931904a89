import { readWithArtifact, type PackedArtifact } from '../../module/settings/artifact.ts'
import { readSettings } from '../../module/settings/validate.ts'
import { settingsSchemaVersion, type SettingsInput } from '../../module/settings/document.ts'
import { GeneratorError } from '../errors.ts'
import { hasAnyBelow } from '../site-file/has-registry.ts'
import { descendants, repositoryOf, runtimeImages, runtimeImageSet, type Device, type Site } from '../site-file/site.ts'
import type { Slot } from '../secrets/store.ts'
import { actionOn, syncRights } from '../acr/sync-rights.ts'
import { hashReference } from './references.ts'
import { statusOf } from '../secrets/revoked.ts'
import { assertFitsTwin } from './limits.ts'
import { isRecord } from './template.ts'

/** Which slots of a token a device is told the hashes of, with their expiry. */
export type SlotsOf = (token: string) => readonly { readonly slot: Slot; readonly expiry?: string }[]

/** Where a device's settings go on, if they do. */
export type ArtifactOf = (device: Device) => { readonly repository: string; readonly tag: string } | undefined

type Sections = Required<Pick<SettingsInput, 'imageSets' | 'scopeMaps' | 'tokens'>>

/**
 * A device's settings as the module takes them, with references in place of hashes. Keys come sorted, so that the same site
 * gives the same bytes.
 *
 * A device with others below it also holds what they hold, and the runtime that they pull from it, and knows their sync
 * tokens as client tokens that may read it, and write where that device is ReadWrite. Relays, which have no token of their own,
 * pull their runtime from it as the image pull token.
 *
 * @param artifactOf of devices below, who fetch theirs from here; none have any where it is not given
 */
export function settingsFor(
  site: Site,
  device: Device,
  slotsOf: SlotsOf,
  artifactOf: ArtifactOf = () => undefined
): SettingsInput {
  const below = descendants(site, device.id)
  const children = below.filter((other) => other.parent === device.id)
  const sets = [...new Set([device, ...below].flatMap((each) => each.imageSets))].sort()
  const tokens = device.tokens.map((name) => ({ name, ...pick(site.tokens, name) }))
  const anonymous = device.settings.anonymousPull?.scopeMap
  const scopeMapNames = [...tokens.map(({ scopeMap }) => scopeMap), ...(anonymous === undefined ? [] : [anonymous])]
  const sections: Sections = {
    imageSets: sorted({
      ...Object.fromEntries(sets.map((name) => [name, pick(site.imageSets, name)])),
      ...(!hasAnyBelow(device)
        ? {}
        : {
            [runtimeImageSet]: {
              repositories: [...runtimeImages(site), ...settingsOf(below, artifactOf)].sort(),
              priority: 0
            }
          })
    }),
    scopeMaps: sorted({
      ...Object.fromEntries(
        scopeMapNames.map((name) => [name, { actions: [...pick(site.scopeMaps, name).actions].sort() }])
      ),
      ...Object.fromEntries(
        children.map((child) => [child.syncScopeMap, { actions: childActions(site, child, artifactOf) }])
      ),
      ...(device.relays.length === 0
        ? {}
        : { [site.pullToken.scopeMap]: { actions: reading(runtimeImages(site).map(repositoryOf)).sort() } })
    }),
    tokens: sorted(
      Object.fromEntries(
        [...tokens, ...children.map((child) => childToken(child)), ...relayTokens(site, device)].map(
          ({ name, scopeMap, status }) => [
            name.toLowerCase(),
            {
              ...(name === name.toLowerCase() ? {} : { name }),
              scopeMap,
              status: statusOf(site, name, status),
              passwords: hashes(name, slotsOf)
            }
          ]
        )
      )
    )
  }
  return {
    schemaVersion: settingsSchemaVersion,
    mode: device.mode,
    logLevel: device.logLevel,
    ...sections,
    sync: device.sync,
    status: device.status,
    ...sorted(device.settings)
  }
}

/**
 * What a device's settings come of, where they come of nothing that is its own: devices with the same key have the same
 * settings. Undefined for one with others below it, whose tokens and names stand in its settings.
 */
export function settingsKey({
  children,
  relays,
  mode,
  logLevel,
  imageSets,
  tokens,
  sync,
  status,
  settings
}: Device): string | undefined {
  if (children.length > 0) return undefined
  return JSON.stringify([relays.length > 0, mode, logLevel, imageSets, tokens, sync, status, settings])
}

/**
 * Checks settings as the module will: nothing that it would refuse leaves this machine.
 *
 * @param artifact in which they go on, if they do
 * @throws {GeneratorError} `SETTINGS_INVALID` or `SETTINGS_TOO_LARGE`
 */
export function assertSettings(settings: unknown, device: string, artifact?: PackedArtifact): void {
  const content = artifact?.blobs.at(-1)
  const reading =
    content === undefined || !isRecord(settings) ? readSettings(settings) : readWithArtifact(settings, content)
  if (!reading.ok)
    throw new GeneratorError('SETTINGS_INVALID', `the module would refuse the settings of ${device}`, {
      details: reading.errors.map(({ path, reason }) => `SETTINGS_INVALID ${device} ${path}: ${reason}`)
    })
  assertFitsTwin(settings, device)
}

function childToken(child: Device): { name: string; scopeMap: string; status: 'enabled' } {
  return { name: child.syncToken, scopeMap: child.syncScopeMap, status: 'enabled' }
}

function relayTokens(site: Site, { relays }: Device): { name: string; scopeMap: string; status: 'enabled' }[] {
  return relays.length === 0 ? [] : [{ ...site.pullToken, status: 'enabled' }]
}

/** The artifacts that devices below fetch from here. */
function settingsOf(below: readonly Device[], artifactOf: ArtifactOf): string[] {
  return below.flatMap((device) => {
    const artifact = artifactOf(device)
    return artifact === undefined ? [] : [`${artifact.repository}:${artifact.tag}`]
  })
}

/**
 * A device below pulls its runtime with its sync token, syncs its images with it, fetches its settings artifact, and sends with it
 * what was pushed there and below: nothing else. Only ACR knows what it means to write metadata.
 */
function childActions(site: Site, child: Device, artifactOf: ArtifactOf): string[] {
  const below = [child, ...descendants(site, child.id)]
  const readOnly = [...runtimeImages(site), ...settingsOf(below, artifactOf)].map(repositoryOf)
  const actions = [...reading(readOnly), ...below.flatMap((each) => syncRights(site, each))]
  return [...new Set(actions)].filter((action) => !action.endsWith('/metadata/write')).sort()
}

function reading(repositories: readonly string[]): string[] {
  return repositories.flatMap((name) => [actionOn(name, 'content/read'), actionOn(name, 'metadata/read')])
}

function hashes(token: string, slotsOf: SlotsOf): Record<string, { hash: string; expiry?: string }> {
  return Object.fromEntries(
    slotsOf(token).map(({ slot, expiry }) => [
      slot,
      { hash: hashReference(token, slot), ...(expiry === undefined ? {} : { expiry }) }
    ])
  )
}

function pick<Value>(record: Readonly<Record<string, Value>>, name: string): Value {
  const value = record[name]
  if (value === undefined) throw new Error(`the site has no ${name}, though it was resolved`)
  return value
}

function sorted<Value>(record: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
