import type { TokenCredential } from '@azure/identity'
import { GeneratorError } from '../errors.ts'
import { cloudNames, clouds, type CloudName } from './clouds.ts'

/**
 * Who the pipeline is, in Azure's own order: environment (client secret or certificate), workload identity, managed
 * identity, then what a person signed in with (`az login`). Never asks anybody anything.
 */
export async function createCredential(cloud: CloudName): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential({ authorityHost: authorityOf(cloud, process.env['AZURE_AUTHORITY_HOST']) })
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
