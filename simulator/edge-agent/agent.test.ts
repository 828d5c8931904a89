import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { spawn } from 'node:child_process'
import { CertificateAuthority } from '../certificates.ts'
import { Network } from '../network.ts'
import { TwinStore } from '../twins.ts'
import { startEdgeAgent, type EdgeAgent, type ModuleView, type Programs } from './agent.ts'
import { FakeRegistry } from './fake-registry.ts'
import { goodManifest } from '../../test/cases/deployment-manifests.ts'

type Properties = Record<string, unknown>

/** Says its environment on its port, prints it, and ends with the code it was given, if any. */
const program = `
const { createServer } = require('node:net')
console.log('started with', process.env.GREETING)
if (process.env.STUBBORN) process.on('SIGTERM', () => console.log('no'))
if (process.env.EXIT_CODE) process.exit(Number(process.env.EXIT_CODE))
const port = Number(process.env.LISTEN.split(':')[1])
createServer((socket) => socket.end(JSON.stringify(process.env))).listen(port, '127.0.0.1', () => console.log('listening'))
`

describe('the pretend edgeAgent', () => {
  let folder: string
  let network: Network
  let cloud: CertificateAuthority
  let edge: CertificateAuthority
  let registry: FakeRegistry
  let twins: TwinStore
  let agent: EdgeAgent
  let programs: Programs
  let removed: string[]

  before(async () => {
    ;[cloud, edge] = await Promise.all([CertificateAuthority.create('cloud'), CertificateAuthority.create('edge')])
  })

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-agent-'))
    await writeFile(join(folder, 'program.cjs'), program)
    await writeFile(join(folder, 'ca.pem'), cloud.certificate)
    network = await Network.start()
    registry = await FakeRegistry.start(network, cloud)
    twins = new TwinStore()
    removed = []
    programs = {
      echo: {
        kind: 'process',
        command: [process.execPath, join(folder, 'program.cjs')],
        ports: () => [8080],
        environment: (context) => ({
          LISTEN: `127.0.0.1:${context.port(8080)}`,
          DATA: context.folder('/data'),
          NAMES: JSON.stringify(context.names)
        })
      },
      quiet: { kind: 'builtin' }
    }
    registry.push('echo', '1', { 'org.opencontainers.image.title': 'echo' })
    registry.push('quiet', '1', { 'org.opencontainers.image.title': 'quiet' }, true)
    registry.push('unknown', '1', {})
    agent = await start('gateway')
  })

  afterEach(async () => {
    await agent.close()
    await registry.close()
    await network.close()
    await rm(folder, { recursive: true, force: true })
  })

  function start(deviceId: string, parentHostName?: string): Promise<EdgeAgent> {
    return startEdgeAgent({
      deviceId,
      hostName: `${deviceId}.example`,
      ...(parentHostName === undefined ? {} : { parentHostName }),
      hubHostName: 'hub.example',
      network,
      twins,
      edgeHub: {
        port: 1,
        moduleEnvironment: (moduleId) => ({ IOTEDGE_MODULEID: moduleId, IOTEDGE_DEVICEID: deviceId }),
        removeModule: (moduleId) => removed.push(moduleId)
      },
      folder: join(folder, deviceId),
      cloudCertificate: cloud.certificate,
      cloudCertificateFile: join(folder, 'ca.pem'),
      edgeCertificate: edge.certificate,
      programs,
      backoff: { baseMs: 50 },
      stopGraceMs: 2000
    })
  }

  function desire(modules: Properties, credential: Properties = { username: 'puller', password: 'secret' }): void {
    twins.replaceDesired('gateway/$edgeAgent', {
      schemaVersion: '1.1',
      runtime: {
        type: 'docker',
        settings: { registryCredentials: { r: { address: 'REGISTRY.example', ...credential } } }
      },
      systemModules: {},
      modules
    })
  }

  function echo(extra: Properties = {}, settings: Properties = {}): Properties {
    const image = 'registry.example/echo:1'
    return { type: 'docker', status: 'running', restartPolicy: 'always', settings: { image, ...settings }, ...extra }
  }

  function quiet(extra: Properties = {}): Properties {
    return { type: 'docker', status: 'running', settings: { image: 'registry.example/quiet:1' }, ...extra }
  }

  function view(name: string): ModuleView | undefined {
    return agent.modules().find((module) => module.name === name)
  }

  async function until<T>(look: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = look()
      if (found !== undefined && found !== false) return found
      await once(agent, 'change')
    }
  }

  const running = (name: string): Promise<ModuleView> =>
    until(() => {
      const module = view(name)
      return module?.runtimeStatus === 'running' ? module : undefined
    })

  function reported(): Properties {
    return twins.get('gateway/$edgeAgent')!.reported.properties
  }

  function status(): { code: number; description: string } {
    const known = reported()['lastDesiredStatus'] as { code: number; description: string } | undefined
    return known ?? { code: 0, description: 'nothing reported yet' }
  }

  /** What the echo program answers: the environment it got. Retried until it listens. */
  async function environmentAt(port: number): Promise<Record<string, string>> {
    for (;;) {
      try {
        return JSON.parse(await text(connect(port, '127.0.0.1'))) as Record<string, string>
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error
        await new Promise(setImmediate)
      }
    }
  }

  it('reports an empty configuration', async () => {
    await until(() => reported()['lastDesiredStatus'])
    assert.equal(status().code, 417)
    assert.equal(reported()['lastDesiredVersion'], -1)
  })

  it('refuses a bad deployment, leaves what runs, and keeps the version it took', async () => {
    desire({ quiet: quiet() })
    await running('quiet')
    await until(() => status().code === 200)
    const version = reported()['lastDesiredVersion']
    desire({ quiet: quiet(), bad: quiet({ status: 'paused' }) })
    await until(() => status().code === 400)
    assert.match(status().description, /modules\.bad\.status/)
    assert.equal(reported()['lastDesiredVersion'], version)
    assert.equal(view('quiet')?.runtimeStatus, 'running')
    assert.equal(view('bad'), undefined)
  })

  it('reports nothing new where that makes the twin larger than 32 KB, and again once it fits', async () => {
    desire({ quiet: quiet() })
    await until(() => status().code === 200)
    const before = reported()
    const large = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [`V${index}`, { value: 'x'.repeat(3700) }])
    )
    desire({ quiet: quiet(), large: quiet({ env: large }) })
    await running('large')
    assert.deepEqual(reported(), before)
    desire({ quiet: quiet() })
    await until(() => reported()['lastDesiredVersion'] === 4)
  })

  it('pulls with the matching credential and starts what the label names', async () => {
    desire({
      echo: echo({ env: { GREETING: { value: 'hello' } } }),
      quiet: quiet(),
      unknown: quiet({ settings: { image: 'registry.example/unknown:1' } })
    })
    const { ports, pid, digest } = await running('echo')
    await running('quiet')
    await running('unknown')
    await until(() => status().code === 200)
    assert.ok(pid !== undefined && digest?.startsWith('sha256:'))
    const environment = await environmentAt(ports['8080/tcp']!)
    assert.equal(environment['GREETING'], 'hello')
    const redirected = registry.requests.filter(({ what }) => what.startsWith('blobs.example'))
    assert.ok(redirected.length > 0 && redirected.every(({ authorization }) => authorization === undefined))
    const modules = reported()['modules'] as Record<string, Properties>
    assert.equal(modules['echo']?.['runtimeStatus'], 'running')
    assert.equal(reported()['lastDesiredVersion'], twins.get('gateway/$edgeAgent')!.desired.version)
  })

  it('gives a module what edgeAgent and a container give, and nothing of its own environment', async () => {
    process.env['CAUSEWAY_TEST_LEAK'] = 'leak'
    try {
      desire({
        echo: echo(
          { env: { IOTEDGE_MODULEID: { value: 'forged' } } },
          { createOptions: '{"Env":["FROM_CREATE=yes"],"HostConfig":{"Binds":["/home/../../data:/data"]}}' }
        )
      })
      const { ports } = await running('echo')
      const environment = await environmentAt(ports['8080/tcp']!)
      const { LISTEN: listen, PATH: path, NAMES: names, ...rest } = environment
      assert.deepEqual(rest, {
        DATA: join(folder, 'gateway', 'data'),
        FROM_CREATE: 'yes',
        IOTEDGE_DEVICEID: 'gateway',
        IOTEDGE_MODULEID: 'echo',
        NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
        https_proxy: network.proxyUrl,
        no_proxy: 'localhost,127.0.0.1'
      })
      assert.ok(listen !== undefined && path !== undefined && names === '{}')
    } finally {
      delete process.env['CAUSEWAY_TEST_LEAK']
    }
  })

  for (const [name, credential, expected] of [
    ['a wrong password', { username: 'puller', password: 'wrong' }, /401 as puller .*Incorrect Password/],
    [
      'an address with a scheme',
      { address: 'https://registry.example', username: 'puller', password: 'secret' },
      /401 anonymously/
    ]
  ] as const)
    it(`backs off with ${name}, says so without the password, and starts once it is right`, async () => {
      desire({ echo: echo() }, credential)
      await until(() => status().code === 500)
      assert.equal(view('echo')?.runtimeStatus, 'backoff')
      assert.match(status().description, expected)
      assert.ok(!JSON.stringify([reported(), agent.log()]).includes(credential.password))
      desire({ echo: echo() })
      await running('echo')
      await until(() => status().code === 200)
    })

  it('tries again by itself when the registry was out of reach', async () => {
    network.sever(/registry\.example/)
    desire({ quiet: quiet() })
    await until(() => status().code === 500)
    network.restore()
    await running('quiet')
    await until(() => status().code === 200)
  })

  it('does not start an image that the registry does not have', async () => {
    desire({ quiet: quiet({ settings: { image: 'registry.example/quiet:2' } }) })
    await until(() => status().code === 500)
    assert.match(status().description, /404 .*MANIFEST_UNKNOWN/)
  })

  it('takes no image from the network with imagePullPolicy never', async () => {
    desire({ quiet: quiet({ imagePullPolicy: 'never' }) })
    await until(() => status().code === 500)
    assert.match(status().description, /No such image/)
    assert.equal(registry.requests.length, 0)
  })

  it('restarts a killed module on the same port, in the same container, without pulling', async () => {
    desire({ echo: echo() })
    const before = await running('echo')
    const requests = registry.requests.length
    agent.kill('echo', 'SIGKILL')
    const after = await until(() => {
      const module = view('echo')
      return module?.restartCount === 1 && module.runtimeStatus === 'running' ? module : undefined
    })
    assert.notEqual(after.pid, before.pid)
    assert.equal(after.exitCode, 137)
    assert.deepEqual(after.ports, before.ports)
    assert.equal(registry.requests.length, requests)
  })

  it('leaves an ended module alone with restartPolicy never', async () => {
    desire({ echo: echo({ restartPolicy: 'never', env: { EXIT_CODE: { value: '3' } } }) })
    const { exitCode } = await until(() => (view('echo')?.runtimeStatus === 'failed' ? view('echo') : undefined))
    assert.equal(exitCode, 3)
    assert.equal(view('echo')?.restartCount, 0)
    assert.ok(view('echo')?.log.includes('started with undefined'))
  })

  it('stops a module on request and starts it again', async () => {
    desire({ echo: echo() })
    const { pid } = await running('echo')
    desire({ echo: echo({ status: 'stopped' }) })
    await until(() => view('echo')?.runtimeStatus === 'stopped' && view('echo')?.pid === undefined)
    assert.throws(() => process.kill(pid!, 0), { code: 'ESRCH' })
    desire({ echo: echo() })
    await running('echo')
  })

  it('kills a module that does not stop when it is asked to', async () => {
    desire({ echo: echo({ env: { STUBBORN: { value: 'yes' } } }) })
    const { ports } = await running('echo')
    await environmentAt(ports['8080/tcp']!)
    desire({ echo: echo({ env: { STUBBORN: { value: 'yes' } }, status: 'stopped' }) })
    await until(() => view('echo')?.runtimeStatus === 'stopped' && view('echo')?.pid === undefined)
    assert.equal(view('echo')?.exitCode, 137)
    assert.ok(view('echo')?.log.includes('no'))
  })

  it('makes the container anew when its environment changes, and only then', async () => {
    desire({ echo: echo() })
    const before = await running('echo')
    desire({ echo: echo({ version: '2' }), quiet: quiet() })
    await running('quiet')
    assert.equal(view('echo')?.pid, before.pid)
    desire({ echo: echo({ env: { GREETING: { value: 'again' } } }), quiet: quiet() })
    const after = await until(() => {
      const module = view('echo')
      return module?.runtimeStatus === 'running' && module.pid !== before.pid ? module : undefined
    })
    assert.notDeepEqual(after.ports, before.ports)
    assert.equal((await environmentAt(after.ports['8080/tcp']!))['GREETING'], 'again')
  })

  it('removes a module that vanished, from the network and the reported twin as well', async () => {
    const createOptions = '{"HostConfig":{"PortBindings":{"8080/tcp":[{"HostPort":"80"}]}}}'
    desire({ echo: echo({}, { createOptions }), quiet: quiet() })
    const { pid, ports } = await running('echo')
    assert.equal(network.resolve('gateway.example:80'), ports['8080/tcp'])
    desire({ quiet: quiet() })
    await until(() => view('echo') === undefined)
    await until(() => (reported()['modules'] as Properties)['echo'] === undefined)
    assert.throws(() => process.kill(pid!, 0), { code: 'ESRCH' })
    assert.equal(network.resolve('gateway.example:80'), undefined)
    assert.deepEqual(removed, ['echo'])
  })

  it('keeps ports bound to loopback off the network, and reaches them itself', async () => {
    const createOptions = '{"HostConfig":{"PortBindings":{"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}}}'
    desire({ echo: echo({}, { createOptions }) })
    const { ports } = await running('echo')
    assert.equal(network.resolve('gateway.example:8080'), undefined)
    assert.equal(agent.hostPort(8080), ports['8080/tcp'])
  })

  it('gives a host port to one module only', async () => {
    const createOptions = '{"HostConfig":{"PortBindings":{"8080/tcp":[{"HostPort":"80"}]}}}'
    desire({ echo: echo({ startupOrder: 1 }, { createOptions }), second: echo({ startupOrder: 2 }, { createOptions }) })
    await until(() => view('second')?.runtimeStatus === 'backoff')
    assert.match(view('second')?.statusDescription ?? '', /port is already allocated to echo/)
    assert.equal(view('echo')?.runtimeStatus, 'running')
  })

  it('starts in startupOrder and shows a module the names of those before it', async () => {
    desire({ first: echo({ startupOrder: 1 }), last: echo() })
    const [first, last] = [await running('first'), await running('last')]
    const names = JSON.parse((await environmentAt(last.ports['8080/tcp']!))['NAMES']!) as Record<string, number>
    assert.deepEqual(names, { 'first:8080': first.ports['8080/tcp'] })
  })

  it('answers ping and RestartModule', async () => {
    desire({ echo: echo() })
    const { pid } = await running('echo')
    assert.deepEqual(await agent.invokeMethod('ping', null), { status: 200, payload: null })
    assert.equal((await agent.invokeMethod('RestartModule', { schemaVersion: '1.0', id: 'echo' })).status, 200)
    assert.notEqual((await running('echo')).pid, pid)
    assert.equal((await agent.invokeMethod('RestartModule', { id: 'none' })).status, 400)
    assert.equal((await agent.invokeMethod('Explode', {})).status, 400)
  })

  it('reports edgeHub’s reading of its own properties once edgeHub runs', async () => {
    const hub = (): Properties => twins.get('gateway/$edgeHub')!.reported.properties
    twins.replaceDesired('gateway/$edgeHub', goodManifest.modulesContent['$edgeHub']!['properties.desired'])
    desire({ quiet: quiet() })
    await running('quiet')
    assert.deepEqual(hub(), {})
    twins.patchDesired('gateway/$edgeAgent', { systemModules: { edgeHub: quiet() } })
    await until(() => (hub()['lastDesiredStatus'] as Properties | undefined)?.['code'] === 200)
    twins.patchDesired('gateway/$edgeHub', { routes: { upstream: 'garbage' } })
    await until(() => (hub()['lastDesiredStatus'] as Properties)['code'] === 400)
    assert.equal(hub()['lastDesiredVersion'], twins.get('gateway/$edgeHub')!.desired.version)
  })

  it('pulls from its parent by $upstream, trusting IoT Edge’s certificates there and no others', async () => {
    const child = await start('child', 'registry.example')
    try {
      twins.replaceDesired('child/$edgeAgent', {
        schemaVersion: '1.1',
        runtime: {
          type: 'docker',
          settings: { registryCredentials: { r: { address: '$upstream:443', username: 'puller', password: 'secret' } } }
        },
        systemModules: {},
        modules: { quiet: quiet({ settings: { image: '$upstream:443/quiet:1' } }) }
      })
      while (child.modules()[0]?.runtimeStatus !== 'backoff') await once(child, 'change')
      assert.match(child.modules()[0]?.statusDescription ?? '', /registry\.example cannot be reached: .*certificate/)
    } finally {
      await child.close()
    }
  })

  it('keeps what modules print in a file', async () => {
    desire({ echo: echo({ env: { GREETING: { value: 'log' } } }) })
    const { ports } = await running('echo')
    await environmentAt(ports['8080/tcp']!)
    await agent.close()
    assert.match(await readFile(join(folder, 'gateway', 'logs', 'echo.log'), 'utf8'), /started with log\nlistening\n/)
  })
})

