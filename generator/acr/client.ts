import {
  ContainerRegistryManagementClient,
  type ConnectedRegistry,
  type ConnectedRegistryUpdateParameters,
  type ScopeMap,
  type Token
} from '@azure/arm-containerregistry'
import type { TokenCredential } from '@azure/identity'
import { clouds } from '../azure/clouds.ts'
import { slots } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'
import type { Acr, ConnectedRegistryChanges, ConnectedRegistryState, ScopeMapState, TokenState } from './acr.ts'
import { createCalls } from './calls.ts'
import { leafOf } from './cloud-registry.ts'
import { always, defaultMessageTtl } from './connected-registry-values.ts'
import { isThereAlready } from './import-conflict.ts'
import { Listed } from './listed.ts'
import { defaultPollInterval } from './management.ts'
import { newPassword } from './new-password.ts'
import { preparePipeline, requestTimeout } from './pipeline.ts'

export interface AcrClientOptions {
  readonly credential: TokenCredential
  readonly signal: AbortSignal
  /** Milliseconds between two looks at an operation that takes its time; the service's Retry-After goes first. */
  readonly pollInterval?: number
  /** Milliseconds for one request. */
  readonly requestTimeout?: number
  readonly client?: ContainerRegistryManagementClient
}

/**
 * The one place that speaks to `Microsoft.ContainerRegistry`. Whether a write is done at once or takes its time is the
 * service's whim (facts: arm-wire §7), and the SDK's poller copes with both; it also retries 408, 429, 5xx and broken
 * connections by itself.
 */
