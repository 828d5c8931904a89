import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
import { ClientSecretCredential } from '@azure/identity'
import type { GeneratorError } from '../errors.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { Network } from '../../simulator/network.ts'
import { testSite } from '../testing.ts'
import type { Acr } from './acr.ts'
import { createAcrClient } from './client.ts'

const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const azure = testSite().azure

/** The real SDK against the pretend Resource Manager, in the moods that the real one is known to have. */
describe('the client of the cloud registry’s management', () => {
  const trusted = tls.getCACertificates('default')
  let folder: string
  let network: Network
  let cloud: Cloud
  let stopping: AbortController
  let acr: Acr
  let connect: (signal: AbortSignal, registry?: string) => Acr

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-acr-'))
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    cloud = await startCloud({
      network,
      authority,
      folder,
      tenantId,
      clientId,
      clientSecret: 'a-secret-of-the-test',
      subscriptionId: azure.subscription,
      resourceGroup: azure.resourceGroup,
      registries: [{ name: azure.registry.toLowerCase(), sku: 'Premium', region: 'westeurope' }]
    })
    const { hostname, port } = new URL(network.proxyUrl)
    const proxyOptions = { host: `http://${hostname}`, port: Number(port) }
    // What NODE_EXTRA_CA_CERTS does for a process, for the time of these tests.
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    const options = { proxyOptions, retryOptions: { maxRetries: 0 } }
    const credential = new ClientSecretCredential(tenantId, clientId, 'a-secret-of-the-test', options)
    connect = (signal, registry = azure.registry) =>
      createAcrClient(
        { ...azure, registry },
        {
          credential,
          signal,
          pollInterval: 5,
          client: new ContainerRegistryManagementClient(credential, azure.subscription, options)
        }
      )
  })
  beforeEach(() => {
    stopping = new AbortController()
    acr = connect(stopping.signal)
    Object.assign(cloud.arm, {
      specMode: false,
      longPollUrls: false,
      failing: undefined,
      faults: [],
      pollsUntilDone: 1,
      listPage: Infinity,
      listedCredentials: true
    })
  })
  after(async () => {
    await cloud.close()
    await network.close()
    tls.setDefaultCACertificates(trusted)
    await rm(folder, { recursive: true })
  })

  const actions = ['repositories/hello-world/content/read']

  for (const [mood, knobs] of [
    ['as it was recorded', {}],
    ['as the specification allows', { specMode: true }],
    ['with polling addresses of four kilobytes', { longPollUrls: true, pollsUntilDone: 2 }]
  ] as const)
    it(`makes and changes things, ${mood}`, async () => {
      Object.assign(cloud.arm, knobs)
      const name = `mood-${mood.length}`
      assert.equal(await acr.scopeMap(name), undefined)
      await acr.createScopeMap(name, { description: 'for a test', actions })
      await acr.updateScopeMap(name, [...actions, 'repositories/hello-world/metadata/read'])
      assert.equal((await acr.scopeMap(name))?.actions.length, 2)
      await acr.createToken(name, { scopeMap: name, status: 'enabled' })
      const expiry = new Date('2100-12-31T12:59:59.000Z')
      assert.equal((await acr.generatePassword(name, 'password2', expiry)).expiry, expiry.toISOString())
      const password = await acr.generatePassword(name, 'password2')
      assert.ok(password.value.length > 20)
      assert.equal(password.expiry, undefined)
      await acr.updateToken(name, { scopeMap: name, status: 'disabled' })
      assert.deepEqual(await acr.token(name), {
        scopeMap: name,
        status: 'disabled',
        passwords: { password2: password.creationTime }
      })
      await acr.enableDataEndpoint()
      assert.equal((await acr.registry()).dataEndpointEnabled, true)
      for (const enabled of [true, false]) {
        await acr.setAnonymousPull(enabled)
        assert.equal((await acr.registry()).anonymousPullEnabled, enabled)
      }
      const registry = `registry${mood.length}`
      await acr.createConnectedRegistry({ name: registry, mode: 'ReadOnly', syncToken: name, clientTokens: [] })
      const found = async (): Promise<unknown> =>
        (await acr.connectedRegistries([])).find((each) => each.name === registry)
      const made = {
        name: registry,
        mode: 'ReadOnly',
        syncToken: name,
        clientTokens: [],
        notifications: [],
        active: false,
        schedule: '* * * * *',
        messageTtl: 'P2D',
        logLevel: 'Information',
        garbageCollection: { enabled: true, schedule: '0 0 * * *' }
      }
      assert.deepEqual(await found(), made)
      const changes = {
        schedule: '0 12 * * *',
        syncWindow: 'PT4H',
        messageTtl: 'P3D',
        clientTokens: [name],
        notifications: ['hello-world:*:push'],
        logLevel: 'Warning',
        garbageCollection: { enabled: false }
      }
      await acr.updateConnectedRegistry(registry, changes)
      const changed = { ...made, ...changes, garbageCollection: { enabled: false, schedule: '0 0 * * *' } }
      assert.deepEqual(await found(), changed)
      cloud.registry(azure.registry).reportConnectedRegistry(registry, { activation: 'Active' })
      assert.deepEqual(await found(), { ...changed, active: true })
      await acr.deactivateConnectedRegistry(registry)
      assert.deepEqual(await found(), changed)
      await acr.deleteConnectedRegistry(registry)
      assert.equal(await found(), undefined)
      await acr.deleteToken(name)
      await acr.deleteScopeMap(name)
      assert.deepEqual([await acr.token(name), await acr.scopeMap(name)], [undefined, undefined])
    })

  it('tells an operation that failed on its way', async () => {
    cloud.arm.failing = {
      resource: /plant-readers/,
      error: { code: 'ScopeMapInvalid', message: 'No such repository.' }
    }
    await acr.createScopeMap('base-readers', { description: '', actions })
    await assert.rejects(
      acr.createToken('plant-readers', { scopeMap: 'base-readers', status: 'enabled' }),
      (error: GeneratorError) => error.code === 'AZURE_REFUSED' && error.message.includes('ScopeMapInvalid')
    )
  })

  it('tells who may not, and what is not there', async () => {
    cloud.arm.faults.push({
      method: 'GET',
      path: /scopeMaps/,
      status: 403,
      code: 'AuthorizationFailed',
      message: 'No role.',
      times: 1
    })
    await assert.rejects(acr.scopeMap('plant-readers'), { code: 'AZURE_FORBIDDEN', exitCode: 4 })
    await assert.rejects(connect(stopping.signal, 'nosuchregistry').registry(), { code: 'AZURE_NOT_FOUND' })
  })

  it('imports what is not there, and moves a tag only when told to', async () => {
    const image = { registry: 'mcr.microsoft.com', source: 'hello-world:latest', target: 'imported/hello:1' }
    assert.equal(await acr.importImage({ ...image, force: false }), 'imported')
    assert.equal(await acr.importImage({ ...image, force: false }), 'already there')
    assert.equal(await acr.importImage({ ...image, force: true }), 'imported')
  })

  for (const [code, message] of [
    ['RegistryStatusConflict', 'The registry is being updated.'],
    ['ScopeLocked', 'The scope is locked.'],
    ['OperationInProgress', 'An import of it is under way.'],
    ['Conflict', 'Another request changed the registry.']
  ] as const)
    it(`does not take ${code} (${message}) for an image that is there already`, async () => {
      cloud.arm.faults.push({ method: 'POST', path: /importImage/, status: 409, code, message, times: 1 })
      const image = { registry: 'mcr.microsoft.com', source: 'hello-world:latest', target: 'imported/locked:1' }
      await assert.rejects(
        acr.importImage({ ...image, force: false }),
        (error: GeneratorError) => error.code === 'AZURE_CONFLICT' && error.message.includes(code)
      )
    })

  describe('asked for many tokens', () => {
    const names = Array.from({ length: 20 }, (_, index) => `Many-${index}`)
    before(() => {
      for (const name of names) cloud.registry(azure.registry).addToken(name, actions)
    })
    /** Calls to Resource Manager since the last look. */
    let seen = 0
    const calls = (): readonly string[] => {
      const all = cloud.requests.filter(({ host }) => host === 'management.azure.com')
      const since = all
        .slice(seen)
        .map(({ path }) => new URL(path, 'https://a').pathname.replace(/^.*?(?=\/tokens)/, ''))
      seen = all.length
      return since
    }

    for (const [what, mood, most] of [
      ['one list', {}, 9],
      ['pages of it', { listPage: 7 }, 20],
      ['one by one where the list tells too little', { listedCredentials: false }, 21]
    ] as const)
      it(`reads ${what}, and each as it is`, async () => {
        Object.assign(cloud.arm, mood)
        const alone = await Promise.all(names.map((name) => connect(stopping.signal).token(name)))
        calls()
        const found = []
        for (const name of names) found.push(await acr.token(name.toLowerCase()))
        assert.deepEqual(found, alone)
        assert.ok(found.every((token) => token?.passwords.password1 !== undefined))
        const made = calls()
        assert.ok(made.length <= most, made.join('\n'))
      })

    it('reads no page more than it has to, and what was changed since by itself', async () => {
      cloud.arm.listPage = 1000
      for (const name of names) await acr.token(name)
      assert.equal(await acr.token('not-there'), undefined)
      calls()
      await acr.updateToken('Many-10', { scopeMap: 'Many-10', status: 'disabled' })
      await acr.deletePassword('Many-11', 'password1')
      await acr.deleteToken('Many-12')
      const states = await Promise.all(['many-10', 'many-11', 'many-12', 'many-13'].map((name) => acr.token(name)))
      assert.equal(states[0]?.status, 'disabled')
      assert.deepEqual(states[1]?.passwords, {})
      assert.equal(states[2], undefined)
      assert.ok(states[3]?.passwords.password1 !== undefined)
    })
  })

  it('stops at Ctrl-C in the middle of an operation', async () => {
    cloud.arm.pollsUntilDone = 1_000_000
    await acr.createScopeMap('stop-readers', { description: '', actions })
    const made = acr.createToken('stop-token', { scopeMap: 'stop-readers', status: 'enabled' })
    stopping.abort()
    await assert.rejects(made, { code: 'CANCELLED' })
  })
})