describe('the leash of a module process', () => {
  it('ends the program when the simulator is gone, however it went', async () => {
    const simulator = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { ModuleProcess } from ${JSON.stringify(new URL('process.ts', import.meta.url).href)}
         const module = new ModuleProcess({
           command: [process.execPath, '-e', 'console.log(process.pid); setInterval(() => {}, 1000)'],
           folder: '.', environment: {}, log: { write: (chunk) => process.stdout.write(chunk) } })
         setInterval(() => {}, 1000)`
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    const [line] = (await once(simulator.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    assert.ok(pid > 0)
    process.kill(pid, 0)
    // The module holds the other end of its output pipe: 'close' comes when it is gone as well.
    simulator.kill('SIGKILL')
    await once(simulator, 'close')
    for (;;)
      try {
        process.kill(pid, 0)
        await new Promise(setImmediate)
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH')
        break
      }
  })

  it('stays when a thread of the module ends', async () => {
    const program = `
      import { fstatSync } from 'node:fs'
      import { Worker } from 'node:worker_threads'
      new Worker(new URL('data:text/javascript,'), { execArgv: process.execArgv.slice(0, 2) }).once('exit', () =>
        console.log(fstatSync(3).isFIFO() || fstatSync(3).isSocket() ? 'leashed' : 'loose')
      )`
    const leash = new URL('leash.ts', import.meta.url).href
    const module = spawn(process.execPath, ['--import', leash, '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe']
    })
    assert.ok(module.stdout !== null)
    assert.equal((await text(module.stdout)).trim(), 'leashed')
  })
})
