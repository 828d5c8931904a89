import { ContainerRegistryManagementClient, type Registry } from '@azure/arm-containerregistry'
import type { TokenCredential } from '@azure/identity'
import { clouds, type CloudName } from '../azure/clouds.ts'
import { mostRetries } from '../azure/throttling.ts'
import type { ShowWait } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import { createCalls } from './calls.ts'
import { CloudRegistry } from './cloud-registry.ts'
import { preparePipeline, requestTimeout } from './pipeline.ts'

/** Milliseconds; ARM says itself when it wants to be asked less often. */
export const defaultPollInterval = 400

/** Where registries are looked for. */
export interface ManagementScope {
  readonly subscription: string
  readonly cloud: CloudName
}

/** The registries of one subscription. */
export interface Management {
  /**
   * @param resourceGroup found by listing the subscription's resources where it is not given, as az does
   * @throws {GeneratorError} `AZURE_NOT_FOUND` where the subscription has none of this name
   */
  open(name: string, resourceGroup: string | undefined): Promise<CloudRegistry>
  registries(): Promise<readonly Registry[]>
}

export interface ManagementOptions {
  readonly credential: TokenCredential
  readonly signal: AbortSignal
  readonly pollInterval?: number
  /** Milliseconds for one request. */
  readonly requestTimeout?: number
  readonly showWait?: ShowWait
  readonly client?: ContainerRegistryManagementClient
}

/** Marks a listing of registries that is to become one of resources; it never leaves this process. */
const marker = 'x-causeway-list-resources'
const resourcesVersion = '2021-04-01'

export function createManagement(scope: ManagementScope, options: ManagementOptions): Management {
  const { signal } = options
  const { subscription, cloud } = scope
  const client =
    options.client ??
    new ContainerRegistryManagementClient(options.credential, subscription, {
      cloudSetting: clouds[cloud].sdk,
      retryOptions: { maxRetries: mostRetries }
    })
  const { pollInterval = defaultPollInterval, showWait } = options
  preparePipeline(client, options.requestTimeout ?? requestTimeout, { showWait })
  const calls = createCalls(signal, 'Azure Resource Manager', {
    interval: pollInterval,
    advice: { notFound: 'Check --subscription', conflict: 'Run this again' }
  })
  // This SDK lists registries by their provider's address, which takes a right on the registries; az lists resources, which
  // whoever may read anything in a resource group may do. Their entries have the same ids and names.
  client.pipeline.addPolicy({
    name: 'causewayListResources',
    sendRequest(request, next) {
      if (!request.headers.has(marker)) return next(request)
      request.headers.delete(marker)
      const url = new URL(request.url)
      url.pathname = `/subscriptions/${subscription}/resources`
      url.search = new URLSearchParams({
        $filter: "resourceType eq 'Microsoft.ContainerRegistry/registries'",
        'api-version': resourcesVersion
      }).toString()
      request.url = url.href
      return next(request)
    }
  })

  const list = async (headers: Record<string, string>): Promise<readonly Registry[]> => {
    const found: Registry[] = []
    for await (const registry of client.registries.list({ abortSignal: calls.signal, requestOptions: { headers } }))
      found.push(registry)
    return found
  }
  const groupOf = async (name: string): Promise<string> => {
    const resources = await calls.attempt(`looking for registry ${name}`, () => list({ [marker]: 'true' }))
    const groups = resources
      .filter((resource) => resource.name?.toLowerCase() === name.toLowerCase())
      .flatMap(({ id }) => /\/resourceGroups\/([^/]+)/i.exec(id ?? '')?.[1] ?? [])
    const [group, ...others] = groups
    if (group !== undefined && others.length === 0) return group
    throw new GeneratorError(
      'AZURE_NOT_FOUND',
      `${group === undefined ? 'no' : 'more than one'} registry ${name} is in subscription ${subscription}, as far as you may see. Check --registry or --name, and --subscription, or say where it is with --resource-group`
    )
  }
  return {
    async open(name, resourceGroup) {
      const address = { subscription, name, resourceGroup: resourceGroup ?? (await groupOf(name)) }
      return new CloudRegistry(client, address, { signal, pollInterval, showWait })
    },
    registries: () => calls.attempt('listing registries', () => list({}))
  }
}
