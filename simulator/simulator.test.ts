import assert from 'node:assert/strict'
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:https'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { HttpsProxyAgent } from 'https-proxy-agent'
import iothub from 'azure-iothub'
import { startControl, type Control } from './control.ts'
import type { Device } from './device.ts'
import type { ModuleView } from './edge-agent/agent.ts'
import { startSimulator, type Simulator } from './simulator.ts'

type Properties = Record<string, unknown>

/** Stands in for the module: a registry with one image under every name, which keeps whom it was asked as. */
const registryProgram = `
const { createServer } = require('node:http')
const { createHash } = require('node:crypto')
const { appendFileSync } = require('node:fs')
const digest = (text) => 'sha256:' + createHash('sha256').update(text).digest('hex')
const config = JSON.stringify({ config: { Labels: { 'org.opencontainers.image.title': 'hello-world' } } })
const type = 'application/vnd.oci.image.manifest.v1+json'
const manifest = JSON.stringify({ schemaVersion: 2, mediaType: type, config: { digest: digest(config) } })
const [host, port] = process.env.CAUSEWAY_LISTEN.split(':')
createServer((request, response) => {
  const { host, 'x-forwarded-host': forwarded } = request.headers
  appendFileSync(process.env.CAUSEWAY_DATA + '/asked', forwarded + ' ' + host + '\\n')
  response.setHeader('content-type', request.url.includes('/manifests/') ? type : 'application/json')
  response.end(request.url.includes('/manifests/') ? manifest : request.url.includes('/blobs/') ? config : '{}')
}).listen(Number(port), host)
`

