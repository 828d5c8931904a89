import type { TokenCredential } from '@azure/identity'
import { clouds, type CloudName } from './clouds.ts'

/**
 * Who the pipeline is, in Azure's own order: environment (client secret or certificate), workload identity, managed
 * identity, then what a person signed in with (`az login`). Never asks anybody anything.
 */
export async function createCredential(cloud: CloudName): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  // AZURE_AUTHORITY_HOST goes first: it names the authority of clouds that this list does not know.
  return new DefaultAzureCredential({ authorityHost: process.env['AZURE_AUTHORITY_HOST'] ?? clouds[cloud].authority })
}
