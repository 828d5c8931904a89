import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConnectionString } from '../module/settings/connection-string.ts'
import { readSettings } from '../module/settings/validate.ts'
import { verifyPassword } from '../module/settings/password-hash.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { startCloud, type Cloud } from '../simulator/cloud.ts'
import { startHub, type Hub } from '../simulator/hub/hub.ts'
import { Network } from '../simulator/network.ts'
import { TwinStore } from '../simulator/twins.ts'
import { SecretStore } from './secrets/store.ts'
import { testBackend, testSecretsKey } from './testing.ts'

const here = import.meta.dirname
const subscriptionId = '00000000-0000-0000-0000-000000000001'
const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const clientSecret = 'the-secret-of-the-pipeline'
const registryName = 'mycontainerregistry001'

interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * The command as a pipeline runs it, as a process of its own, through the real SDKs, against the pretend Azure behind a
 * proxy. The steps build on each other, as a site's first day does.
 */
describe('causeway against the pretend Azure', function () {
  this.timeout(60_000)
  let folder: string
  let network: Network
  let cloud: Cloud
  let hub: Hub
  const twins = new TwinStore()
  const said: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-azure-'))
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    await writeFile(join(folder, 'ca.pem'), authority.certificate)
    await mkdir(join(folder, 'cloud'))
    cloud = await startCloud({
      network,
      authority,
      folder: join(folder, 'cloud'),
      tenantId,
      clientId,
      clientSecret,
      subscriptionId,
      resourceGroup: 'causeway-demo',
      registries: [{ name: registryName, sku: 'Premium', region: 'westeurope' }],
      // Operations end at the first look: the polls in between would be the SDK's second each, a minute in all.
      arm: { pollsUntilDone: 0 }
    })
    hub = await startHub({
      name: 'causeway-hub',
      network,
      authority,
      twins,
      devices: ['gateway'],
      verifyBearer: async (token) => {
        await cloud.verifyHubToken(`Bearer ${token}`)
        return { audience: 'https://iothubs.azure.net' }
      },
      isConnected: () => true,
      invokeMethod: () => Promise.reject(new Error('nobody calls a method here'))
    })
    await copyFile(join(here, '../manifests/site.yaml'), join(folder, 'site.yaml'))
    await copyFile(join(here, '../deployment.template.json'), join(folder, 'deployment.template.json'))
  })

  after(async () => {
    await hub.close()
    await cloud.close()
    await network.close()
    await rm(folder, { recursive: true })
  })

  /** @param environment undefined takes a variable away */
  async function causeway(words: string, environment: Record<string, string | undefined> = {}): Promise<Finished> {
    const { PATH, HOME } = process.env
    const child = spawn(process.execPath, [join(here, 'main.ts'), ...words.split(' ')], {
      cwd: folder,
      env: {
        PATH,
        HOME,
        CAUSEWAY_SECRETS_KEY: testSecretsKey,
        https_proxy: network.proxyUrl,
        NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
        AZURE_TENANT_ID: tenantId,
        AZURE_CLIENT_ID: clientId,
        AZURE_CLIENT_SECRET: clientSecret,
        IOTHUB_CONNECTION_STRING: hub.connectionString,
        ...environment
      },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => (output[name] += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    said.push(output.stderr)
    if (!words.startsWith('secrets')) said.push(output.stdout)
    return { code, ...output }
  }

  it('provisions what the quickstart has, and keeps the passwords', async () => {
    const { code, stdout, stderr } = await causeway('provision')
    assert.equal(code, 0, stderr)
    for (const line of [
      /^created +scope map connected-registry-pull/m,
      /^created +token crimagepulltoken$/m,
      /^created +token plantgateway-sync-token$/m,
      /^created +password plant-client\/password1$/m
    ])
      assert.match(stdout, line)
    const secrets = join(folder, '.causeway', 'secrets.jwe')
    assert.equal((await stat(secrets)).mode & 0o777, 0o600)
    assert.equal(await readFile(join(folder, '.causeway', '.gitignore'), 'utf8'), '*\n')
  })

  it('finds nothing to do when it runs again', async () => {
    const writes = (): number =>
      cloud.requests.filter((request) => /PUT|PATCH|generateCredentials/.test(`${request.method} ${request.path}`))
        .length
    const before = writes()
    const { code, stdout } = await causeway('provision --output json')
    assert.equal(code, 0)
    const outcomes = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { outcome: string }).outcome)
    assert.deepEqual([...new Set(outcomes)], ['unchanged'])
    assert.equal(writes(), before)
  })

  it('is the service connection of a job in Azure Pipelines, without any secret of its own', async () => {
    const job = {
      AZURE_TENANT_ID: undefined,
      AZURE_CLIENT_ID: undefined,
      AZURE_CLIENT_SECRET: undefined,
      IOTHUB_CONNECTION_STRING: undefined,
      AZURESUBSCRIPTION_TENANT_ID: tenantId,
      AZURESUBSCRIPTION_CLIENT_ID: clientId,
      AZURESUBSCRIPTION_SERVICE_CONNECTION_ID: cloud.pipeline.serviceConnectionId,
      SYSTEM_OIDCREQUESTURI: cloud.pipeline.requestUri,
      SYSTEM_ACCESSTOKEN: cloud.pipeline.accessToken
    }
    const { code, stdout, stderr } = await causeway('provision', job)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^unchanged +token crimagepulltoken$/m)
    const wrong = await causeway('provision', { ...job, SYSTEM_ACCESSTOKEN: 'a token of somebody else' })
    assert.equal(wrong.code, 4)
    assert.match(wrong.stderr, /^error AZURE_UNAUTHORIZED: /m)
    assert.doesNotMatch(wrong.stderr, /a token of somebody else/)
  })

  it('imports the runtime, so that the pull token has something to pull', async () => {
    const first = await causeway('images import')
    assert.equal(first.code, 0, first.stderr)
    assert.match(first.stdout, /^created +image azureiotedge-agent:1\.6\.1/m)
    assert.ok(cloud.registry(registryName).tags('azureiotedge-api-proxy').includes('1.1.27'))
    assert.ok(cloud.registry(registryName).tags('azureiotedge-diagnostics').includes('1.6.0'))
    const second = await causeway('images import')
    assert.equal(second.code, 0, second.stderr)
    assert.match(second.stdout, /^unchanged +image hello-world:latest \(already there\)$/m)
  })

  it('generates a manifest whose passwords work, the same bytes twice', async () => {
    const { code, stderr } = await causeway('generate')
    assert.equal(code, 0, stderr)
    const path = join(folder, 'config', 'deployment.gateway.json')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const text = await readFile(path, 'utf8')
    assert.equal((await causeway('generate --output -')).stdout, text)
    said.pop() // what was asked for on stdout is a manifest with its passwords
    const { modulesContent } = JSON.parse(text)
    const desired = modulesContent.$edgeAgent['properties.desired']
    const credential = desired.runtime.settings.registryCredentials.crimagepulltoken
    assert.equal(credential.username, 'crimagepulltoken')
    const shown = await causeway('secrets show crimagepulltoken')
    assert.equal(shown.stdout, `${credential.password}\n`)
    const connection = parseConnectionString(
      String(desired.modules['connected-registry'].env.ACR_REGISTRY_CONNECTION_STRING.value)
    )
    assert.equal(connection.parentGatewayEndpoint, `${registryName}.azurecr.io`)
    const reading = readSettings(modulesContent['connected-registry']['properties.desired'])
    assert.ok(reading.ok)
    const hash = reading.settings.tokens['plant-client']?.passwords.password1?.hash
    const client = await causeway('secrets show plant-client --slot password1')
    assert.ok(await verifyPassword(client.stdout.trimEnd(), hash ?? ''))
  })

  it('deploys nothing that a device could not pull', async () => {
    const { code, stderr } = await causeway('deploy')
    assert.equal(code, 1)
    assert.match(stderr, /^IMAGES_ABSENT acr\/connected-registry:causeway-0\.1\.0: it is not in the cloud registry; /m)
    assert.doesNotMatch(stderr, /azureiotedge/, 'what was imported was not found')
    await cloud.registry(registryName).pushImage('acr/connected-registry', 'causeway-0.1.0')
    const plan = await causeway('plan --output json')
    assert.equal(plan.code, 2, plan.stderr)
    const { changes } = JSON.parse(plan.stdout) as { changes: { part: string; code: string }[] }
    assert.deepEqual([...new Set(changes.map(({ part }) => part))], ['device gateway'])
  })

  it('deploys, and waits until edgeAgent runs every module', async () => {
    const agent = TwinStore.key('gateway', '$edgeAgent')
    const running = { runtimeStatus: 'running' }
    twins.on('desired', function report({ key, version }) {
      if (key !== agent) return
      twins.off('desired', report)
      twins.patchReported(agent, {
        lastDesiredVersion: version,
        lastDesiredStatus: { code: 200, description: '' },
        systemModules: { edgeAgent: running, edgeHub: running },
        modules: { 'connected-registry': running, IoTEdgeAPIProxy: running }
      })
    })
    const { code, stdout, stderr } = await causeway('deploy --progress json')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^gateway: runs 4 modules/)
    assert.match(stderr, /"task":"deploying to gateway","state":"done","done":4,"total":4/)
  })

  it('refuses to deploy what still has references', async () => {
    assert.equal((await causeway('generate --without-secrets --output open.json')).code, 0)
    const { code, stderr } = await causeway('deploy --manifest open.json')
    assert.equal(code, 3)
    assert.match(
      stderr,
      /error MANIFEST_HAS_REFERENCES: open\.json still has \$\{secret:crimagepulltoken\/password1\} at /
    )
  })

  it('configures through the twin, signed in with Entra ID, and tells what the module says', async () => {
    const site = await readFile(join(folder, 'site.yaml'), 'utf8')
    await writeFile(join(folder, 'site.yaml'), site.replace('intervalMinutes: 15', 'intervalMinutes: 5'))
    const key = TwinStore.key('gateway', 'connected-registry')
    twins.on('desired', (change) => {
      if (change.key !== key) return
      assert.deepEqual(change.patch, { sync: { intervalMinutes: 5 } })
      twins.patchReported(key, {
        schemaVersion: '1.0',
        runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' },
        connectionState: 'Online',
        lastDesiredVersion: change.version,
        lastDesiredStatus: { code: 200, description: 'applied' },
        appliedVersion: change.version,
        progress: { imagesReady: 1, imagesTotal: 1, bytesDone: 10, bytesTotal: 10 },
        sync: {
          trigger: 'Schedule',
          state: 'Succeeded',
          startedAt: '2026-11-21T00:00:00Z',
          succeededAt: '2026-11-21T00:01:00Z'
        }
      })
    })
    const { code, stdout, stderr } = await causeway('configure', { IOTHUB_CONNECTION_STRING: undefined })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^gateway: changed sync; .*the device applies it$/m)
    assert.ok(hub.requests.some((request) => request.method === 'PATCH' && request.caller === 'bearer'))
    assert.match((await causeway('configure')).stdout, /^gateway: nothing to do/)
  })

  it('shows where the devices stand, and how old that is', async () => {
    const table = await causeway('status')
    assert.equal(table.code, 0, table.stderr)
    assert.match(table.stdout, /^DEVICE .*\ngateway +Online +1\/1 .* s ago +-\n$/)
    const waited = await causeway('status --wait --output json')
    const { devices } = JSON.parse(waited.stdout)
    assert.equal(devices[0].ready, true)
    assert.equal(typeof devices[0].ageSeconds, 'number')
  })

  it('tells who is not allowed with an exit code of its own, and retries what passes', async () => {
    const refused = await causeway('provision', { AZURE_CLIENT_SECRET: 'a-wrong-secret-of-nobody' })
    assert.equal(refused.code, 4, refused.stderr)
    assert.match(refused.stderr, /^error AZURE_UNAUTHORIZED: /m)
    assert.doesNotMatch(refused.stderr, /\n {4}at /)
    hub.throttle(1)
    assert.equal((await causeway('status')).code, 0)
  })

  it('never let a secret out', async () => {
    const backend = await testBackend(join(folder, '.causeway'))
    const store = await SecretStore.open(backend, `${registryName}.azurecr.io`, 'read')
    const secrets = [clientSecret, hub.connectionString, ...store.values()]
    assert.equal(secrets.length, 5)
    for (const secret of secrets) for (const text of said) assert.ok(!text.includes(secret), 'a secret was printed')
  })
})