describe('the pretend world', () => {
  let folder: string
  let simulator: Simulator
  let control: Control
  let pullToken: { readonly username: string; readonly password: string }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-simulator-test-'))
    await writeFile(join(folder, 'registry.cjs'), registryProgram)
    simulator = await startSimulator({
      folder: join(folder, 'world'),
      devices: [{ id: 'gateway' }, { id: 'child', parentId: 'gateway', hostName: 'child.cell.example' }],
      backoff: { baseMs: 50 },
      stopGraceMs: 2000,
      programs: {
        'causeway-module': {
          kind: 'process',
          command: [process.execPath, join(folder, 'registry.cjs')],
          ports: () => [8080],
          environment: (context) => ({
            CAUSEWAY_LISTEN: `127.0.0.1:${context.port(8080)}`,
            CAUSEWAY_DATA: context.folder('/var/acr/data')
          })
        }
      }
    })
    control = await startControl(simulator)
    pullToken = cloudRegistry().addToken(
      'crimagepulltoken',
      ['acr/connected-registry', 'azureiotedge-agent', 'azureiotedge-hub', 'azureiotedge-api-proxy'].map(
        (repository) => `repositories/${repository}/content/read`
      )
    )
    for (const name of ['azureiotedge-agent', 'azureiotedge-hub', 'azureiotedge-api-proxy'])
      await cloudRegistry().pushImage(name, '1', { labels: { 'org.opencontainers.image.title': name } })
  })

  after(async () => {
    await control.close()
    await simulator.close()
    await rm(folder, { recursive: true, force: true })
  })

  const cloudRegistry = (): ReturnType<Simulator['cloud']['registry']> =>
    simulator.cloud.registry(simulator.registryName)

  function device(id: string): Device {
    return simulator.devices.get(id)!
  }

  function deployment(modules: Properties): Properties {
    const { username, password } = pullToken
    const address = cloudRegistry().loginServer
    const system = (name: string): Properties => ({ type: 'docker', settings: { image: `${address}/${name}:1` } })
    return {
      $edgeAgent: {
        'properties.desired': {
          schemaVersion: '1.1',
          runtime: { type: 'docker', settings: { registryCredentials: { cloud: { address, username, password } } } },
          systemModules: {
            edgeAgent: system('azureiotedge-agent'),
            edgeHub: { ...system('azureiotedge-hub'), status: 'running' }
          },
          modules
        }
      },
      $edgeHub: {
        'properties.desired': {
          schemaVersion: '1.1',
          routes: { upstream: 'FROM /messages/* INTO $upstream' },
          storeAndForwardConfiguration: { timeToLiveSecs: 7200 }
        }
      }
    }
  }

  function proxyModule(env: Properties): Properties {
    return {
      type: 'docker',
      status: 'running',
      startupOrder: 3,
      env: { NGINX_DEFAULT_PORT: { value: '8000' }, ...env },
      settings: {
        image: `${cloudRegistry().loginServer}/azureiotedge-api-proxy:1`,
        createOptions: '{"HostConfig":{"PortBindings":{"8000/tcp":[{"HostPort":"8000"}]}}}'
      }
    }
  }

  /** Points a client of the SDK at the pretend network; there is no public way to give it an agent. */
  async function reach(client: object): Promise<void> {
    const agent = new HttpsProxyAgent(simulator.network.proxyUrl)
    // What its constructor takes is meant for the proxy; this is for the name behind it.
    Object.assign(agent.options, { ca: await readFile(simulator.certificates.cloud, 'utf8') })
    const { _restApiClient } = client as { _restApiClient: { setOptions(options: unknown): void } }
    _restApiClient.setOptions({ http: { agent } })
  }

  async function deploy(id: string, modulesContent: Properties): Promise<void> {
    const registry = iothub.Registry.fromConnectionString(simulator.hub.connectionString)
    await reach(registry)
    await registry.applyConfigurationContentOnDevice(id, { modulesContent })
  }

  async function running(id: string, module: string): Promise<ModuleView> {
    for (;;) {
      const view = device(id)
        .agent.modules()
        .find(({ name }) => name === module)
      if (view?.runtimeStatus === 'running') return view
      await once(device(id).agent, 'change')
    }
  }

  async function ask(path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const answer = await fetch(new URL(path, control.url), {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) })
    })
    const content = await answer.text()
    return { status: answer.status, body: content === '' ? undefined : JSON.parse(content) }
  }

  it('carries a deployment from the hub through a device to the one below it', async () => {
    const host = cloudRegistry().loginServer
    await deploy(
      'gateway',
      deployment({
        'connected-registry': {
          type: 'docker',
          status: 'running',
          startupOrder: 1,
          settings: {
            image: `${host}/acr/connected-registry:causeway-0.1.0`,
            createOptions: JSON.stringify({
              HostConfig: {
                Binds: ['/home/azureuser/connected-registry:/var/acr/data'],
                PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] }
              }
            })
          }
        },
        workload: { type: 'docker', status: 'running', settings: { image: '127.0.0.1:8080/hello-world:1' } },
        IoTEdgeAPIProxy: proxyModule({ CONNECTED_ACR_ROUTE_ADDRESS: { value: 'connected-registry:8080' } })
      })
    )
    await running('gateway', 'connected-registry')
    await running('gateway', 'IoTEdgeAPIProxy')
    await running('gateway', 'workload')
    const hello = { type: 'docker', status: 'running', settings: { image: '$upstream:8000/hello-world:1' } }
    await deploy('child', deployment({ IoTEdgeApiProxy: proxyModule({}), hello }))
    await running('child', 'hello')
    const asked = join(folder, 'world/devices/gateway/home/azureuser/connected-registry/asked')
    assert.match(await readFile(asked, 'utf8'), /^undefined 127\.0\.0\.1:8080$/m)
    assert.match(await readFile(asked, 'utf8'), /^gateway\.plant\.example:8000 connected-registry:8080$/m)
  })

  it('lets the network reach the child’s proxy, which relays to its parent with the right certificates', async () => {
    await running('child', 'IoTEdgeApiProxy')
    const agent = new HttpsProxyAgent(simulator.network.proxyUrl)
    const ca = await readFile(simulator.certificates.edge, 'utf8')
    for (;;) {
      const outgoing = request({ host: 'child.cell.example', port: 8000, path: '/v2/', ca, agent })
      const answered = once(outgoing.end(), 'response') as Promise<[{ statusCode: number }]>
      const [answer] = await answered.catch(() => [undefined])
      if (answer !== undefined) {
        assert.equal(answer.statusCode, 200)
        return
      }
      // It runs, and does not listen yet.
      await new Promise(setImmediate)
    }
  })

  it('answers for edgeAgent and reports to the hub', async () => {
    const reported = (): Properties => simulator.twins.get('gateway/$edgeAgent')!.reported.properties
    while ((reported()['lastDesiredStatus'] as Properties)['code'] !== 200)
      await once(device('gateway').agent, 'change')
    assert.equal(reported()['lastDesiredVersion'], simulator.twins.get('gateway/$edgeAgent')!.desired.version)
    const client = iothub.Client.fromConnectionString(simulator.hub.connectionString)
    await reach(client)
    const { result } = await client.invokeDeviceMethod('gateway', '$edgeAgent', { methodName: 'ping', payload: null })
    assert.equal((result as { status: number }).status, 200)
    await assert.rejects(client.invokeDeviceMethod('gateway', 'connected-registry', { methodName: 'x', payload: null }))
  })

  it('shows its devices', async () => {
    const { status, body } = await ask('/devices')
    assert.equal(status, 200)
    const [gateway, child] = body as { id: string; hostName: string; parentId?: string; modules: ModuleView[] }[]
    assert.deepEqual([gateway?.id, gateway?.hostName], ['gateway', 'gateway.plant.example'])
    assert.equal(child?.parentId, 'gateway')
    const module = gateway?.modules.find(({ name }) => name === 'connected-registry')
    assert.ok(module?.pid !== undefined && module.ports['8080/tcp'] !== undefined)
  })

  it('pushes images', async () => {
    const { body } = await ask('/images', { repository: 'line/scada', tag: '1', sizes: [1000, 2000] })
    assert.equal(cloudRegistry().digestOf('line/scada', '1'), (body as { digest: string }).digest)
    const other = await ask('/images', { repository: 'line/scada', tag: '1', seed: 'other' })
    assert.notDeepEqual(other.body, body)
  })

  it('severs and restores names', async () => {
    const host = `${cloudRegistry().loginServer}:443`
    assert.equal((await ask('/network/sever', { pattern: 'azurecr\\.io' })).status, 204)
    assert.equal(simulator.network.resolve(host), undefined)
    assert.equal((await ask('/network/restore', {})).status, 204)
    assert.notEqual(simulator.network.resolve(host), undefined)
  })

  it('kills modules, which edgeAgent starts again', async () => {
    const { pid } = await running('gateway', 'connected-registry')
    assert.equal((await ask('/devices/gateway/modules/connected-registry/kill', { signal: 'SIGKILL' })).status, 204)
    for (;;) {
      const view = await running('gateway', 'connected-registry')
      if (view.pid !== undefined && view.pid !== pid) break
      await once(device('gateway').agent, 'change')
    }
  })

  const refused: readonly [string, string, unknown, number][] = [
    ['an unknown path', '/nothing', {}, 404],
    ['an unknown device', '/devices/none/modules/m/kill', {}, 404],
    ['an unknown module', '/devices/gateway/modules/none/kill', {}, 404],
    ['an unknown signal', '/devices/gateway/modules/connected-registry/kill', { signal: 'SIGNONE' }, 400],
    ['a body that is no object', '/images', [1], 400],
    ['a bad repository', '/images', { repository: 'UPPER', tag: '1' }, 400],
    ['a bad tag', '/images', { repository: 'a', tag: '-' }, 400],
    ['bad sizes', '/images', { repository: 'a', tag: '1', sizes: [-1] }, 400],
    ['a bad pattern', '/network/sever', { pattern: '(' }, 400]
  ]
  for (const [name, path, body, expected] of refused)
    it(`refuses ${name}`, async () => {
      const { status, body: answer } = await ask(path, body)
      assert.equal(status, expected)
      assert.match((answer as { error: { code: string } }).error.code, /^(NOT_FOUND|BODY_INVALID)$/)
    })
})

