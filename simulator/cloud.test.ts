import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CloudFixture, testIdentity } from './cloud-fixture.ts'

const run = promisify(execFile)
const { subscriptionId, resourceGroup } = testIdentity

/** What a pipeline does with Azure's own libraries; it knows nothing of a simulator. */
const program = `
  import { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
  import { DefaultAzureCredential } from '@azure/identity'
  const [subscription, group] = process.argv.slice(1)
  const client = new ContainerRegistryManagementClient(new DefaultAzureCredential(), subscription)
  const wait = { updateIntervalInMs: 20 }
  await client.registries.update(group, 'contoso', { anonymousPullEnabled: true, dataEndpointEnabled: true }, wait)
  const registry = await client.registries.get(group, 'contoso')
  const actions = ['repositories/app/*/content/read', 'gateway/site01/config/read']
  const map = await client.scopeMaps.create(group, 'contoso', 'site01', { actions }, wait)
  await client.scopeMaps.update(group, 'contoso', 'site01', { actions: [...actions, 'repositories/app/*/metadata/read'] }, wait)
  const token = await client.tokens.create(group, 'contoso', 'site01', { scopeMapId: map.id, status: 'enabled' }, wait)
  const credentials = await client.registries.generateCredentials(group, 'contoso', { tokenId: token.id, name: 'password1' }, wait)
  const parent = { syncProperties: { tokenId: token.id, schedule: '0 12 * * *', syncWindow: 'PT4H', messageTtl: 'P2D' } }
  const connected = await client.connectedRegistries.create(group, 'contoso', 'site01', { mode: 'ReadOnly', parent }, wait)
  const updated = await client.connectedRegistries.update(group, 'contoso', 'site01', { logging: { logLevel: 'Debug' } }, wait)
  await client.connectedRegistries.deactivate(group, 'contoso', 'site01', wait)
  const source = { registryUri: 'mcr.microsoft.com', sourceImage: 'azureiotedge-agent:1.5.44' }
  await client.registries.importImage(group, 'contoso', { source, targetTags: ['azureiotedge-agent:1.5.44'] }, wait)
  const listed = []
  for await (const each of client.connectedRegistries.list(group, 'contoso')) listed.push(each.name)
  const missing = await client.tokens.get(group, 'contoso', 'nothing').catch((error) => [error.name, error.code, error.statusCode])
  await client.connectedRegistries.delete(group, 'contoso', 'site01', wait)
  await client.tokens.delete(group, 'contoso', 'site01', wait)
  await client.scopeMaps.delete(group, 'contoso', 'site01', wait)
  const gone = await client.scopeMaps.get(group, 'contoso', 'site01').catch((error) => error.statusCode)
  console.log(JSON.stringify({
    loginServer: registry.loginServer, dataEndpoints: registry.dataEndpointHostNames, anonymous: registry.anonymousPullEnabled,
    token: token.provisioningState, slots: credentials.passwords.map((each) => each.name), username: credentials.username,
    gateway: connected.parent.syncProperties.gatewayEndpoint, logLevel: updated.logging.logLevel, listed, missing, gone
  }))
`

