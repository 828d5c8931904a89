import type { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
import { saidHeader } from '../azure/errors.ts'
import { Throttling, type ThrottlingOptions } from '../azure/throttling.ts'

/** Milliseconds for one request; Resource Manager's own front door gives up after a minute. */
export const requestTimeout = 100_000

/** Milliseconds for an operation with all its polls: the longest here, an import of a large image, takes minutes. */
export const operationTimeout = 30 * 60_000

/**
 * Gives every request of a client a time-out, since the SDK has none and a link that swallows packets would hang a pipeline for ever;
 * keeps what the service says of a list that it refuses, since the SDK throws that away; and sees to throttling.
 */
export function preparePipeline(
  client: ContainerRegistryManagementClient,
  timeout: number,
  throttling: ThrottlingOptions
): void {
  const name = 'causewayRequest'
  // A client that several share has it already, and a pipeline takes no name twice.
  client.pipeline.removePolicy({ name })
  client.pipeline.addPolicy({
    name,
    async sendRequest(request, next) {
      request.timeout = timeout
      const response = await next(request)
      const said = response.status < 400 ? undefined : messageIn(response.bodyAsText)
      if (said !== undefined) response.headers.set(saidHeader, encodeURIComponent(said))
      return response
    }
  })
  const patience = new Throttling(throttling)
  client.pipeline.removePolicy({ name: patience.name })
  client.pipeline.addPolicy(
    { name: patience.name, sendRequest: (request, next) => patience.sendRequest(request, next) },
    { afterPhase: 'Retry' }
  )
}

function messageIn(body: string | null | undefined): string | undefined {
  try {
    const { error } = JSON.parse(body ?? '') as { error?: { message?: unknown } }
    return typeof error?.message === 'string' ? error.message : undefined
  } catch {
    // Some proxy's page: of no help to anybody.
    return undefined
  }
}
