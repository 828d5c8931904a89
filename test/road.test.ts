import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import iothub from 'azure-iothub'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { digestOf, parseDigest } from '../module/oci/digest.ts'
import { ask, logIn, pullPath, World, type Caller } from './world.ts'

interface Manifest {
  readonly manifests?: readonly { readonly digest: string }[]
  readonly config?: { readonly digest: string }
  readonly layers?: readonly { readonly digest: string }[]
}

describe('the whole road, from a site file to a pull on the device', function () {
  this.timeout(120_000)
  let world: World
  let client: Caller & { password: string }
  const printed: string[] = []

  const run = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await world.causeway(...words)
    printed.push(stdout, stderr)
    assert.equal(code, 0, `causeway ${words.join(' ')}\n${stdout}\n${stderr}`)
    return stdout
  }

  before(async () => {
    world = await World.start()
    await run('provision')
    await run('images', 'import')
    await run('generate', '--device', 'gateway', '--output', join(world.folder, 'deployment.json'))
    await run('deploy', '--device', 'gateway', '--manifest', join(world.folder, 'deployment.json'))
    await run('status', '--device', 'gateway', '--wait')
    client = {
      origin: `http://${world.registry('gateway')}`,
      user: 'plant-client',
      password: await world.password('plant-client')
    }
  })

  after(() => world.close())

  it('keeps secrets in files of their owner, and out of everything that is printed', async () => {
    for (const file of ['deployment.json', '.causeway/secrets.jwe'])
      assert.equal((await stat(join(world.folder, file))).mode & 0o777, 0o600, file)
    const deployment = await readFile(join(world.folder, 'deployment.json'), 'utf8')
    const pull = await world.password('crimagepulltoken')
    assert.ok(deployment.includes(JSON.stringify(pull)), 'IoT Edge reads it there')
    assert.ok(!deployment.includes(client.password), 'devices are told hashes of client tokens')
    const modules = world.simulator.devices.get('gateway')!.agent.modules()
    const said = [...printed, ...modules.flatMap(({ log }) => log)].join('\n')
    for (const secret of [pull, client.password, await world.password('plantgateway-sync-token')])
      assert.ok(!said.includes(secret))
  })

  it('acknowledges the settings and reports the image as ready', () => {
    const reported = world.reported('gateway')!
    assert.equal(reported.lastDesiredStatus?.code, 200)
    assert.equal(reported.connectionState, 'Online')
    assert.equal(reported.sync?.state, 'Succeeded')
    assert.deepEqual(
      reported.images.map(({ image, state, digest }) => [image, state, digest]),
      [['hello-world:latest', 'ready', world.cloud.digestOf('hello-world', 'latest')]]
    )
    assert.ok(reported.progress!.bytesDone > 0)
    assert.equal(reported.progress!.bytesDone, reported.progress!.bytesTotal)
  })

  it('shows it in a table with its age, and as JSON', async () => {
    assert.match(await run('status', '--device', 'gateway'), /gateway\s+Online\s+1\/1\s+\d+ (s|min) ago/)
    const document = JSON.parse(await run('status', '--output', 'json')) as { devices: { device: string }[] }
    assert.deepEqual(
      document.devices.map(({ device }) => device),
      ['gateway']
    )
  })

  it('gives out by digest the very bytes that the cloud has', async () => {
    const digest = world.cloud.digestOf('hello-world', 'latest')!
    const walk = async (manifest: string): Promise<number> => {
      const answer = await pullPath(client, 'hello-world', `manifests/${manifest}`)
      assert.equal(answer.status, 200)
      assert.equal(digestOf(answer.body), parseDigest(manifest))
      const { manifests = [], config, layers = [] } = JSON.parse(answer.body.toString()) as Manifest
      let blobs = 0
      for (const child of manifests) blobs += await walk(child.digest)
      for (const blob of [...(config === undefined ? [] : [config]), ...layers]) {
        const bytes = await pullPath(client, 'hello-world', `blobs/${blob.digest}`)
        assert.equal(bytes.status, 200)
        assert.equal(digestOf(bytes.body), parseDigest(blob.digest))
        blobs += 1
      }
      return blobs
    }
    assert.ok((await walk(digest)) >= 2)
    const byTag = await pullPath(client, 'hello-world', 'manifests/latest')
    assert.equal(byTag.headers['docker-content-digest'], digest)
    assert.equal(digestOf(byTag.body), digest)
  })

  it('lists tags for whom may see them', async () => {
    const { token } = await logIn(client, 'repository:hello-world:metadata_read,pull')
    const answer = await ask(client, '/v2/hello-world/tags/list', { authorization: `Bearer ${token!}` })
    assert.deepEqual(JSON.parse(answer.body.toString()), { name: 'hello-world', tags: ['latest'] })
  })

  it('refuses who says nothing, who has the wrong password, and what the scope map leaves out', async () => {
    assert.equal((await ask(client, '/v2/hello-world/manifests/latest')).status, 401)
    assert.equal((await logIn({ ...client, password: 'wrong' }, 'repository:hello-world:pull')).status, 401)
    const outside = await pullPath(client, 'azureiotedge-agent', 'manifests/1.6.1')
    assert.ok([401, 403].includes(outside.status), `it answered ${outside.status}`)
    assert.match(outside.body.toString(), /UNAUTHORIZED|DENIED/)
  })

  it('provisions again without touching anything', async () => {
    const before = await readFile(join(world.folder, '.causeway/secrets.jwe'), 'utf8')
    const writes = (): number => world.simulator.cloud.requests.filter(isWrite).length
    const count = writes()
    assert.match(await run('provision'), /unchanged/)
    assert.equal(await readFile(join(world.folder, '.causeway/secrets.jwe'), 'utf8'), before)
    assert.equal(writes(), count)
  })

  it('takes a further repository by a change of the settings alone', async () => {
    const { digest } = await world.cloud.pushImage('tools/probe', '1.0', { platforms: ['linux/amd64', 'linux/arm64'] })
    await world.editSite((text) =>
      text
        .replace('repositories: [hello-world]', 'repositories: [hello-world, "tools/probe:1.*"]')
        .replace(
          '- repositories/hello-world/metadata/read',
          '- repositories/hello-world/metadata/read\n      - repositories/tools/*/content/read'
        )
    )
    await run('provision')
    await run('configure', '--device', 'gateway')
    const { desired } = world.simulator.twins.get('gateway/connected-registry')!
    const reported = world.reported('gateway')!
    assert.equal(reported.lastDesiredVersion, desired.version)
    assert.equal(reported.appliedVersion, desired.version)
    await run('status', '--device', 'gateway', '--wait')
    assert.match(await run('status', '--device', 'gateway'), /2\/2/)
    const index = await pullPath(client, 'tools/probe', 'manifests/1.0')
    assert.equal(index.status, 200)
    assert.equal(digestOf(index.body), digest)
    assert.match(await run('configure', '--device', 'gateway'), /nothing to do|unchanged/i)
  })

  it('refuses a bad change with path and reason, and goes on serving', async () => {
    const hub = iothub.Registry.fromConnectionString(world.simulator.environment['IOTHUB_CONNECTION_STRING']!)
    const ca = await readFile(world.simulator.certificates.cloud, 'utf8')
    // The SDK has no other way to be given an outbound proxy.
    const { _restApiClient: rest } = hub as unknown as { _restApiClient: { setOptions(options: object): void } }
    rest.setOptions({ http: { agent: new HttpsProxyAgent(world.simulator.network.proxyUrl) }, ca })
    const before = world.reported('gateway')!
    const patch = { properties: { desired: { imageSets: { workloads: { repositories: ['Hello World'] } } } } }
    await hub.updateModuleTwin('gateway', 'connected-registry', patch, '*')
    const reported = await world.untilReported(
      'gateway',
      ({ lastDesiredStatus }) => lastDesiredStatus?.code === 400,
      'a refusal'
    )
    assert.equal(reported.lastDesiredStatus?.errors[0]?.path, 'imageSets.workloads.repositories.0')
    assert.match(reported.lastDesiredStatus.errors[0].reason, /repository/)
    assert.equal(reported.appliedVersion, before.appliedVersion)
    assert.equal((await pullPath(client, 'tools/probe', 'manifests/1.0')).status, 200)
    assert.match(await run('status', '--device', 'gateway'), /imageSets\.workloads\.repositories\.0/)
    await run('configure', '--device', 'gateway')
    assert.equal(world.reported('gateway')!.lastDesiredStatus?.code, 200)
  })

  it('refuses beforehand what the device would refuse afterwards; what ran goes on', async () => {
    const text = await readFile(join(world.folder, 'deployment.json'), 'utf8')
    const broken = join(world.folder, 'broken.json')
    await writeFile(broken, text.replace(/"startupOrder": 2/, '"startupOrder": "second"'), { mode: 0o600 })
    const { code, stderr } = await world.causeway('deploy', '--device', 'gateway', '--manifest', broken)
    assert.equal(code, 3)
    assert.match(stderr, /broken\.json:\d+:\d+: .*startupOrder/)
    assert.equal((await pullPath(client, 'hello-world', 'manifests/latest')).status, 200)
  })
})

/** Looking at what is there takes no write; a password is generated by a POST. */
function isWrite({ method, host }: { readonly method: string; readonly host: string }): boolean {
  return host === 'management.azure.com' && !['GET', 'HEAD'].includes(method)
}
