import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { openBackend } from '../secrets/open.ts'
import { parseSite } from '../site-file/read.ts'
import { siteText } from '../testing.ts'
import { cloudOf } from './clouds.ts'

describe('Azure’s clouds, by name', () => {
  for (const [cloud, registry, hub, vault] of [
    ['AzureCloud', 'azurecr.io', 'azure-devices.net', 'vault.azure.net'],
    ['AzureUSGovernment', 'azurecr.us', 'azure-devices.us', 'vault.usgovcloudapi.net'],
    ['AzureChinaCloud', 'azurecr.cn', 'azure-devices.cn', 'vault.azure.cn']
  ] as const)
    it(`${cloud} gives registry, hub and key vault their names`, async () => {
      const named = `azure:\n  cloud: ${cloud}\n  keyVault: plant-secrets`
      const site = parseSite(siteText().replace('azure:', named), 'site.yaml')
      assert.equal(site.loginServer, `mycontainerregistry001.${registry}`)
      assert.equal(site.hubHost, `causeway-hub.${hub}`)
      assert.deepEqual([cloudOf(site.loginServer), cloudOf(`plant-secrets.${vault}`)], [cloud, cloud])
      const output = new PassThrough()
      const asked: string[] = []
      await openBackend({
        named: undefined,
        folder: '/nowhere',
        loginServer: site.loginServer,
        keyVault: site.azure.keyVault,
        io: { stdout: output, stderr: output, env: {}, workingFolder: '/', signal: new AbortController().signal },
        vault: (url) => {
          asked.push(url)
          return Promise.reject(new Error('asked for'))
        }
      }).catch((error: unknown) => {
        assert.equal((error as Error).message, 'asked for')
      })
      assert.deepEqual(asked, [`https://plant-secrets.${vault}`])
    })
})
