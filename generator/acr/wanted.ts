import { gatewayActions, mostActionsPerScopeMap } from '../../module/settings/scope-map.ts'
import { GeneratorError } from '../errors.ts'
import { artifactOf } from '../deployment/settings-artifact.ts'
import { statusOf } from '../secrets/revoked.ts'
import { hasAnyBelow } from '../site-file/has-registry.ts'
import {
  descendants,
  repositoryOf,
  runtimeImages,
  settingsPushToken,
  type Device,
  type Site
} from '../site-file/site.ts'
import type { ConnectedRegistryChanges, NewConnectedRegistry } from './acr.ts'
import { syncRights } from './sync-rights.ts'

/** What a site needs in the cloud registry, in the order in which it can be made. */
export interface Wanted {
  readonly scopeMaps: readonly WantedScopeMap[]
  readonly tokens: readonly WantedToken[]
  /** Parents before their children. */
  readonly connectedRegistries: readonly WantedConnectedRegistry[]
  /** Connected registries that are to go, by name. */
  readonly retired: readonly string[]
  /** Left as it is where it is not given. */
  readonly anonymousPull?: boolean
}

export interface WantedScopeMap {
  readonly name: string
  readonly description: string
  readonly actions: readonly string[]
}

export interface WantedToken {
  readonly name: string
  readonly scopeMap: string
  readonly status: 'enabled' | 'disabled'
}

export interface WantedConnectedRegistry extends NewConnectedRegistry {
  readonly mode: 'ReadOnly' | 'ReadWrite'
  readonly clientTokens: readonly string[]
  /** Whether nobody is to run as it. */
  readonly deactivate?: boolean
}

const reading = ['content/read', 'metadata/read'] as const

/**
 * @throws {GeneratorError} `SITE_INVALID` where a device's images come to more actions than one scope map holds
 */
export function wantedOf(site: Site): Wanted {
  const devices = Object.values(site.devices)
  const hasArtifacts = devices.some((device) => artifactOf(site, device) !== undefined)
  const scopeMaps: WantedScopeMap[] = [
    {
      name: site.pullToken.scopeMap,
      description: 'What IoT Edge pulls its runtime with',
      // `iotedge check` starts the diagnostics image, which no deployment names.
      actions: allow([...runtimeImages(site), site.images.diagnostics].map(repositoryOf), reading)
    },
    ...Object.entries(site.scopeMaps).map(([name, { actions }]) => ({
      name,
      description: 'Clients of connected registries',
      actions: unique(actions)
    })),
    ...(hasArtifacts
      ? [
          {
            name: settingsPushToken,
            description: 'Settings of devices that are too large for a twin',
            actions: allow(['causeway/settings/*'], ['content/read', 'content/write', 'metadata/read'])
          }
        ]
      : []),
    ...devices.map((device) => ({
      name: device.syncScopeMap,
      description: `Created by connected registry sync token: ${device.syncToken}`,
      actions: syncActions(site, device)
    }))
  ]
  for (const { name, actions } of scopeMaps)
    if (actions.length > mostActionsPerScopeMap)
      throw new GeneratorError(
        'SITE_INVALID',
        `scope map ${name} would need ${actions.length} actions, and ACR allows ${mostActionsPerScopeMap}; hold fewer repositories, or put them below one folder`
      )
  return {
    scopeMaps,
    tokens: [
      { ...site.pullToken, status: statusOf(site, site.pullToken.name) },
      ...(hasArtifacts ? [{ name: settingsPushToken, scopeMap: settingsPushToken, status: 'enabled' as const }] : []),
      ...Object.entries(site.tokens).map(([name, { scopeMap, status }]) => ({
        name,
        scopeMap,
        status: statusOf(site, name, status)
      })),
      ...devices.map((device) => ({
        name: device.syncToken,
        scopeMap: device.syncScopeMap,
        status: statusOf(site, device.syncToken)
      }))
    ],
    connectedRegistries: parentsFirst(site, devices)
      .filter((device) => device.resource)
      .map((device) => ({
        name: device.registryName,
        mode: device.mode,
        syncToken: device.syncToken,
        ...(device.parent === undefined ? {} : { parent: site.devices[device.parent]?.registryName ?? device.parent }),
        clientTokens: device.tokens,
        ...settingsOf(device)
      })),
    retired: site.retired,
    ...(site.azure.anonymousPull === undefined ? {} : { anonymousPull: site.azure.anonymousPull })
  }
}

/** What the site file says of the resource, without what it leaves open. */
function settingsOf({ resourceSettings }: Device): ConnectedRegistryChanges & { readonly deactivate?: boolean } {
  const { garbageCollection, ...others } = resourceSettings
  return {
    ...given(others),
    ...(garbageCollection === undefined ? {} : { garbageCollection: given(garbageCollection) })
  }
}

type Given<Values> = { [Key in keyof Values]?: Exclude<Values[Key], undefined> }

function given<Values extends object>(values: Values): Given<Values> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<Values>
}

/**
 * What a connected registry's sync token may do: its own repositories by its mode, those of the devices below by theirs (it
 * fetches for them, and passes on what they push), the runtime that devices below pull through it, and the gateway actions of all of them, as az does.
 */
function syncActions(site: Site, device: Device): string[] {
  const below = descendants(site, device.id)
  const perDevice = [device, ...below].flatMap((each) => [
    ...syncRights(site, each),
    ...gatewayActions.map((action) => `gateway/${each.registryName}/${action}`)
  ])
  const settings = [device, ...below].flatMap((each) => artifactOf(site, each)?.repository ?? [])
  const runtime = hasAnyBelow(device) ? allow(runtimeImages(site).map(repositoryOf), reading) : []
  return unique([...perDevice, ...runtime, ...allow(settings, reading)])
}

function allow(repositories: readonly string[], actions: readonly string[]): string[] {
  return unique(repositories.flatMap((name) => actions.map((action) => `repositories/${name}/${action}`)))
}

function unique(actions: readonly string[]): string[] {
  return [...new Set(actions.map((action) => action.toLowerCase()))].sort()
}

function parentsFirst(site: Site, devices: readonly Device[]): Device[] {
  const depth = (device: Device): number => {
    const parent = device.parent === undefined ? undefined : site.devices[device.parent]
    return parent === undefined ? 0 : depth(parent) + 1
  }
  return [...devices].sort((a, b) => depth(a) - depth(b))
}
