import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
import { ClientSecretCredential } from '@azure/identity'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { startCloud, type Cloud } from '../simulator/cloud.ts'
import { startHub, type Hub as PretendHub, type HubFault } from '../simulator/hub/hub.ts'
import { Network } from '../simulator/network.ts'
import { TwinStore } from '../simulator/twins.ts'
import type { Acr } from './acr/acr.ts'
import { createAcrClient } from './acr/client.ts'
import { createManagement, type Management } from './acr/management.ts'
import { createHubClient } from './hub/client.ts'
import type { Hub } from './hub/hub.ts'
import { runCommand, siteText, testSite, type CommandLine } from './testing.ts'

const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const clientSecret = 'the-secret-of-the-pipeline'
const { azure, hubHost } = testSite()
const registry = azure.registry.toLowerCase()

/** As ARM words it. */
const unauthorized = `The client '${clientId}' with object id 'o' does not have authorization to perform action 'Microsoft.ContainerRegistry/registries/tokens/write' over scope '/subscriptions/s/registries/r' or the scope is invalid. If access was recently granted, please refresh your credentials.`
const unauthorizedLinked = `The client has permission to perform action 'Microsoft.ContainerRegistry/registries/importImage/action' on scope '/subscriptions/s'; however, it does not have permission to perform action(s) 'Microsoft.ContainerRegistry/registries/read' on the linked scope(s) '/subscriptions/other' (respectively) or the linked scope(s) are invalid.`

interface Expected {
  readonly what: string
  /** Only by one command for each service, since all tell it the same way. */
  readonly once?: true
  readonly told: RegExp
  readonly exit: number
}

/** What Resource Manager answers every call with, and what `causeway` makes of it. */
const refusalsOfArm: readonly (Expected &
  Partial<Omit<Cloud['arm']['faults'][number], 'code'>> & { readonly code: string })[] = [
  {
    what: 'a token that is not taken',
    status: 401,
    code: 'InvalidAuthenticationToken',
    told: /AZURE_UNAUTHORIZED: .*InvalidAuthenticationToken.*Sign in again/,
    exit: 4
  },
  {
    what: 'a missing role',
    status: 403,
    code: 'AuthorizationFailed',
    message: unauthorized,
    told: /AZURE_FORBIDDEN: .*needs a role that allows Microsoft\.ContainerRegistry\/registries\/tokens\/write, such as Contributor on \/subscriptions\/s\/registries\/r \(az role assignment create\)/,
    exit: 4
  },
  {
    what: 'a missing role on another resource',
    once: true,
    status: 403,
    code: 'LinkedAuthorizationFailed',
    message: unauthorizedLinked,
    told: /AZURE_FORBIDDEN: .*The other resource .*allows Microsoft\.ContainerRegistry\/registries\/read, such as Contributor on \/subscriptions\/other /,
    exit: 4
  },
  {
    what: 'throttling',
    status: 429,
    code: 'TooManyRequests',
    headers: { 'retry-after': '7' },
    told: /AZURE_THROTTLED: .*run this again in 7 seconds/,
    exit: 1
  },
  {
    what: 'an operation under way',
    status: 409,
    code: 'RegistryStatusConflict',
    told: /AZURE_CONFLICT: .*under way: wait until it has ended/,
    exit: 5
  },
  {
    what: 'a change meanwhile',
    once: true,
    status: 412,
    code: 'PreconditionFailed',
    told: /AZURE_CONFLICT: .*run this again/,
    exit: 5
  },
  {
    what: 'a lock',
    once: true,
    status: 409,
    code: 'ScopeLocked',
    told: /AZURE_CONFLICT: .*az lock list/,
    exit: 5
  },
  {
    what: 'no room for more',
    status: 403,
    code: 'QuotaExceeded',
    told: /AZURE_QUOTA: .*delete what is no longer used/,
    exit: 1
  },
  {
    what: 'a fault of its own',
    once: true,
    status: 503,
    code: 'ServerBusy',
    told: /AZURE_UNAVAILABLE: .*run this again later/,
    exit: 1
  },
  { what: 'silence', silent: true, code: '', told: /TIMED_OUT: .*does not answer\. .*run this again/, exit: 1 }
]

const refusalsOfHub: readonly (Expected & { readonly fault: HubFault })[] = [
  {
    what: 'a wrong key',
    fault: 'IotHubUnauthorizedAccess',
    told: /AZURE_UNAUTHORIZED: .*IOTHUB_CONNECTION_STRING.*IoT Hub Data Contributor/,
    exit: 4
  },
  { what: 'throttling', fault: 'ThrottlingBacklogTimeout', told: /AZURE_THROTTLED: .*run this again in/, exit: 1 },
  { what: 'its daily quota', once: true, fault: 'IotHubQuotaExceeded', told: /AZURE_QUOTA: .*midnight UTC/, exit: 1 },
  { what: 'a full hub', once: true, fault: 'ConfigurationCountLimitExceeded', told: /HUB_FULL: .*take away/, exit: 1 },
  { what: 'a change meanwhile', fault: 'PreconditionFailed', told: /AZURE_CONFLICT: .*run this again/, exit: 5 },
  {
    what: 'a fault of its own',
    once: true,
    fault: 'ServiceUnavailable',
    told: /AZURE_UNAVAILABLE: .*again later/,
    exit: 1
  },
  {
    what: 'a broken connection',
    once: true,
    fault: 'disconnect',
    told: /AZURE_UNREACHABLE: .*check the name/,
    exit: 1
  },
  {
    what: 'silence',
    fault: 'silence',
    told: /TIMED_OUT: .*azure-devices\.net has not answered in .*run this again/,
    exit: 1
  }
]

