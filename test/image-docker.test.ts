import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { platformNames, type Platform } from '../packaging/platforms.ts'
import { makeEngine, type Engine } from './engines.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, mustRun, run, skip, type Variables } from './real-tools.ts'
import { pullPath } from './world.ts'

const root = join(import.meta.dirname, '..')
const repository = 'acr/connected-registry'
const [user, password] = ['carrier', 'a password for loopback alone']
const platforms = Object.keys(platformNames) as Platform[]

/** The image is built only: a base of one small file, of each platform, is enough for that. */
describe('the image, built by docker', function () {
  // The daemon has to come up, and on a volume without layers of its own every step is a copy.
  this.timeout(240_000)
  let folder: string
  let docker: Engine
  let variables: Variables
  let registry: LoneModule | undefined

  before(async function () {
    for (const tool of ['skopeo', 'npm']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    folder = await mkdtemp(join(tmpdir(), 'cw-docker-'))
    docker = makeEngine('docker', folder)
    const reason = await docker.start()
    if (reason !== undefined) skip(this, reason)
    variables = {
      ...docker.environment,
      // Debian's docker has BuildKit in itself; others want a plugin.
      PATH: [dirname(process.execPath), '/usr/bin', process.env['PATH']].join(delimiter),
      SOURCE_DATE_EPOCH: '1700000000'
    }
    await mkdir(join(folder, 'base'))
    await cp(join(root, 'LICENSE'), join(folder, 'base/LICENSE'))
    await writeFile(join(folder, 'base/Dockerfile'), 'FROM scratch\nCOPY LICENSE /\n')
    await makeBase('amd64', {})
  })
  after(async () => {
    if (registry?.isRunning === true) await registry.stop()
    await (docker as Engine | undefined)?.stop()
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true, force: true })
  })

  /** Not by `docker import`, whose older daemons forget the platform. */
  async function makeBase(platform: Platform, builder: Variables): Promise<void> {
    const words = ['build', '--quiet', '--platform', platformNames[platform], '--tag', `localhost/base-${platform}`]
    await mustRun('docker', [...words, join(folder, 'base')], { ...variables, ...builder })
  }

  async function skipWithout(context: Mocha.Context, builder: Variables): Promise<void> {
    const { code, stderr } = await run('docker', ['build', '--help'], { ...variables, ...builder })
    if (code !== 0) skip(context, `docker has no such builder here: ${stderr.trim().split('\n')[0] ?? ''}`)
  }

  async function npmRunImage(builder: Variables, ...words: string[]): Promise<void> {
    const entry = join(root, 'packaging/image.ts')
    const all = [entry, '--engine', 'docker', '--without-native', ...words]
    const { code, stdout, stderr } = await run(process.execPath, all, { ...variables, ...builder }, '', 200_000)
    assert.equal(code, 0, `${stdout}\n${stderr}`)
  }

  const buildKit = { DOCKER_BUILDKIT: '1' }
  const builders: readonly [name: string, variables: Variables][] = [
    ['its first builder', { DOCKER_BUILDKIT: '0' }],
    ['BuildKit', buildKit]
  ]
  const layers: string[] = []
  for (const [name, builder] of builders)
    it(`has the same layer each time, by ${name}`, async function () {
      await skipWithout(this, builder)
      for (const time of ['once', 'twice']) {
        const context = join(folder, `context-${time}`)
        await npmRunImage(
          builder,
          '--platform',
          'amd64',
          '--base',
          'localhost/base-amd64',
          '--tag',
          'built',
          '--context',
          context
        )
        const inspect = ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', 'built']
        const [, own = '', ...others] = JSON.parse(await mustRun('docker', inspect, variables)) as string[]
        assert.deepEqual(others, [], 'one layer upon the base')
        layers.push(own)
        // Nothing is left that a second build could take over.
        await mustRun('docker', ['image', 'rm', '--force', 'built'], variables)
        await mustRun('docker', ['builder', 'prune', '--all', '--force'], variables)
      }
      assert.equal(new Set(layers).size, 1, layers.join(' '))
    })

  it('is pushed for every platform, and all of them as one', async function () {
    await skipWithout(this, buildKit)
    for (const platform of platforms) await makeBase(platform, buildKit)
    const home = join(folder, 'registry')
    await mkdir(home)
    registry = new LoneModule(home)
    const actions = ['content/read', 'content/write', 'metadata/read'].map((right) => `repositories/*/${right}`)
    const settings: SettingsInput = {
      schemaVersion: '1.0',
      mode: 'ReadWrite',
      scopeMaps: { carrier: { actions } },
      tokens: { [user]: { scopeMap: 'carrier', passwords: { password1: { hash: await hashPassword(password) } } } }
    }
    await registry.write(settings)
    await registry.start()
    const { host } = new URL(registry.origin)
    // Where `docker login` leaves them, and where skopeo looks, too.
    await mkdir(join(folder, '.docker'), { recursive: true })
    const auth = Buffer.from(`${user}:${password}`).toString('base64')
    await writeFile(join(folder, '.docker/config.json'), JSON.stringify({ auths: { [host]: { auth } } }), {
      mode: 0o600
    })
    const bases = platforms.flatMap((platform) => ['--base', `${platform}=localhost/base-${platform}`])
    const image = `${host}/${repository}:0.1.0`
    await npmRunImage(buildKit, '--platform', 'all', ...bases, '--context', join(folder, 'all'), '--push', image)
    const list = await pullPath({ origin: registry.origin, user, password }, repository, 'manifests/0.1.0')
    const { manifests } = JSON.parse(list.body.toString()) as {
      manifests: { digest: string; platform: { os: string; architecture: string; variant?: string } }[]
    }
    for (const [at, platform] of platforms.entries()) {
      const { digest, platform: of } = manifests[at]!
      assert.equal(
        [of.os, of.architecture, of.variant].filter((part) => part !== undefined).join('/'),
        platformNames[platform]
      )
      const config = await mustRun(
        'skopeo',
        ['inspect', '--config', '--tls-verify=false', `docker://${host}/${repository}@${digest}`],
        variables
      )
      const { architecture } = JSON.parse(config) as { architecture: string }
      assert.equal(architecture, of.architecture)
    }
  })
})
