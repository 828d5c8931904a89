import type { TokenCredential } from '@azure/identity'
import { SecretClient, type SecretClientOptions } from '@azure/keyvault-secrets'
import { azureError, refusalOf } from '../azure/errors.ts'
import { mostRetries, Throttling } from '../azure/throttling.ts'
import { throwIfCancelled, unlessAborted, type ShowWait } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import type { Vault } from './key-vault.ts'

export interface VaultClientOptions {
  readonly credential: TokenCredential
  readonly signal: AbortSignal
  /** Milliseconds for one call, its sign-in and retries included. */
  readonly timeout?: number
  readonly showWait?: ShowWait
  /** Milliseconds before the second try where a throttle does not say. */
  readonly throttleDelay?: number
  /** For the SDK's own client: its retries, its way through a proxy. */
  readonly client?: SecretClientOptions
}

type AdditionalPolicy = NonNullable<SecretClientOptions['additionalPolicies']>[number]['policy']

/** The SDK itself waits for ever: a link that swallows packets would hang a pipeline. */
const callTimeout = 100_000

/** So that all waits together, in seconds, are over before {@link callTimeout} is. */
const longestWait = 20
const defaultThrottleDelay = 3000

/** What a secret holds, as its `contentType` tells people. */
const contentType = 'application/vnd.causeway.token+json'

/**
 * The one place that speaks to Azure Key Vault. The SDK asks without a token first, and follows the vault's challenge only
 * where the resource it names is a parent domain of the vault's.
 */
export function createVault(
  url: string,
  {
    credential,
    signal,
    timeout = callTimeout,
    showWait,
    throttleDelay = defaultThrottleDelay,
    client: options = {}
  }: VaultClientOptions
): Vault {
  const throttling = new Throttling({ showWait, delay: throttleDelay, longest: longestWait })
  const policy: AdditionalPolicy = {
    name: throttling.name,
    sendRequest: (request, next) => throttling.sendRequest(request, next)
  }
  const client = new SecretClient(url, credential, {
    retryOptions: { maxRetries: mostRetries },
    ...options,
    additionalPolicies: [{ policy, position: 'perRetry' }]
  })
  const late = new AbortController()
  const once = { abortSignal: AbortSignal.any([signal, late.signal]) }

  async function attempt<Result>(what: string, call: () => Promise<Result>): Promise<Result> {
    throwIfCancelled(signal)
    const timer = setTimeout(() => {
      late.abort()
    }, timeout)
    try {
      return await unlessAborted(call(), once.abortSignal)
    } catch (error) {
      throwIfCancelled(signal)
      if (late.signal.aborted)
        throw new GeneratorError(
          'TIMED_OUT',
          `${what}: ${url} has not answered in ${Math.ceil(timeout / 1000)} s. Look at the network and at https://azure.status.microsoft, and run this again`,
          { cause: error }
        )
      throw vaultError(error, what, url)
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    url,
    async *names() {
      const pages = client.listPropertiesOfSecrets(once).byPage()
      for (;;) {
        const page = await attempt(`listing the secrets of ${url}`, () => pages.next())
        if (page.done === true) return
        for (const { name } of page.value) yield name
      }
    },
    get: (name) =>
      attempt(`reading secret ${name}`, async () => {
        try {
          const { value, properties } = await client.getSecret(name, once)
          return { value: value ?? '', version: properties.version ?? '' }
        } catch (error) {
          if (refusalOf(error).status === 404) return undefined
          throw error
        }
      }),
    set: (name, value) =>
      attempt(`writing secret ${name}`, async () => {
        const { properties } = await client.setSecret(name, value, { ...once, contentType })
        return properties.version ?? ''
      })
  }
}

/** What {@link azureError} says of names is about the site file, and a vault has its own reasons. */
function vaultError(error: unknown, what: string, url: string): GeneratorError {
  const { status, message } = refusalOf(error)
  const said = message.split('\n', 1)[0]?.slice(0, 300) ?? ''
  // A deleted secret keeps its name, and what was in it can be had back: nothing is made over it.
  if (status === 409 && /deleted but recoverable/i.test(message))
    return new GeneratorError(
      'SECRETS_DELETED',
      `${what}: it was deleted from ${url}, and can be had back with az keyvault secret recover; where its passwords are not wanted, az keyvault secret purge frees the name`,
      { cause: error }
    )
  if (status === 403)
    return new GeneratorError(
      'AZURE_FORBIDDEN',
      `${what}: ${said}. Whoever you are signed in as needs to get, list and set secrets there, as the role Key Vault Secrets Officer does`,
      { cause: error }
    )
  return azureError(error, what, url)
}