const asksArm = ['provision', 'plan', 'rotate', 'revoke plant-client', 'check', `acr token list -r ${registry}`]
const asksHub = ['plan', 'deploy', 'configure', 'rotate --resume', 'revoke plant-client', 'check', 'status']

/** Where another exit code means something else: 2 is for differences. */
const always1 = /^(?:plan|check)/

/** Through the real SDKs against the pretend Azure, which refuses every call. */
describe('what Azure refuses', function () {
  this.timeout(20_000)
  const trusted = tls.getCACertificates('default')
  let folder: string
  let network: Network
  let cloud: Cloud
  let pretendHub: PretendHub
  let acr: (requestTimeout?: number) => Acr
  let management: (requestTimeout?: number) => Management
  let hub: (timeout?: number) => Promise<Hub>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-refusals-'))
    await mkdir(join(folder, 'cloud'))
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    const common = { network, authority }
    cloud = await startCloud({
      ...common,
      folder: join(folder, 'cloud'),
      tenantId,
      clientId,
      clientSecret,
      subscriptionId: azure.subscription,
      resourceGroup: azure.resourceGroup,
      registries: [{ name: registry, sku: 'Premium', region: 'westeurope' }],
      arm: { pollsUntilDone: 0 }
    })
    pretendHub = await startHub({
      ...common,
      name: azure.hub,
      twins: new TwinStore(),
      devices: ['gateway'],
      isConnected: () => false,
      invokeMethod: () => Promise.reject(new Error('nobody calls a method here'))
    })
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    const { hostname, port } = new URL(network.proxyUrl)
    const options = {
      proxyOptions: { host: `http://${hostname}`, port: Number(port) },
      retryOptions: { maxRetries: 0 }
    }
    const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, options)
    const { signal } = new AbortController()
    const connection = (requestTimeout = 10_000) => ({
      credential,
      signal,
      pollInterval: 1,
      requestTimeout,
      client: new ContainerRegistryManagementClient(credential, azure.subscription, options)
    })
    acr = (timeout) => createAcrClient(azure, connection(timeout))
    management = (timeout) =>
      createManagement({ subscription: azure.subscription, cloud: 'AzureCloud' }, connection(timeout))
    hub = (timeout = 10_000) =>
      createHubClient(hubHost, {
        signal,
        env: { https_proxy: network.proxyUrl, IOTHUB_CONNECTION_STRING: pretendHub.connectionString },
        credential: () => Promise.resolve(credential),
        timeout,
        retryDelay: 1
      })
    await copyFile(join(import.meta.dirname, '../deployment.template.json'), join(folder, 'deployment.template.json'))
    await writeFile(join(folder, 'site.yaml'), siteText())
    const { code, stderr } = await causeway('provision')
    assert.equal(code, 0, stderr)
  })
  after(async () => {
    await pretendHub.close()
    await cloud.close()
    await network.close()
    tls.setDefaultCACertificates(trusted)
    await rm(folder, { recursive: true })
  })

  async function causeway(
    words: string,
    patience: { readonly acr?: number; readonly hub?: number } = {}
  ): Promise<CommandLine> {
    return runCommand(words.split(' '), {
      folder,
      acr: acr(patience.acr),
      management: management(patience.acr),
      hub: await hub(patience.hub),
      env: { AZURE_SUBSCRIPTION_ID: azure.subscription },
      proof: () => Promise.resolve(true)
    })
  }

  function check(words: string, { code, stderr, stdout }: CommandLine, { told, exit }: Expected): void {
    assert.match(stderr, told)
    assert.equal(code, always1.test(words) ? 1 : exit, `${stdout}${stderr}`)
    assert.doesNotMatch(`${stdout}${stderr}`, /\n {4}at |the-secret-of/)
  }

  for (const refusal of refusalsOfArm)
    describe(`Resource Manager with ${refusal.what}`, () => {
      const { status = 0, code, message = 'As the service says.', headers = {}, silent = false } = refusal
      before(() => {
        for (const method of ['GET', 'PUT', 'PATCH', 'POST', 'DELETE'])
          cloud.arm.faults.push({ method, path: /./, status, code, message, headers, silent, times: 1000 })
      })
      after(() => {
        cloud.arm.faults.length = 0
      })
      for (const words of refusal.once === true ? ['provision'] : asksArm)
        it(`is told by causeway ${words}`, async () => {
          check(words, await causeway(words, silent ? { acr: 50 } : {}), refusal)
        })
    })

  describe('IoT Hub in the middle of a rotation', () => {
    it('leaves one that can be gone on with', async () => {
      pretendHub.identities.createModule('gateway', 'connected-registry')
      pretendHub.fail(1000, 'ServiceUnavailable')
      const { code, stderr } = await causeway('rotate')
      pretendHub.recover()
      assert.match(stderr, /AZURE_UNAVAILABLE/)
      assert.equal(code, 1)
    })
  })

  for (const refusal of refusalsOfHub)
    describe(`IoT Hub with ${refusal.what}`, () => {
      beforeEach(() => {
        pretendHub.fail(1000, refusal.fault)
      })
      afterEach(() => {
        pretendHub.recover()
      })
      for (const words of refusal.once === true ? ['configure'] : asksHub)
        it(`is told by causeway ${words}`, async () => {
          check(words, await causeway(words, refusal.fault === 'silence' ? { hub: 40 } : {}), refusal)
        })
    })
})
