import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { platformNames, type Platform } from '../packaging/platforms.ts'
import { freePort } from '../bench/processes.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, mustRun, Program, run, skip, type Variables } from './real-tools.ts'
import { ask, logIn, pullPath, type Caller } from './world.ts'

const root = join(import.meta.dirname, '..')
const repository = 'acr/connected-registry'
const [user, password] = ['carrier', 'a password for loopback alone']
const auth = Buffer.from(`${user}:${password}`).toString('base64')

/** `.ci/emulation` makes them; they are large, and come from Debian's and npm's registries. */
const bases = process.env['CAUSEWAY_PLATFORM_BASES']
/** What the kernel calls for programs of the other architectures, as Debian's qemu-user-static registers it. */
const emulators = { arm64v8: 'qemu-aarch64', arm32v7: 'qemu-arm' } as const
type Emulated = keyof typeof emulators
const emulated = Object.keys(emulators) as Emulated[]

interface List {
  readonly mediaType: string
  readonly manifests: readonly {
    readonly digest: string
    readonly platform: { readonly os: string; readonly architecture: string; readonly variant?: string }
  }[]
}

/**
 * The image of every platform from the one Dockerfile, and those of ARM really run: Node of npm's package for 64 bits and
 * Debian's for 32 bits stand in for the public bases, and qemu for the processors.
 */