describe('the pretend cloud', () => {
  let fixture: CloudFixture

  beforeEach(async () => {
    fixture = await CloudFixture.start({ registries: [{ name: 'Contoso', region: 'westeurope' }] })
  })
  afterEach(() => fixture.close())

  for (const mode of ['recorded', 'specification'] as const)
    it(`serves Azure's own libraries, found by https_proxy and NODE_EXTRA_CA_CERTS alone (${mode})`, async () => {
      fixture.cloud.arm.specMode = mode === 'specification'
      fixture.cloud.arm.longPollUrls = mode === 'specification'
      const { HTTPS_PROXY: _, SSL_CERT_FILE: __, ...environment } = fixture.environment
      const { stdout } = await run(
        process.execPath,
        ['--input-type=module', '-e', program, subscriptionId, resourceGroup],
        { cwd: import.meta.dirname, env: { PATH: process.env['PATH'], ...environment }, timeout: 15_000 }
      )
      assert.deepEqual(JSON.parse(stdout), {
        loginServer: 'contoso.azurecr.io',
        dataEndpoints: ['contoso.westeurope.data.azurecr.io'],
        anonymous: true,
        token: 'Succeeded',
        slots: ['password1'],
        username: 'site01',
        gateway: 'contoso.westeurope.data.azurecr.io',
        logLevel: 'Debug',
        listed: ['site01'],
        missing: ['RestError', 'ResourceNotFound', 404],
        gone: 404
      })
      assert.deepEqual(fixture.cloud.registry('contoso').tags('azureiotedge-agent'), ['1.5.44'])
      const hosts = new Set(fixture.cloud.requests.map((request) => request.host))
      assert.deepEqual([...hosts].sort(), ['login.microsoftonline.com', 'management.azure.com'])
    })

  it('keeps passwords out of its request log', async () => {
    const registry = fixture.cloud.registry('contoso')
    const { username, password } = registry.addToken('reader-1', [])
    const form = new URLSearchParams({ grant_type: 'password', service: registry.loginServer, username, password })
    await fixture.send('POST', `https://${registry.loginServer}/oauth2/token`, { body: form })
    await fixture.entraToken()
    const log = JSON.stringify(fixture.cloud.requests)
    assert.equal(log.includes(password) || log.includes(testIdentity.clientSecret), false)
    assert.equal(registry.requests.length, 1)
  })

  it('withdraws its names when it closes', async () => {
    assert.notEqual(fixture.network.resolve('contoso.azurecr.io:443'), undefined)
    assert.equal(fixture.network.resolve('other.azurecr.io:443'), undefined)
    await fixture.cloud.close()
    assert.equal(fixture.network.resolve('contoso.azurecr.io:443'), undefined)
  })

  describe('with skopeo', () => {
    before(async function () {
      try {
        await run('skopeo', ['--version'])
      } catch {
        console.log('      skopeo is not installed: pushing and pulling with a real client is not tested here')
        this.skip()
      }
    })

    it('takes a push, gives a pull, copies between repositories, and refuses a wrong password', async () => {
      const registry = fixture.cloud.registry('contoso')
      const pushed = await registry.pushImage('app/web', '1', { layers: 2 })
      const user = registry.addToken('pusher', [
        'repositories/app/*/content/read',
        'repositories/app/*/content/write',
        'repositories/app/*/metadata/read'
      ])
      const config = join(fixture.folder, 'auth.json')
      const folder = join(fixture.folder, 'image')
      const skopeo = (...parameters: string[]): Promise<{ stdout: string }> =>
        run('skopeo', parameters, {
          env: { PATH: process.env['PATH'], HOME: fixture.folder, REGISTRY_AUTH_FILE: config, ...fixture.environment },
          timeout: 15_000
        })
      const login = (password: string): Promise<unknown> => {
        const child = skopeo('login', '--username', user.username, '--password-stdin', registry.loginServer)
        ;(child as unknown as { child: { stdin: NodeJS.WritableStream } }).child.stdin.end(password)
        return child
      }
      await assert.rejects(login('wrong'))
      await login(user.password)
      const image = (name: string): string => `docker://${registry.loginServer}/${name}`
      await skopeo('--insecure-policy', 'copy', '--preserve-digests', image('app/web:1'), `oci:${folder}:1`)
      await skopeo('--insecure-policy', 'copy', '--preserve-digests', `oci:${folder}:1`, image('app/copy:2'))
      assert.equal(registry.digestOf('app/copy', '2'), pushed.digest)
      const { stdout } = await skopeo('list-tags', image('app/copy'))
      assert.deepEqual((JSON.parse(stdout) as { Tags: string[] }).Tags, ['2'])
      await assert.rejects(skopeo('--insecure-policy', 'copy', `oci:${folder}:1`, image('elsewhere:2')))
      await skopeo(
        '--insecure-policy',
        'copy',
        '--all',
        'docker://mcr.microsoft.com/hello-world:latest',
        image('app/hello:1')
      )
      assert.notEqual(registry.digestOf('app/hello', '1'), undefined)
    })
  })
})