describe('devices that cannot be', () => {
  const rows: readonly [string, { id: string; parentId?: string }[], RegExp][] = [
    ['two of one name', [{ id: 'a' }, { id: 'a' }], /two devices a/],
    ['a parent that is not there', [{ id: 'a', parentId: 'b' }], /parent that is not there: b/],
    [
      'a device above itself',
      [
        { id: 'a', parentId: 'b' },
        { id: 'b', parentId: 'a' }
      ],
      /among its own parents/
    ]
  ]
  for (const [name, devices, message] of rows)
    it(name, () => assert.rejects(startSimulator({ folder: '/nowhere', devices }), message))
})

describe('npm run simulator', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const started: ChildProcess[] = []

  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
  })

  function run(...given: string[]): ChildProcessByStdio<null, Readable, Readable> {
    const child = spawn(process.execPath, [main, ...given], { stdio: ['ignore', 'pipe', 'pipe'] })
    started.push(child)
    return child
  }

  it('says where everything is, stays until it is told to end, and cleans up', async () => {
    const child = run('--json', '--device', 'gateway', '--device', 'cell:gateway')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const ready = JSON.parse((await lines.next()).value as string) as {
      event: string
      environment: Record<string, string>
      control: string
      folder: string
      devices: { id: string }[]
    }
    assert.equal(ready.event, 'ready')
    assert.deepEqual(Object.keys(ready.environment).sort(), [
      'AZURE_CLIENT_ID',
      'AZURE_CLIENT_SECRET',
      'AZURE_TENANT_ID',
      'HTTPS_PROXY',
      'IOTHUB_CONNECTION_STRING',
      'NODE_EXTRA_CA_CERTS',
      'https_proxy',
      'no_proxy'
    ])
    const devices = (await (await fetch(`${ready.control}/devices`)).json()) as { id: string }[]
    assert.deepEqual(
      devices.map(({ id }) => id),
      ['gateway', 'cell']
    )
    child.kill('SIGTERM')
    assert.deepEqual(JSON.parse((await lines.next()).value as string), { event: 'stopped' })
    assert.deepEqual(await once(child, 'close'), [0, null])
    assert.ok(!existsSync(ready.folder))
  })

  it('refuses arguments it does not know, in one line', async () => {
    const child = run('--device', 'a:b:c')
    assert.match(await text(child.stderr), /^SIMULATOR_FAILED: --device takes id or id:parent.*\n$/)
    if (child.exitCode === null) await once(child, 'exit')
    assert.equal(child.exitCode, 1)
  })
})