export function createAcrClient(azure: Site['azure'], options: AcrClientOptions): Acr {
  const { signal } = options
  const client =
    options.client ??
    new ContainerRegistryManagementClient(options.credential, azure.subscription, {
      cloudSetting: clouds[azure.cloud].sdk
    })
  preparePipeline(client, options.requestTimeout ?? requestTimeout)
  const at = [azure.resourceGroup, azure.registry] as const
  const { attempt, absentOr, signal: limited } = createCalls(signal, `registry ${azure.registry}`)
  const once = { abortSignal: limited }
  const patient = { ...once, updateIntervalInMs: options.pollInterval ?? defaultPollInterval }
  const idOf = (kind: 'tokens' | 'scopeMaps' | 'connectedRegistries', name: string): string =>
    `/subscriptions/${azure.subscription}/resourceGroups/${azure.resourceGroup}/providers/Microsoft.ContainerRegistry/registries/${azure.registry}/${kind}/${name}`

  /** What is not given is not sent, and stays as it is. */
  const changesOf = (changes: ConnectedRegistryChanges): ConnectedRegistryUpdateParameters => {
    const { schedule, syncWindow, messageTtl, clientTokens, notifications, logLevel, garbageCollection } = changes
    const syncProperties = {
      ...(schedule === undefined ? {} : { schedule }),
      ...(syncWindow === undefined ? {} : { syncWindow }),
      ...(messageTtl === undefined ? {} : { messageTtl })
    }
    return {
      ...(Object.keys(syncProperties).length === 0 ? {} : { syncProperties }),
      ...(clientTokens === undefined ? {} : { clientTokenIds: clientTokens.map((token) => idOf('tokens', token)) }),
      ...(notifications === undefined ? {} : { notificationsList: [...notifications] }),
      ...(logLevel === undefined ? {} : { logging: { logLevel } }),
      ...(garbageCollection === undefined ? {} : { garbageCollection })
    }
  }

  const scopeMapPages = client.scopeMaps.list(...at, once).byPage()
  const scopeMaps = new Listed<ScopeMapState>({
    read: (name) =>
      absentOr(`reading scope map ${name}`, async () => scopeMapState(await client.scopeMaps.get(...at, name, once))),
    nextPage: () =>
      attempt('listing scope maps', async () => {
        const page = await scopeMapPages.next()
        return page.done === true ? undefined : page.value.map((map) => [map.name ?? '', listedScopeMap(map)] as const)
      })
  })
  const tokenPages = client.tokens.list(...at, once).byPage()
  const tokens = new Listed<TokenState>({
    read: (name) =>
      absentOr(`reading token ${name}`, async () => tokenState(await client.tokens.get(...at, name, once))),
    nextPage: () =>
      attempt('listing tokens', async () => {
        const page = await tokenPages.next()
        return page.done === true
          ? undefined
          : page.value.map((token) => [token.name ?? '', listedToken(token)] as const)
      })
  })

  return {
    registry: () =>
      attempt(`reading registry ${azure.registry}`, async () => {
        const registry = await client.registries.get(...at, once)
        return {
          sku: registry.sku.name,
          dataEndpointEnabled: registry.dataEndpointEnabled === true,
          anonymousPullEnabled: registry.anonymousPullEnabled === true
        }
      }),
    enableDataEndpoint: () =>
      attempt(`enabling the data endpoint of ${azure.registry}`, async () => {
        await client.registries.update(...at, { dataEndpointEnabled: true }, patient)
      }),
    setAnonymousPull: (enabled) =>
      attempt(`${enabled ? 'enabling' : 'disabling'} anonymous pull of ${azure.registry}`, async () => {
        await client.registries.update(...at, { anonymousPullEnabled: enabled }, patient)
      }),
    scopeMap: (name) => scopeMaps.get(name),
    createScopeMap: (name, { description, actions }) =>
      attempt(`creating scope map ${name}`, async () => {
        scopeMaps.changed(name)
        await client.scopeMaps.create(...at, name, { description, actions: [...actions] }, patient)
      }),
    updateScopeMap: (name, actions) =>
      attempt(`updating scope map ${name}`, async () => {
        scopeMaps.changed(name)
        await client.scopeMaps.update(...at, name, { actions: [...actions] }, patient)
      }),
    token: (name) => tokens.get(name),
    createToken: (name, { scopeMap, status }) =>
      attempt(`creating token ${name}`, async () => {
        tokens.changed(name)
        await client.tokens.create(...at, name, { scopeMapId: idOf('scopeMaps', scopeMap), status }, patient)
      }),
    updateToken: (name, { scopeMap, status }) =>
      attempt(`updating token ${name}`, async () => {
        tokens.changed(name)
        await client.tokens.update(...at, name, { scopeMapId: idOf('scopeMaps', scopeMap), status }, patient)
      }),
    generatePassword: (token, slot, expiry) =>
      attempt(`making ${slot} of token ${token}`, async () => {
        tokens.changed(token)
        const result = await client.registries.generateCredentials(
          ...at,
          { tokenId: idOf('tokens', token), name: slot, ...(expiry === undefined ? {} : { expiry }) },
          patient
        )
        return newPassword(result, token, slot)
      }),
    deletePassword: (token, slot) =>
      attempt(`deleting ${slot} of token ${token}`, async () => {
        tokens.changed(token)
        const held = (await client.tokens.get(...at, token, once)).credentials?.passwords ?? []
        if (!held.some(({ name }) => name === slot)) return
        // The list of those that stay is what the service takes (facts: connected-registry §2).
        const passwords = held.flatMap(({ name }) => (name === undefined || name === slot ? [] : [{ name }]))
        await client.tokens.update(...at, token, { credentials: { passwords } }, patient)
      }),
    deleteToken: (name) =>
      attempt(`deleting token ${name}`, async () => {
        tokens.changed(name)
        await client.tokens.delete(...at, name, patient)
      }),
    deleteScopeMap: (name) =>
      attempt(`deleting scope map ${name}`, async () => {
        scopeMaps.changed(name)
        await client.scopeMaps.delete(...at, name, patient)
      }),
    connectedRegistries: () =>
      attempt('listing connected registries', async () => {
        const found: ConnectedRegistryState[] = []
        for await (const each of client.connectedRegistries.list(...at, once)) found.push(connectedRegistryState(each))
        return found
      }),
    createConnectedRegistry: ({ name, mode, syncToken, parent, ...settings }) =>
      attempt(`creating connected registry ${name}`, async () => {
        const { syncProperties, ...others } = changesOf({
          ...settings,
          schedule: settings.schedule ?? always,
          messageTtl: settings.messageTtl ?? defaultMessageTtl
        })
        await client.connectedRegistries.create(
          ...at,
          name,
          {
            mode,
            parent: {
              ...(parent === undefined ? {} : { id: idOf('connectedRegistries', parent) }),
              syncProperties: { messageTtl: defaultMessageTtl, ...syncProperties, tokenId: idOf('tokens', syncToken) }
            },
            ...others
          },
          patient
        )
      }),
    updateConnectedRegistry: (name, changes) =>
      attempt(`updating connected registry ${name}`, async () => {
        await client.connectedRegistries.update(...at, name, changesOf(changes), patient)
      }),
    deactivateConnectedRegistry: (name) =>
      attempt(`deactivating connected registry ${name}`, async () => {
        await client.connectedRegistries.deactivate(...at, name, patient)
      }),
    deleteConnectedRegistry: (name) =>
      attempt(`deleting connected registry ${name}`, async () => {
        await client.connectedRegistries.delete(...at, name, patient)
      }),
    importImage: ({ registry, source, target, force }) =>
      attempt(`importing ${target}`, async () => {
        try {
          await client.registries.importImage(
            ...at,
            {
              source: { registryUri: registry, sourceImage: source },
              targetTags: [target],
              mode: force ? 'Force' : 'NoForce'
            },
            patient
          )
          return 'imported'
        } catch (error) {
          if (!force && isThereAlready(error)) return 'already there'
          throw error
        }
      })
  }
}

