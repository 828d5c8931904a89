import {
  ContainerRegistryManagementClient,
  type ConnectedRegistry,
  type ConnectedRegistryUpdateParameters,
  type Registry,
  type RegistryUpdateParameters,
  type ScopeMap,
  type Token,
  type TokenUpdateParameters
} from '@azure/arm-containerregistry'
import type { TokenCredential } from '@azure/identity'
import { clouds } from '../azure/clouds.ts'
import { mostRetries } from '../azure/throttling.ts'
import type { ShowWait } from '../azure/wait.ts'
import type { Site } from '../site-file/site.ts'
import type { Acr, ConnectedRegistryChanges, ScopeMapState, TokenState } from './acr.ts'
import { createCalls } from './calls.ts'
import { always, defaultMessageTtl } from './connected-registry-values.ts'
import { isThereAlready } from './import-conflict.ts'
import { Listed } from './listed.ts'
import { defaultPollInterval } from './management.ts'
import { generated, newPassword } from './new-password.ts'
import { preparePipeline, requestTimeout } from './pipeline.ts'
import { isUnderWay, lastChangeOf, underWay, type Provisioned } from './settled.ts'
import { connectedRegistryState, listedScopeMap, listedToken, scopeMapState, tokenState } from './states.ts'

export interface AcrClientOptions {
  readonly credential: TokenCredential
  readonly signal: AbortSignal
  /** Milliseconds between two looks at an operation that takes its time; the service's Retry-After goes first. */
  readonly pollInterval?: number
  /** Milliseconds for one request. */
  readonly requestTimeout?: number
  readonly showWait?: ShowWait
  /** Milliseconds before the second try where a throttle does not say. */
  readonly throttleDelay?: number
  readonly client?: ContainerRegistryManagementClient
}

/**
 * The one place that speaks to `Microsoft.ContainerRegistry`. Whether a write is done at once or takes its time is the
 * service's whim (facts: arm-wire §7), and the SDK's poller copes with both; it also retries 408, 5xx, broken connections and, with
 * what {@link preparePipeline} adds, 429 by itself.
 */