describe('the image on ARM', function () {
  // Nodes of 120 MB are compressed, pushed and unpacked, and qemu takes a second or two to start one.
  this.timeout(300_000)
  let folder: string
  let environment: Variables
  let cloud: LoneModule
  let site: LoneModule
  let list: List

  before(async function () {
    for (const tool of ['buildah', 'podman', 'skopeo', 'runc', 'npm'])
      if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    if (process.getuid?.() !== 0) skip(this, 'containers are run as root here')
    if (bases === undefined) skip(this, 'CAUSEWAY_PLATFORM_BASES names no folder that .ci/emulation made')
    for (const name of Object.values(emulators))
      if (!existsSync(`/proc/sys/fs/binfmt_misc/${name}`)) skip(this, `binfmt_misc does not know ${name}`)
    folder = await mkdtemp(join(tmpdir(), 'cw-arm-'))
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
    cloud = await startRegistry('cloud', { mode: 'ReadWrite' })
    for (const platform of emulated) await importBase(platform, join(bases, `${platform}.tar`))
    // It is built and pushed only: test/image.test.ts runs it.
    await mustRun('tar', ['-C', root, '-cf', join(folder, 'small.tar'), 'LICENSE'])
    await importBase('amd64', join(folder, 'small.tar'))
  })
  after(async () => {
    for (const module of [cloud, site] as (LoneModule | undefined)[])
      if (module?.isRunning === true) await module.stop()
    if ((folder as string | undefined) === undefined) return
    await run('podman', ['rm', '--all', '--force'], environment)
    await rm(folder, { recursive: true, force: true })
  })

  async function importBase(platform: Platform, file: string): Promise<void> {
    const [os = '', architecture = '', variant] = platformNames[platform].split('/')
    const words = ['--os', os, '--arch', architecture, ...(variant === undefined ? [] : ['--variant', variant])]
    await mustRun('podman', ['import', ...words, file, `localhost/base-${platform}`], environment, '', 90_000)
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
    const actions = ['content/read', 'content/write', 'metadata/read'].map((right) => `repositories/*/${right}`)
    return {
      schemaVersion: '1.0',
      ...settings,
      scopeMaps: { carrier: { actions } },
      tokens: { [user]: { scopeMap: 'carrier', passwords: { password1: { hash: await hashPassword(password) } } } }
    }
  }

  const host = (module: LoneModule): string => new URL(module.origin).host
  const callerOf = (origin: string): Caller => ({ origin, user, password })
  const logInTo = (registry: string): Promise<void> =>
    writeFile(join(folder, 'auth.json'), JSON.stringify({ auths: { [registry]: { auth } } }), { mode: 0o600 })

  function childOf(platform: Platform): string {
    const wanted = platformNames[platform]
    const child = list.manifests.find(
      ({ platform: { os, architecture, variant } }) => [os, architecture, variant].filter(Boolean).join('/') === wanted
    )
    return child?.digest ?? ''
  }

  async function materialsBeside(module: LoneModule, digest: string): Promise<string[]> {
    const caller = callerOf(module.origin)
    const { token = '' } = await logIn(caller, `repository:${repository}:pull`)
    const headers = { authorization: `Bearer ${token}` }
    const { body } = await ask(caller, `/v2/${repository}/referrers/${digest}`, headers)
    const { manifests } = JSON.parse(body.toString()) as { manifests: { digest: string }[] }
    assert.equal(manifests.length, 1)
    const artifact = await pullPath(caller, repository, `manifests/${manifests[0]?.digest ?? ''}`)
    const { layers } = JSON.parse(artifact.body.toString()) as { layers: [{ digest: string }] }
    const materials = await pullPath(caller, repository, `blobs/${layers[0].digest}`)
    return (JSON.parse(materials.body.toString()) as { components: { name: string }[] }).components.map(
      ({ name }) => name
    )
  }

  it('is built for every platform from one Dockerfile, and pushed as one name with a bill of materials for each', async () => {
    await logInTo(host(cloud))
    const words = ['--platform', 'all', '--engine', 'buildah', '--context', join(folder, 'context')]
    const based = (Object.keys(platformNames) as Platform[]).flatMap((name) => [
      '--base',
      `${name}=localhost/base-${name}`
    ])
    const variables = {
      ...environment,
      PATH: [dirname(process.execPath), process.env['PATH']].join(':'),
      // What npm has already: koffi's binaries for other machines than this one.
      npm_config_cache: await mustRun('npm', ['config', 'get', 'cache'], process.env),
      npm_config_offline: 'true'
    }
    const { code, stdout, stderr } = await run(
      process.execPath,
      [join(root, 'packaging/image.ts'), ...words, ...based, '--push', `${host(cloud)}/${repository}:0.1.0`],
      variables,
      '',
      280_000
    )
    assert.equal(code, 0, `${stdout}\n${stderr}`)
    const answer = await pullPath(callerOf(cloud.origin), repository, 'manifests/0.1.0')
    list = JSON.parse(answer.body.toString()) as List
    assert.equal(list.manifests.length, 3)
    for (const platform of Object.keys(platformNames) as Platform[]) {
      const names = await materialsBeside(cloud, childOf(platform))
      assert.ok(names.includes('azure-iot-device'))
      const natives = { amd64: 'x64', arm64v8: 'arm64', arm32v7: 'arm' }
      assert.deepEqual(
        names.filter((name) => name.includes('koffi')),
        [`@koromix/koffi-linux-${natives[platform]}`, 'koffi']
      )
      const child = await pullPath(callerOf(cloud.origin), repository, `manifests/${childOf(platform)}`)
      const { layers } = JSON.parse(child.body.toString()) as { layers: { size: number }[] }
      const own = layers.at(-1)?.size ?? 0
      console.log(`      ${platform}: ${(own / 1e6).toFixed(2)} MB above its base`)
      assert.ok(own < 20e6)
    }
  })

  it('comes to a site that wants one platform without the others, with its bill of materials', async () => {
    site = await startRegistry('site', {
      parent: { endpoint: host(cloud), protocol: 'http', tokenName: user, password },
      imageSets: { self: { repositories: [`${repository}:0.1.0`], platforms: ['linux/arm64'] } }
    })
    await site.logs(/ image ready /)
    const status = async (platform: Platform): Promise<number> =>
      (await pullPath(callerOf(site.origin), repository, `manifests/${childOf(platform)}`)).status
    assert.equal(await status('arm64v8'), 200)
    assert.equal(await status('arm32v7'), 404)
    assert.equal(await status('amd64'), 404)
    assert.ok((await materialsBeside(site, childOf('arm64v8'))).includes('azure-iot-device'))
  })

  for (const platform of emulated)
    it(`runs on ${platform}: it challenges, is healthy, takes an image and gives it out, with koffi`, async () => {
      const from = platform === 'arm64v8' ? site : cloud
      await logInTo(host(from))
      const image = `${host(from)}/${repository}:0.1.0`
      const pull = ['pull', '--quiet', '--tls-verify=false', '--platform', platformNames[platform], image]
      const pulled = await run('podman', pull, environment, '', 90_000)
      assert.equal(pulled.code, 0, pulled.stderr)
      const home = join(folder, platform)
      await mkdir(join(home, 'data'), { recursive: true })
      await writeFile(join(home, 'settings.json'), JSON.stringify(await withToken({ mode: 'ReadWrite' })))
      const name = `causeway-${platform}`
      const container = new Program(
        'podman',
        [
          ...['--runtime', 'runc', 'run', '--rm', '--name', name, '--ulimit', 'nofile=1024:1024'],
          ...['--ulimit', 'nproc=1024:1024', '--network', 'host', '--read-only', '--read-only-tmpfs=false'],
          ...['--security-opt', 'no-new-privileges', '--cap-drop', 'ALL'],
          ...['CHOWN', 'DAC_OVERRIDE', 'SETUID', 'SETGID'].flatMap((capability) => ['--cap-add', capability]),
          ...['--volume', `${join(home, 'data')}:/var/acr/data`],
          ...['--volume', `${join(home, 'settings.json')}:/settings.json:ro`],
          ...['--env', 'CAUSEWAY_SETTINGS=/settings.json', '--env', `CAUSEWAY_LISTEN=127.0.0.1:${await freePort()}`],
          pulled.stdout.trim()
        ],
        environment
      )
      try {
        const [, origin = ''] = await container.says(/ serving version=.*address=(\S+)/)
        assert.equal((await ask({ origin }, '/v2/')).status, 401)
        // Not by `podman healthcheck`: emulated on a busy machine, it takes longer than it may.
        const check = await mustRun(
          'podman',
          ['inspect', '--format', '{{json .Config.Healthcheck.Test}}', name],
          environment
        )
        const [, ...healthcheck] = JSON.parse(check) as string[]
        await mustRun('podman', ['exec', '--user', '13650:13650', name, ...healthcheck], environment)
        await logInTo(new URL(origin).host)
        await copyThrough(new URL(origin).host)
        const pid = await mustRun('podman', ['inspect', '--format', '{{.State.Pid}}', name], environment)
        const maps = await readFile(`/proc/${pid}/maps`, 'utf8')
        assert.ok(/koffi\.node$/m.test(maps), 'koffi is there, and of this architecture')
      } finally {
        assert.equal(await container.end(), 0, container.said)
      }
    })

  /** An image of tens of megabytes goes in and comes out again; skopeo counts every byte's digest. */
  async function copyThrough(registry: string): Promise<void> {
    const copy = (...words: string[]): Promise<unknown> => mustRun('skopeo', ['copy', ...words], environment)
    const source = `docker://${host(cloud)}/${repository}:0.1.0-arm32v7`
    const here = `docker://${registry}/plant/app:1.0`
    const credentials = ['--src-tls-verify=false', '--src-creds', `${user}:${password}`]
    await copy(...credentials, '--dest-tls-verify=false', '--preserve-digests', source, here)
    await copy(...credentials, here, `dir:${join(folder, 'copy')}`)
  }
})
