import { cloudOf } from './azure/clouds.ts'
import type { Services } from './context.ts'

/** Azure itself. */
export const azureServices: Services = {
  async acr(site, io, showWait) {
    const [{ createAcrClient }, { createCredential }] = await Promise.all([
      import('./acr/client.ts'),
      import('./azure/credential.ts')
    ])
    const credential = await createCredential(site.azure.cloud, io.signal)
    return createAcrClient(site.azure, { credential, signal: io.signal, showWait })
  },
  async management(scope, io, showWait) {
    const [{ createManagement }, { createCredential }] = await Promise.all([
      import('./acr/management.ts'),
      import('./azure/credential.ts')
    ])
    const credential = await createCredential(scope.cloud, io.signal)
    return createManagement(scope, { credential, signal: io.signal, showWait })
  },
  async hub(site, io) {
    const { createHubClient } = await import('./hub/client.ts')
    return createHubClient(site.hubHost, {
      signal: io.signal,
      env: io.env,
      credential: async () => (await import('./azure/credential.ts')).createCredential(site.azure.cloud, io.signal)
    })
  },
  async vault(url, io, showWait) {
    const [{ createVault }, { createCredential }] = await Promise.all([
      import('./secrets/vault-client.ts'),
      import('./azure/credential.ts')
    ])
    const credential = await createCredential(cloudOf(new URL(url).hostname), io.signal)
    return createVault(url, { credential, signal: io.signal, showWait })
  },
  async content(site, io) {
    const { createContentClient } = await import('./acr/content.ts')
    return createContentClient(site.loginServer, { signal: io.signal, env: io.env })
  },
  async proof(site, io) {
    const { registryProof } = await import('./rotation/proof.ts')
    return registryProof(site.loginServer, io)
  }
}
