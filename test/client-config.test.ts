import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { connect } from 'node:tls'
import { LayeredNetwork, passOn, whyNoNamespaces } from './namespaces.ts'
import { isInstalled, Program, run, skip, type Variables } from './real-tools.ts'
import { World, type Ran } from './world.ts'

interface Engine {
  readonly engine: string
  readonly login?: string
  readonly pull: string
  readonly pullThroughMirror?: string
  readonly files: readonly { readonly path: string }[]
}

const gateway = 'gateway.plant.example:8000'

// What `causeway client-config` writes stands where engines look for it, in mounts that nobody else sees, and the commands are
// those that it prints.
describe('causeway client-config, with real clients', function () {
  this.timeout(180_000)
  let world: World
  let password: string
  let roots = 0

  before(async function () {
    const reason = whyNoMounts()
    if (reason !== undefined) skip(this, reason)
    world = await World.start()
    // Docker asks its mirrors without a login, for Docker Hub's own names.
    await world.editSite((site) =>
      site
        .replace(
          'imports:',
          'imports:\n  - { source: mcr.microsoft.com/hello-world:latest, image: library/hello-world:latest }'
        )
        .replace('scopeMaps:', 'scopeMaps:\n  everybody: { actions: [repositories/library/hello-world/content/read] }')
        .replace('repositories: [hello-world]', "repositories: [hello-world, 'library/hello-world:latest']")
        .replace('# settings:', 'settings: { anonymousPull: { enabled: true, scopeMap: everybody } }\n# settings:')
    )
    await world.mustRun('provision')
    await world.mustRun('images', 'import')
    await world.mustRun('deploy', '--device', 'gateway')
    await world.mustRun('status', '--device', 'gateway', '--wait')
    password = await world.password('plant-client')
  })
  after(async () => {
    if (whyNoMounts() === undefined) await world.close()
  })

  /** Has the files of one engine written below a folder, and gives what was printed. */
  async function configured(engine: string, ...words: readonly string[]): Promise<{ root: string; told: Engine }> {
    const root = join(world.folder, `root-${++roots}`)
    const common = ['--device', 'gateway', '--engine', engine, '--output', 'json', '--write', root]
    const printed = await world.mustRun('client-config', ...common, ...words)
    assert.ok(!printed.includes(password))
    const [told] = (JSON.parse(printed) as { engines: Engine[] }).engines
    assert.ok(told)
    for (const { path } of told.files) await stat(join(root, path))
    return { root, told }
  }

  const byTls = (): string[] => ['--host', 'gateway.plant.example', '--ca', world.simulator.certificates.edge]
  const onDevice = (): string[] => {
    const [host = '', port = ''] = world.registry('gateway').split(':')
    return ['--host', host, '--port', port]
  }
  const ways = [
    ['through the API proxy, by TLS', byTls],
    ['on the device itself, by plain HTTP', onDevice]
  ] as const

  /** Runs a printed command where the folders of `root` stand for those of /etc. */
  function as(
    root: string,
    folders: readonly string[],
    command: readonly string[],
    environment: Variables,
    input = ''
  ) {
    const mounts = folders.map((folder) => `mount --bind '${join(root, folder)}' '${folder}' && `).join('')
    const words = ['--mount', 'sh', '-c', `${mounts}exec "$@"`, 'sh', ...command]
    return run('unshare', words, { HTTPS_PROXY: world.simulator.network.proxyUrl, HOME: root, ...environment }, input)
  }

  const words = (command = ''): string[] => command.replace(/^sudo /, '').split(' ')

  function works({ code, stdout, stderr }: Ran): void {
    assert.equal(code, 0, `${stdout}\n${stderr}`)
  }

  for (const [way, options] of ways)
    describe(way, () => {
      it('podman logs in, pulls, and pulls through the mirror', async function () {
        if (!isInstalled('podman')) skip(this, 'podman is not installed')
        const { root, told } = await configured('podman', ...options())
        await cp('/etc/containers', join(root, 'etc/containers'), { recursive: true, force: false })
        const storage = ['--root', join(root, 'storage'), '--runroot', join(root, 'run'), '--storage-driver', 'vfs']
        const own = [...storage, '--tmpdir', join(root, 'tmp'), '--events-backend', 'none']
        await mkdir(join(root, 'auth'))
        const environment = { TMPDIR: root, REGISTRY_AUTH_FILE: join(root, 'auth/config.json') }
        const podman = ([name = '', ...rest]: readonly string[], input = ''): Promise<Ran> =>
          as(root, ['/etc/containers'], [name, ...own, ...rest], environment, input)
        assert.notEqual((await podman(words(told.pull))).code, 0, 'nobody has logged in')
        works(await podman(words(told.login), password))
        works(await podman(words(told.pull)))
        works(await podman(words(told.pullThroughMirror)))
        works(await podman(['podman', 'rmi', '--all', '--force']))
      })

      it('skopeo reads the same files', async function () {
        if (!isInstalled('skopeo')) skip(this, 'skopeo is not installed')
        const { root, told } = await configured('podman', ...options())
        await cp('/etc/containers', join(root, 'etc/containers'), { recursive: true, force: false })
        await mkdir(join(root, 'auth'))
        const environment = { TMPDIR: root, REGISTRY_AUTH_FILE: join(root, 'auth/config.json') }
        const skopeo = (command: readonly string[], input = ''): Promise<Ran> =>
          as(root, ['/etc/containers'], command, environment, input)
        works(await skopeo(['skopeo', ...words(told.login).slice(1)], password))
        const image = words(told.pullThroughMirror).at(-1) ?? ''
        works(await skopeo(['skopeo', 'inspect', '--raw', `docker://${image}`]))
      })

      it("containerd's ctr pulls, and pulls through the mirror, with the password of a file", async function () {
        for (const tool of ['containerd', 'ctr']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
        const { root, told } = await configured('containerd', '--with-password', ...options())
        const hosts = join(root, told.files[0]?.path ?? '')
        assert.equal((await stat(hosts)).mode & 0o777, 0o600)
        const place = join(root, 'containerd')
        await mkdir(place)
        const address = join(place, 'socket')
        const lines = ['version = 2', `root = "${place}/root"`, `state = "${place}/state"`]
        const more = ['disabled_plugins = ["io.containerd.grpc.v1.cri"]', '[grpc]', `address = "${address}"`]
        await writeFile(join(place, 'config.toml'), [...lines, ...more].join('\n'))
        const daemon = new Program('containerd', ['-c', join(place, 'config.toml')], { HOME: place, TMPDIR: place })
        try {
          await daemon.says(/containerd successfully booted/)
          const environment = { CONTAINERD_ADDRESS: address, CONTAINERD_SNAPSHOTTER: 'native', TMPDIR: root }
          const ctr = (command: readonly string[]): Promise<Ran> => as(root, ['/etc/containerd'], command, environment)
          works(await ctr(words(told.pull)))
          works(await ctr(words(told.pullThroughMirror)))
          // The same with a password that is no longer right: it was this file that let it in.
          const text = await readFile(hosts, 'utf8')
          await writeFile(
            hosts,
            text.replace(/Basic [^"]+/, `Basic ${Buffer.from('plant-client:no').toString('base64')}`)
          )
          assert.notEqual((await ctr(words(told.pull))).code, 0)
        } finally {
          await daemon.end('SIGTERM')
        }
      })
    })

  describe('docker, in a network of its own', () => {
    let network: LayeredNetwork
    let daemon: Program | undefined
    let close: (() => Promise<void>)[] = []
    let environment: Variables
    let named: string
    let unnamed: string
    let secure: Engine
    let plain: Engine

    before(async function () {
      const reason = whyNoNamespaces()
      if (reason !== undefined) skip(this, reason)
      for (const command of ['docker', 'dockerd']) if (!isInstalled(command)) skip(this, `${command} is not installed`)
      network = await LayeredNetwork.create(['client'])
      close = [() => network.close()]
      const above = network.addressAbove(0)
      const passed = async (port: string): Promise<string> => {
        const way = await passOn(above, Number(port))
        close.unshift(() => way.close())
        return way.endpoint
      }
      const registry = new URL(`http://${world.registry('gateway')}`)
      const proxy = await passed(new URL(world.simulator.network.proxyUrl).port)
      named = await passed(registry.port)
      unnamed = await passed(registry.port)
      const tls = await configured('docker', ...byTls())
      const [host = '', port = ''] = named.split(':')
      const there = ['--host', host, '--port', port, '--through', 'registry', '--mirror', 'docker.io']
      const open = await configured('docker', ...there)
      await cp(open.root, tls.root, { recursive: true })
      secure = tls.told
      plain = open.told
      const place = join(world.folder, 'docker')
      environment = { HOME: place, TMPDIR: world.folder, DOCKER_HOST: `unix://${place}/socket` }
      daemon = new Program(
        'nsenter',
        [
          `--net=${network.fileOf('client')}`,
          ...['unshare', '--fork', '--pid', '--mount-proc', '--kill-child'],
          ...['sh', '-c', dockerd, 'dockerd', place, tls.root]
        ],
        // A mirror is asked past the proxy: it is next door.
        { HOME: place, TMPDIR: world.folder, HTTPS_PROXY: `http://${proxy}`, NO_PROXY: above }
      )
      try {
        await daemon.says(/API listen on/)
      } catch (error) {
        skip(this, `dockerd does not come up here: ${(error as Error).message.trimEnd().split('\n').at(-1) ?? ''}`)
      }
    })
    after(async () => {
      await daemon?.end('SIGKILL')
      for (const each of close) await each()
    })

    const docker = ([, ...rest]: readonly string[], input = ''): Promise<Ran> => run('docker', rest, environment, input)

    it('trusts the certificate in its folder, logs in and pulls', async () => {
      works(await docker(words(secure.login), password))
      works(await docker(words(secure.pull)))
    })

    it('pulls by plain HTTP from the registry that daemon.json names as insecure, and from no other', async () => {
      const refused = await docker(['docker', 'pull', `${unnamed}/hello-world:latest`])
      assert.match(refused.stderr, /server gave HTTP response to HTTPS client/)
      works(await docker(words(plain.login), password))
      works(await docker(words(plain.pull)))
    })

    it("has Docker Hub's images from the device", async () => {
      works(await docker(['docker', 'pull', 'docker.io/library/hello-world:latest']))
    })
  })

  it('says so where k3s would be told of a password, and writes what k3s reads', async () => {
    const { root, told } = await configured('k3s', '--with-password', ...byTls())
    const file = join(root, told.files[0]?.path ?? '')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const text = await readFile(file, 'utf8')
    assert.ok(text.includes(password))
    assert.match(text, new RegExp(`https://${gateway}`))
  })

  // Last, since it takes plain HTTP away from the others: suites run in the order they are written in.
  describe('once the registry has a certificate of its own from IoT Edge', () => {
    before(async function () {
      if (!isInstalled('skopeo')) skip(this, 'skopeo is not installed')
      await world.editSite((site) =>
        site.replace('settings: {', 'settings: { registry: { tls: { source: workload } },')
      )
      await world.mustRun('configure', '--device', 'gateway')
      // The settings are acknowledged before IoT Edge has signed: nothing tells a client of that moment but an answer.
      const [, port = ''] = world.registry('gateway').split(':')
      const deadline = AbortSignal.timeout(30_000)
      while (!(await answersByTls(Number(port)))) await setTimeout(50, undefined, { signal: deadline })
    })

    it('skopeo trusts it by the root that is written', async () => {
      // What the pretend device's gateway is called by its modules, and so in their certificates.
      const [, port = ''] = world.registry('gateway').split(':')
      const there = ['--host', 'localhost', '--port', port, '--ca', world.simulator.certificates.edge]
      const { root, told } = await configured('podman', ...there)
      await cp('/etc/containers', join(root, 'etc/containers'), { recursive: true, force: false })
      await mkdir(join(root, 'auth'))
      const environment = { TMPDIR: root, HTTPS_PROXY: '', REGISTRY_AUTH_FILE: join(root, 'auth/config.json') }
      const skopeo = (command: readonly string[], input = ''): Promise<Ran> =>
        as(root, ['/etc/containers'], ['skopeo', ...command], environment, input)
      works(await skopeo(words(told.login).slice(1), password))
      const inspect = ['inspect', '--raw', `docker://${words(told.pull).at(-1) ?? ''}`]
      works(await skopeo(inspect))
      await rm(join(root, 'etc/containers/certs.d'), { recursive: true })
      assert.match((await skopeo(inspect)).stderr, /certificate signed by unknown authority/)
    })
  })
})

async function answersByTls(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Why nothing can be put in the place of /etc's folders here; undefined where it can. */
function whyNoMounts(): string | undefined {
  if (process.getuid?.() !== 0) return 'mounts over /etc need root'
  const { status } = spawnSync('unshare', ['--mount', 'true'], { stdio: 'ignore' })
  return status === 0 ? undefined : 'mounts of its own cannot be made here (unshare)'
}

// What it reads of its own from /etc/docker is what was written, and what it writes there goes to memory.
const dockerd = `
mkdir -p /etc/docker /run/docker
mount -t tmpfs none /etc/docker && mount -t tmpfs none /run/docker && cp -r "$2/etc/docker/." /etc/docker/ || exit 1
exec dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
  --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --host "unix://$1/socket"`
