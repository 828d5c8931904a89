import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { startEdgeHub, type EdgeHub } from '../simulator/edge-hub/edge-hub.ts'
import { TwinStore } from '../simulator/twins.ts'
import { BadLink } from './bad-link.ts'
import { freePort } from '../bench/processes.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, mustRun, Program, run, skip, type Variables } from './real-tools.ts'
import { ask, logIn, pullPath } from './world.ts'

const root = join(import.meta.dirname, '..')
const repository = 'acr/connected-registry'
const [user, password] = ['carrier', 'a password for loopback alone']
const auth = Buffer.from(`${user}:${password}`).toString('base64')
const mebibyte = 1024 * 1024
const name = 'connected-registry'

interface CreateOptions {
  readonly HostConfig: {
    readonly Binds: readonly string[]
    readonly ReadonlyRootfs: boolean
    readonly SecurityOpt: readonly string[]
    readonly CapDrop: readonly string[]
    readonly CapAdd: readonly string[]
    readonly Memory: number
  }
}

/**
 * The image as it comes from the Dockerfile, with nothing reachable: this machine's Node and the libraries of its Debian stand
 * in for the public base. It is pushed to one Causeway, synced to a second over a link that breaks, pulled from there and run
 * as edgeAgent runs it; and then it brings itself from there and gives itself out.
 */
