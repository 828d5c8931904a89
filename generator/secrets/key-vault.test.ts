import assert from 'node:assert/strict'
import tls from 'node:tls'
import { ClientSecretCredential } from '@azure/identity'
import type { SecretClientOptions } from '@azure/keyvault-secrets'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyPassword } from '../../module/settings/password-hash.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { Network } from '../../simulator/network.ts'
import type { GeneratorError } from '../errors.ts'
import { runCommand, siteText } from '../testing.ts'
import { KeyVaultBackend, type Vault } from './key-vault.ts'
import { SecretStore } from './store.ts'
import { createVault } from './vault-client.ts'

const registry = 'mycontainerregistry001.azurecr.io'
const url = 'https://plant-secrets.vault.azure.net'
const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const password = { value: 'abc+/=def=', creationTime: '2026-01-01T00:00:00.000Z' }

/** The real SDK against the pretend vault, with its challenge, its versions and its soft delete. */
describe('passwords in a key vault', () => {
  const trusted = tls.getCACertificates('default')
  let folder: string
  let network: Network
  let cloud: Cloud
  let vault: Vault
  let credential: ClientSecretCredential
  let client: SecretClientOptions

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-vault-'))
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    cloud = await startCloud({
      network,
      authority,
      folder,
      tenantId,
      clientId,
      clientSecret: 'a-secret-of-the-test',
      subscriptionId: '00000000-0000-0000-0000-000000000001',
      resourceGroup: 'demo',
      registries: [],
      keyVaults: ['plant-secrets']
    })
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    const { hostname, port } = new URL(network.proxyUrl)
    client = { proxyOptions: { host: `http://${hostname}`, port: Number(port) }, retryOptions: { maxRetries: 0 } }
    credential = new ClientSecretCredential(tenantId, clientId, 'a-secret-of-the-test', client)
    vault = createVault(url, { credential, signal: new AbortController().signal, client })
  })
  after(async () => {
    await cloud.close()
    await network.close()
    tls.setDefaultCACertificates(trusted)
    await rm(folder, { recursive: true })
  })

  const open = (access: 'read' | 'write', of = registry): Promise<SecretStore> =>
    SecretStore.open(new KeyVaultBackend(vault), of, access)

  it('are kept with their hashes, a secret for each token, and found again', async () => {
    const store = await open('write')
    await store.intend('Plant-Client', 'password1', new Date('2026-02-01T00:00:00Z'))
    assert.equal((await open('read')).slot('plant-client', 'password1')?.state, 'pending')
    await store.keep('Plant-Client', 'password1', password)
    for (let index = 0; index < 30; index++) await store.noteRevoked(`token-${index}`, new Date(0))
    const found = await open('read')
    const record = found.slot('plant-client', 'password1')
    assert.ok(record?.state === 'stored')
    assert.equal(record.value, password.value)
    assert.ok(await verifyPassword(password.value, record.hash))
    assert.equal(found.tokens().length, 31, 'over two pages')
    assert.deepEqual((await open('read', 'another.azurecr.io')).tokens(), [])
  })

  it('are asked for with a token for the vault alone, after its challenge', () => {
    const [first, second] = cloud.requests.filter(({ host }) => host === 'plant-secrets.vault.azure.net')
    assert.deepEqual([first?.status, second?.status], [401, 200])
  })

  it('are not written over by who did not see the newest version', async () => {
    const one = await open('write')
    const other = await open('write')
    await one.intend('plant-client', 'password2', new Date())
    await assert.rejects(
      other.intend('plant-client', 'password2', new Date()),
      (error: GeneratorError) => error.code === 'SECRETS_CHANGED' && error.exitCode === 5
    )
    await one.takeBack('plant-client', 'password2', undefined)
    assert.equal((await open('read')).slot('plant-client', 'password1')?.state, 'stored')
  })

  it('tell the slower of two that wrote at the same moment', async () => {
    const late: Vault = {
      ...vault,
      async set(name, value) {
        const version = await vault.set(name, value)
        await vault.set(name, value.replace('2027', '2028'))
        return version
      }
    }
    const store = await SecretStore.open(new KeyVaultBackend(late), registry, 'write')
    await assert.rejects(store.noteRevoked('token-1', new Date('2027-01-01')), { code: 'SECRETS_CHANGED' })
  })

  it('say what to do where a secret was deleted, or nobody may write', async () => {
    const store = await open('write')
    const name = 'causeway-mycontainerregistry001-token-2'
    const knobs = cloud.keyVault('plant-secrets')
    knobs.permissions.delete('set')
    await assert.rejects(
      store.noteRevoked('token-2', new Date()),
      (error: GeneratorError) => error.code === 'AZURE_FORBIDDEN' && error.message.includes('Key Vault Secrets Officer')
    )
    knobs.permissions.add('set')
    knobs.delete(name)
    const later = await open('write')
    await assert.rejects(
      later.noteRevoked('token-2', new Date()),
      (error: GeneratorError) => error.code === 'SECRETS_DELETED' && error.message.includes(name)
    )
  })

  it('are given up where the vault is silent, for reading and for writing', async () => {
    const knobs = cloud.keyVault('plant-secrets')
    const silent = (): Vault =>
      createVault(url, { credential, signal: new AbortController().signal, timeout: 50, client })
    const timedOut = (error: GeneratorError): boolean =>
      error.code === 'TIMED_OUT' && /plant-secrets\.vault\.azure\.net has not answered in/.test(error.message)
    knobs.silent = true
    try {
      await assert.rejects(SecretStore.open(new KeyVaultBackend(silent()), registry, 'read'), timedOut)
      await assert.rejects(silent().get('any'), timedOut)
      await assert.rejects(silent().set('any', 'value'), timedOut)
    } finally {
      knobs.silent = false
    }
  })

  it('are waited for where the vault throttles, and told at once where it asks for longer than a call may take', async () => {
    const knobs = cloud.keyVault('plant-secrets')
    const { proxyOptions } = client as { proxyOptions: NonNullable<SecretClientOptions['proxyOptions']> }
    const { signal } = new AbortController()
    const patient = createVault(url, { credential, signal, throttleDelay: 1, client: { proxyOptions } })
    knobs.throttled = { times: 3 }
    assert.equal(await patient.get('not-there'), undefined)
    assert.equal(knobs.throttled.times, 0)
    knobs.throttled = { times: 100, retryAfter: 600 }
    await assert.rejects(patient.get('not-there'), { code: 'AZURE_THROTTLED', message: /again in 600 seconds/ })
    assert.equal(knobs.throttled.times, 99, 'it was asked once')
    knobs.throttled = { times: 0 }
  })

  it('serve generate, named in the site file', async () => {
    await writeFile(
      join(folder, 'site.yaml'),
      siteText().replace('  hub: causeway-hub\n', '  hub: causeway-hub\n  keyVault: Plant-Secrets\n')
    )
    const asked: string[] = []
    const ran = await runCommand(['secrets', 'show', 'plant-client'], {
      folder,
      vault: (address) => {
        asked.push(address)
        return Promise.resolve(vault)
      }
    })
    assert.equal(ran.stdout, `${password.value}\n`, ran.stderr)
    assert.deepEqual(asked, [url])
  })
})