function scopeMapState({ actions }: ScopeMap): ScopeMapState {
  return { actions: actions ?? [] }
}

function listedScopeMap(scopeMap: ScopeMap): ScopeMapState | undefined {
  return scopeMap.actions === undefined ? undefined : scopeMapState(scopeMap)
}

/**
 * The specification's example of a list leaves the credentials out (facts: arm-wire §4). A password that seems to be gone is made
 * anew, so none is taken for gone by a list.
 */
function listedToken(token: Token): TokenState | undefined {
  return (token.credentials?.passwords ?? []).length > 0 ? tokenState(token) : undefined
}

function tokenState(token: Token): TokenState {
  // Only the slots that were ever filled are listed, in no order that means anything (facts: arm-wire §4).
  const passwords = slots.flatMap((slot) => {
    const found = token.credentials?.passwords?.find((password) => password.name === slot)
    return found === undefined ? [] : [[slot, (found.creationTime ?? new Date(0)).toISOString()] as const]
  })
  return {
    scopeMap: leafOf(token.scopeMapId ?? ''),
    status: token.status?.toLowerCase() === 'disabled' ? 'disabled' : 'enabled',
    passwords: Object.fromEntries(passwords)
  }
}

function connectedRegistryState(registry: ConnectedRegistry): ConnectedRegistryState {
  const { schedule, syncWindow, messageTtl, tokenId = '' } = registry.parent?.syncProperties ?? {}
  const logLevel = registry.logging?.logLevel
  const collection = registry.garbageCollection
  return {
    name: registry.name ?? '',
    mode: registry.mode ?? '',
    syncToken: leafOf(tokenId),
    ...(registry.parent?.id === undefined ? {} : { parent: leafOf(registry.parent.id) }),
    clientTokens: (registry.clientTokenIds ?? []).map(leafOf),
    notifications: registry.notificationsList ?? [],
    active: registry.activation?.status === 'Active',
    ...(schedule === undefined ? {} : { schedule }),
    ...(syncWindow === undefined ? {} : { syncWindow }),
    ...(messageTtl === undefined ? {} : { messageTtl }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(collection === undefined ? {} : { garbageCollection: collection })
  }
}