describe('the image carries itself to the device', function () {
  // 45 MB are compressed, pushed, synced, unpacked twice and hashed at each step.
  this.timeout(240_000)
  let folder: string
  let environment: Variables
  let cloud: LoneModule
  let site: LoneModule
  let link: BadLink
  let hub: EdgeHub
  let container: Program | undefined
  const twins = new TwinStore()
  const key = TwinStore.key('gateway', 'connected-registry')

  const runner = ['--runtime', 'runc', 'run', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024']

  before(async function () {
    for (const tool of ['buildah', 'podman', 'skopeo', 'runc', 'npm'])
      if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    if (process.getuid?.() !== 0) skip(this, 'containers are run as root here')
    // podman takes no path of more than 50 characters for what runs.
    folder = await mkdtemp(join(tmpdir(), 'cw-image-'))
    // The container's own user reaches the settings and the workload API's socket in here.
    await chmod(folder, 0o755)
    const storage = join(folder, 'storage.conf')
    const place = (name: string): string => JSON.stringify(join(folder, name))
    await writeFile(storage, `[storage]\ndriver = "vfs"\ngraphroot = ${place('graph')}\nrunroot = ${place('run')}\n`)
    environment = {
      HOME: folder,
      TMPDIR: folder,
      CONTAINERS_STORAGE_CONF: storage,
      REGISTRY_AUTH_FILE: join(folder, 'auth.json'),
      SOURCE_DATE_EPOCH: '1700000000'
    }
    await logInTo({})
    await makeBase()
    const trial = await run(
      'podman',
      [...runner, '--rm', '--network', 'host', 'localhost/base', 'node', '--version'],
      environment
    )
    if (trial.code !== 0) skip(this, `no container can be run here: ${trial.stderr.trim().split('\n').at(-1) ?? ''}`)

    cloud = await startRegistry('cloud', { mode: 'ReadWrite' })
    link = await BadLink.start({ host: '127.0.0.1', port: Number(new URL(cloud.origin).port) })
    link.cutEvery = 8 * mebibyte
  })
  after(async () => {
    await container?.end()
    for (const module of [cloud, site] as (LoneModule | undefined)[])
      if (module?.isRunning === true) await module.stop()
    await (link as BadLink | undefined)?.close()
    await (hub as EdgeHub | undefined)?.close()
    if ((folder as string | undefined) === undefined) return
    await run('podman', ['rm', '--all', '--force'], environment)
    await rm(folder, { recursive: true, force: true })
  })

  const logInTo = (auths: Record<string, { auth: string }>): Promise<void> =>
    writeFile(join(folder, 'auth.json'), JSON.stringify({ auths }), { mode: 0o600 })

  async function npmRunImage(...words: string[]): Promise<void> {
    const all = ['--engine', 'buildah', '--base', 'localhost/base', '--context', join(folder, 'context'), ...words]
    const path = [dirname(process.execPath), process.env['PATH']].join(':')
    const variables = { ...environment, PATH: path }
    const entry = join(root, 'packaging/image.ts')
    const { code, stdout, stderr } = await run(process.execPath, [entry, ...all], variables, '', 90_000)
    assert.equal(code, 0, `${stdout}\n${stderr}`)
  }

  async function makeBase(): Promise<void> {
    const base = join(folder, 'base')
    const libraries = (await mustRun('ldd', [process.execPath])).match(/\/\S+/g) ?? []
    await mkdir(join(base, 'usr/bin'), { recursive: true })
    await cp(process.execPath, join(base, 'usr/bin/node'), { dereference: true })
    for (const library of libraries) {
      await mkdir(join(base, dirname(library)), { recursive: true })
      await cp(library, join(base, library), { dereference: true })
    }
    await mustRun('tar', ['-C', base, '-cf', join(folder, 'base.tar'), '.'])
    await mustRun('podman', ['import', join(folder, 'base.tar'), 'localhost/base'], environment, '', 90_000)
  }

  async function startRegistry(name: string, settings: Partial<SettingsInput>): Promise<LoneModule> {
    const home = join(folder, name)
    await mkdir(home)
    const module = new LoneModule(home)
    await module.write(await withToken(settings))
    await module.start()
    return module
  }

  async function withToken(settings: Partial<SettingsInput>): Promise<SettingsInput> {
    const actions = ['content/read', 'content/write', 'metadata/read'].map((right) => `repositories/acr/*/${right}`)
    return {
      schemaVersion: '1.0',
      ...settings,
      scopeMaps: { carrier: { actions } },
      tokens: { [user]: { scopeMap: 'carrier', passwords: { password1: { hash: await hashPassword(password) } } } }
    }
  }

  const parent = (endpoint: string): NonNullable<SettingsInput['parent']> => ({
    endpoint,
    protocol: 'http',
    tokenName: user,
    password
  })
  const host = (module: LoneModule): string => new URL(module.origin).host

  it('is built without a network, the same each time, and adds less than 15 MB', async () => {
    const build = async (tag: string): Promise<void> => npmRunImage('--tag', tag)
    const layers = async (tag: string): Promise<string[]> =>
      JSON.parse(
        await mustRun('podman', ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', tag], environment)
      ) as string[]
    await build('localhost/first')
    await build('localhost/second')
    const [first, base] = [await layers('localhost/first'), await layers('localhost/base')]
    assert.deepEqual(await layers('localhost/second'), first)
    assert.deepEqual(first.slice(0, -1), base, 'one layer upon the base')
    const context = join(folder, 'context')
    const [content = ''] = (await readdir(context)).filter((name) => name.endsWith('.tar'))
    const compressed = Number(await mustRun('sh', ['-c', 'gzip -c "$0" | wc -c', join(context, content)]))
    console.log(`      ${(compressed / 1e6).toFixed(2)} MB compressed above its base`)
    assert.ok(compressed < 15e6)
  })

  it('says what it is, and has one volume', async () => {
    const inspected = await mustRun('podman', ['image', 'inspect', 'localhost/first'], environment)
    const [image] = JSON.parse(inspected) as [{ Config: { Labels: Record<string, string>; Volumes: object } }]
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    const labels = Object.entries(image.Config.Labels).flatMap(([label, value]) => {
      const [, short] = /^org\.opencontainers\.image\.(.+)$/.exec(label) ?? []
      return short === undefined ? [] : [[short, value]]
    })
    const { revision = '', ...others } = Object.fromEntries(labels) as Record<string, string>
    assert.match(revision, /^(?:[0-9a-f]{40}|unknown)$/)
    assert.deepEqual(others, {
      title: 'causeway-module',
      description: 'A connected registry for Azure IoT Edge',
      licenses: 'MIT',
      version,
      created: '2023-11-14T22:13:20.000Z'
    })
    assert.deepEqual(Object.keys(image.Config.Volumes), ['/var/acr/data'])
  })

  it('is pushed with its bill of materials beside it', async () => {
    await logInTo({ [host(cloud)]: { auth } })
    await npmRunImage('--push', `${host(cloud)}/${repository}:0.1.0`)
    const caller = { origin: cloud.origin, user, password }
    const manifest = await pullPath(caller, repository, 'manifests/0.1.0')
    const digest = String(manifest.headers['docker-content-digest'])
    const { token = '' } = await logIn(caller, `repository:${repository}:pull`)
    const referrers = await ask(caller, `/v2/${repository}/referrers/${digest}`, { authorization: `Bearer ${token}` })
    const { manifests } = JSON.parse(referrers.body.toString()) as {
      manifests: { artifactType: string; digest: string }[]
    }
    assert.deepEqual(
      manifests.map(({ artifactType }) => artifactType),
      ['application/vnd.cyclonedx+json']
    )
    const { layers } = JSON.parse(
      (await pullPath(caller, repository, `manifests/${manifests[0]!.digest}`)).body.toString()
    ) as { layers: [{ digest: string }] }
    const materials = JSON.parse((await pullPath(caller, repository, `blobs/${layers[0].digest}`)).body.toString())
    const names = (materials.components as { name: string }[]).map(({ name }) => name)
    assert.ok(names.includes('azure-iot-device') && names.includes('undici'))
    assert.ok(!names.includes('commander'), 'which is in the generator alone')
  })

  it('comes to the site over a link that breaks', async () => {
    site = await startRegistry('site', {
      parent: parent(link.endpoint),
      imageSets: { self: { repositories: [`${repository}:0.1.0`] } }
    })
    await site.logs(/ image ready /)
    assert.ok(link.cuts > 0, 'the link broke meanwhile')
  })

  it('is pulled from there, run as edgeAgent runs it, and gives out what it has brought itself', async () => {
    await logInTo({ [host(site)]: { auth } })
    const image = `${host(site)}/${repository}:0.1.0`
    const pulled = await run('podman', ['pull', '--tls-verify=false', image], environment, '', 90_000)
    assert.equal(pulled.code, 0, pulled.stderr)

    const authority = await CertificateAuthority.create()
    twins.create(key)
    twins.patchDesired(key, {
      ...(await withToken({
        parent: parent(host(site)),
        imageSets: { self: { repositories: [`${repository}:0.1.0`] } }
      }))
    })
    hub = await startEdgeHub({ deviceId: 'gateway', hubHostName: 'hub1.azure-devices.net', authority, twins })
    // A fresh folder that is root's own, as an engine makes it for a bind that is not there.
    const data = join(folder, 'device')
    await mkdir(data, { mode: 0o755 })
    container = new Program('podman', [...(await asEdgeAgent(data)), image], environment)
    const [, origin = ''] = await container.says(/ serving version=.*address=(\S+)/)
    await container.says(/ image ready /)
    const caller = { origin, user, password }
    const manifest = await pullPath(caller, repository, 'manifests/0.1.0')
    assert.equal(manifest.status, 200)
    const { layers } = JSON.parse(manifest.body.toString()) as { layers: { digest: string }[] }
    const last = layers.at(-1)?.digest ?? ''
    assert.equal((await pullPath(caller, repository, `blobs/${last}`)).status, 200)
    await mustRun('podman', ['healthcheck', 'run', name], environment)
    const pid = await mustRun('podman', ['inspect', '--format', '{{.State.Pid}}', name], environment)
    const mapped = await readFile(`/proc/${pid}/maps`, 'utf8')
    assert.ok(/\/koffi\.node$/m.test(mapped), 'koffi runs, by which blobs leave by sendfile')
    while (twins.get(key)?.reported.properties['connectionState'] !== 'Online') await once(twins, 'reported')
    const findings = await doctor()
    for (const check of ['volume', 'parent', 'credentials', 'hub', 'settings'])
      assert.match(findings, new RegExp(`^ok +${check} `, 'm'), findings)
  })

  it('needs no root where User is set, and tells its twin the command that makes the folder its own', async function () {
    await container?.end()
    const data = join(folder, 'not-its-own')
    await mkdir(data, { mode: 0o755 })
    const image = `${host(site)}/${repository}:0.1.0`
    const before = twins.get(key)?.reported.version
    container = new Program('podman', [...(await asEdgeAgent(data, '13650:13650')), image], environment)
    const told = (): { code: string; description: string } | undefined => {
      const { version, properties } = twins.get(key)?.reported ?? assert.fail()
      if (version === before) return undefined
      const details = properties['statusDetails'] as { code: string; description: string }[] | undefined
      return details?.find(({ code }) => code === 'DiskError')
    }
    while (told() === undefined) await once(twins, 'reported')
    assert.equal(container.isRunning, true)
    const pid = await mustRun('podman', ['inspect', '--format', '{{.State.Pid}}', name], environment)
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    assert.match(status, /^Uid:(\t13650){4}$/m)
    assert.match(status, /^Cap(?:Prm|Eff|Bnd):\t0+$/m)
    const [, command = ''] = /on the device run: (sudo .*)$/.exec(told()?.description ?? '') ?? []
    if ((await stat(data)).dev !== (await stat('/')).dev)
      skip(this, 'temporary folders are a file system of their own, of which a container cannot know the place')
    assert.ok(command.includes(join(data, 'causeway')), command)
    const findings = await doctor()
    assert.ok(/^failed +volume /m.test(findings) && findings.includes(command), findings)
    await mustRun('sh', ['-ec', command.replaceAll('sudo ', '')])
    await container.says(/ serving version=/)
    while (twins.get(key)?.reported.properties['connectionState'] === 'Unhealthy') await once(twins, 'reported')
  })

  /** What the documents have for whoever stands at the device, in the running container. */
  async function doctor(): Promise<string> {
    const document = await readFile(join(root, 'docs/module.md'), 'utf8')
    const [, words = ''] = /^\$ sudo docker exec connected-registry (.*)$/m.exec(document) ?? []
    assert.match(words, / doctor$/)
    return (await run('podman', ['exec', name, ...words.split(' ')], environment)).stdout
  }

  /**
   * What dockerd does with the template's createOptions, as podman's flags. Not taken over: the port, since this container
   * shares the network with the pretend edgeHub; and the log's rotation, which no container that is read at once needs.
   *
   * @param user in place of the capabilities, as docs/image.md says
   */
  async function asEdgeAgent(data: string, user?: string): Promise<string[]> {
    const template = JSON.parse(await readFile(join(root, 'deployment.template.json'), 'utf8'))
    const settings = template.modulesContent.$edgeAgent['properties.desired'].modules['connected-registry'].settings
    const { HostConfig: options } = settings.createOptions as CreateOptions
    assert.ok(options.ReadonlyRootfs)
    // edgeAgent binds the workload API in; its socket is anybody's.
    const socket = new URL(hub.workloadUrl).pathname
    await chmod(socket, 0o666)
    return [
      ...[...runner, '--rm', '--name', name, '--network', 'host', '--read-only', '--read-only-tmpfs=false'],
      ...['--volume', `${socket}:${socket}`],
      ...options.Binds.flatMap((bind) => ['--volume', bind.replace('${device.dataFolder}', data)]),
      ...options.SecurityOpt.flatMap((option) => ['--security-opt', option]),
      ...options.CapDrop.flatMap((capability) => ['--cap-drop', capability]),
      ...(user === undefined ? options.CapAdd.flatMap((capability) => ['--cap-add', capability]) : ['--user', user]),
      ...['--memory', String(options.Memory)],
      ...Object.entries({
        ...hub.moduleEnvironment('connected-registry'),
        CAUSEWAY_LISTEN: `127.0.0.1:${await freePort()}`
      }).flatMap(([name, value]) => ['--env', `${name}=${value}`])
    ]
  }
})
