import type { TokenCredential } from '@azure/identity'
import { GeneratorError } from '../errors.ts'
import { cloudNames, clouds, type CloudName } from './clouds.ts'
import { limited } from './wait.ts'

/** Milliseconds for a token: `az` alone takes many seconds on a small build agent, and comes after all others were tried. */
const signInTimeout = 60_000

/**
 * Who the pipeline is: the service connection of a job in Azure Pipelines, or else in Azure's own order: environment (client
 * secret or certificate), workload identity, managed identity, then what a person signed in with (`az login`). Never asks anybody
 * anything.
 *
 * @param signal ends a sign-in on Ctrl-C
 */
export async function createCredential(cloud: CloudName, signal: AbortSignal): Promise<TokenCredential> {
  const { AzurePipelinesCredential, DefaultAzureCredential } = await import('@azure/identity')
  const { env } = process
  const options = { authorityHost: authorityOf(cloud, env['AZURE_AUTHORITY_HOST']) }
  // As AzureCLI@2, AzurePowerShell@5 and our own task set them. Its tokens are renewed for as long as the job runs, where a
  // token that another task has fetched ends after ten minutes.
  const [tenant, client, connection, token] = [
    env['AZURESUBSCRIPTION_TENANT_ID'],
    env['AZURESUBSCRIPTION_CLIENT_ID'],
    env['AZURESUBSCRIPTION_SERVICE_CONNECTION_ID'],
    env['SYSTEM_ACCESSTOKEN']
  ]
  if (tenant !== undefined && client !== undefined && connection !== undefined && token !== undefined)
    return limitedCredential(new AzurePipelinesCredential(tenant, client, connection, token, options), signal)
  return limitedCredential(new DefaultAzureCredential(options), signal)
}

/** MSAL neither gives up on a link that swallows packets nor listens to a signal on all of its ways. */
export function limitedCredential(
  credential: TokenCredential,
  signal: AbortSignal,
  timeout = signInTimeout
): TokenCredential {
  const what = 'signing in to Azure: the sign-in service, managed identity or az'
  return {
    getToken: (scopes, options) => limited(() => credential.getToken(scopes, options), { signal, timeout, what })
  }
}

/**
 * Who is asked for tokens: what `AZURE_AUTHORITY_HOST` says, since it names the authority of clouds that Causeway does not know,
 * but not where it is that of another cloud, as a cluster with workload identity sets it: nobody else would take its tokens.
 *
 * @throws {GeneratorError} `CLOUD_MISMATCH`
 */
export function authorityOf(cloud: CloudName, given: string | undefined): string {
  if (given === undefined || given === '') return clouds[cloud].authority
  const host = (URL.parse(given)?.hostname ?? given).toLowerCase()
  const other = cloudNames.find((name) => name !== cloud && new URL(clouds[name].authority).hostname === host)
  if (other === undefined) return given
  throw new GeneratorError(
    'CLOUD_MISMATCH',
    `AZURE_AUTHORITY_HOST is ${host}, which is ${other}'s, and this is about ${cloud}. Set azure.cloud of the site file (or --cloud of causeway acr) to ${other}, or take AZURE_AUTHORITY_HOST away`
  )
}