export function createAcrClient(azure: Site['azure'], options: AcrClientOptions): Acr {
  const { signal } = options
  const client =
    options.client ??
    new ContainerRegistryManagementClient(options.credential, azure.subscription, {
      cloudSetting: clouds[azure.cloud].sdk,
      retryOptions: { maxRetries: mostRetries }
    })
  const { showWait, throttleDelay: delay } = options
  preparePipeline(client, options.requestTimeout ?? requestTimeout, {
    showWait,
    ...(delay === undefined ? {} : { delay })
  })
  const at = [azure.resourceGroup, azure.registry] as const
  const interval = options.pollInterval ?? defaultPollInterval
  const calls = createCalls(signal, `registry ${azure.registry}`, { interval, showWait })
  const { attempt, absentOr } = calls
  const once = { abortSignal: calls.signal }
  const patient = { ...once, updateIntervalInMs: interval }
  const settled = <Thing extends Provisioned>(what: string, read: () => Promise<Thing>): Promise<Thing> =>
    calls.settled(what, read, underWay)
  const readRegistry = (): Promise<Registry> => client.registries.get(...at, once)
  const readScopeMap = (name: string): Promise<ScopeMap> => client.scopeMaps.get(...at, name, once)
  const readToken = (name: string): Promise<Token> => client.tokens.get(...at, name, once)
  const readConnectedRegistry = (name: string): Promise<ConnectedRegistry> =>
    client.connectedRegistries.get(...at, name, once)
  const updateRegistry = (what: string, changes: RegistryUpdateParameters): Promise<void> =>
    attempt(what, async () => {
      await calls.write(
        `registry ${azure.registry}`,
        () => client.registries.update(...at, changes, patient),
        readRegistry
      )
    })
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
      absentOr(`reading scope map ${name}`, async () =>
        scopeMapState(await settled(`scope map ${name}`, () => readScopeMap(name)))
      ),
    nextPage: () =>
      attempt('listing scope maps', async () => {
        const page = await scopeMapPages.next()
        return page.done === true ? undefined : page.value.map((map) => [map.name ?? '', listedScopeMap(map)] as const)
      })
  })
  const tokenPages = client.tokens.list(...at, once).byPage()
  const tokens = new Listed<TokenState>({
    read: (name) =>
      absentOr(`reading token ${name}`, async () => tokenState(await settled(`token ${name}`, () => readToken(name)))),
    nextPage: () =>
      attempt('listing tokens', async () => {
        const page = await tokenPages.next()
        return page.done === true
          ? undefined
          : page.value.map((token) => [token.name ?? '', listedToken(token)] as const)
      })
  })

  const listConnectedRegistries = async (): Promise<readonly ConnectedRegistry[]> => {
    const found: ConnectedRegistry[] = []
    for await (const each of client.connectedRegistries.list(...at, once)) found.push(each)
    return found
  }
  const updateToken = async (name: string, changes: TokenUpdateParameters): Promise<void> => {
    tokens.changed(name)
    await calls.write(
      `token ${name}`,
      () => client.tokens.update(...at, name, changes, patient),
      () => readToken(name)
    )
  }

  return {
    registry: () =>
      attempt(`reading registry ${azure.registry}`, async () => {
        const registry = await settled(`registry ${azure.registry}`, readRegistry)
        return {
          sku: registry.sku.name,
          dataEndpointEnabled: registry.dataEndpointEnabled === true,
          anonymousPullEnabled: registry.anonymousPullEnabled === true,
          ...lastChangeOf(registry)
        }
      }),
    enableDataEndpoint: () =>
      updateRegistry(`enabling the data endpoint of ${azure.registry}`, { dataEndpointEnabled: true }),
    setAnonymousPull: (enabled) =>
      updateRegistry(`${enabled ? 'enabling' : 'disabling'} anonymous pull of ${azure.registry}`, {
        anonymousPullEnabled: enabled
      }),
    scopeMap: (name) => scopeMaps.get(name),
    createScopeMap: (name, { description, actions }) =>
      attempt(`creating scope map ${name}`, async () => {
        scopeMaps.changed(name)
        const scopeMap = { description, actions: [...actions] }
        await calls.write(
          `scope map ${name}`,
          () => client.scopeMaps.create(...at, name, scopeMap, patient),
          () => readScopeMap(name)
        )
      }),
    updateScopeMap: (name, actions) =>
      attempt(`updating scope map ${name}`, async () => {
        scopeMaps.changed(name)
        await calls.write(
          `scope map ${name}`,
          () => client.scopeMaps.update(...at, name, { actions: [...actions] }, patient),
          () => readScopeMap(name)
        )
      }),
    token: (name) => tokens.get(name),
    createToken: (name, { scopeMap, status }) =>
      attempt(`creating token ${name}`, async () => {
        tokens.changed(name)
        const token = { scopeMapId: idOf('scopeMaps', scopeMap), status }
        await calls.write(
          `token ${name}`,
          () => client.tokens.create(...at, name, token, patient),
          () => readToken(name)
        )
      }),
    updateToken: (name, { scopeMap, status }) =>
      attempt(`updating token ${name}`, () => updateToken(name, { scopeMapId: idOf('scopeMaps', scopeMap), status })),
    generatePassword: (token, slot, expiry) =>
      attempt(`making ${slot} of token ${token}`, async () => {
        tokens.changed(token)
        const wanted = { tokenId: idOf('tokens', token), name: slot, ...(expiry === undefined ? {} : { expiry }) }
        const result = await generated(() => client.registries.generateCredentials(...at, wanted, patient))
        return newPassword(result, token, slot)
      }),
    deletePassword: (token, slot) =>
      attempt(`deleting ${slot} of token ${token}`, async () => {
        const is = await settled(`token ${token}`, () => readToken(token))
        const held = is.credentials?.passwords ?? []
        // One that is no longer shown may be there still, where it is the deletion that failed.
        if (!held.some(({ name }) => name === slot) && lastChangeOf(is).failed !== true) return
        // The list of those that stay is what the service takes (facts: connected-registry §2).
        const passwords = held.flatMap(({ name }) => (name === undefined || name === slot ? [] : [{ name }]))
        await updateToken(token, { credentials: { passwords } })
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
    connectedRegistries: (awaited) =>
      attempt('listing connected registries', async () => {
        const names = new Set(awaited.map((name) => name.toLowerCase()))
        const found = await calls.settled('connected registries', listConnectedRegistries, (all) =>
          all.find((each) => names.has((each.name ?? '').toLowerCase()) && isUnderWay(each))
        )
        return found.map(connectedRegistryState)
      }),
    createConnectedRegistry: ({ name, mode, syncToken, parent, ...settings }) =>
      attempt(`creating connected registry ${name}`, async () => {
        const { syncProperties, ...others } = changesOf({
          ...settings,
          schedule: settings.schedule ?? always,
          messageTtl: settings.messageTtl ?? defaultMessageTtl
        })
        const registry = {
          mode,
          parent: {
            ...(parent === undefined ? {} : { id: idOf('connectedRegistries', parent) }),
            syncProperties: { messageTtl: defaultMessageTtl, ...syncProperties, tokenId: idOf('tokens', syncToken) }
          },
          ...others
        }
        await calls.write(
          `connected registry ${name}`,
          () => client.connectedRegistries.create(...at, name, registry, patient),
          () => readConnectedRegistry(name)
        )
      }),
    updateConnectedRegistry: (name, changes) =>
      attempt(`updating connected registry ${name}`, async () => {
        await calls.write(
          `connected registry ${name}`,
          () => client.connectedRegistries.update(...at, name, changesOf(changes), patient),
          () => readConnectedRegistry(name)
        )
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
