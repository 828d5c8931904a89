import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { TwinStore } from '../simulator/twins.ts'
import type { LayersWanted } from '../simulator/edge-agent/pull.ts'
import { BadLink } from './bad-link.ts'
import { assertHardlyMore, mebibyte } from './link-work.ts'
import { isInstalled, mustRun } from './real-tools.ts'
import { pullPath, World } from './world.ts'

const template = join(import.meta.dirname, '../deployment.template.json')

describe("a device's own workloads, over a link that is cut", function () {
  this.timeout(120_000)
  let folder: string
  let link: BadLink
  let world: World
  /** Images whose every byte the engine has, with what these came to. */
  const pulled = new Map<string, number>()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-own-workloads-'))
    const target = { host: '127.0.0.1', port: 0 }
    link = await BadLink.start(target)
    world = await World.start([{ id: 'gateway', proxyUrl: `http://${link.endpoint}` }], {
      pullLayers: isInstalled('skopeo') ? withSkopeo : byHand
    })
    target.port = Number(new URL(world.simulator.network.proxyUrl).port)
    if (!isInstalled('skopeo')) console.log('    skopeo is not installed: layers are pulled by the test itself')
  })
  after(async () => {
    await (world as World | undefined)?.close()
    await link.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** A real engine's client: from the device's own registry, or over the same link from the cloud. */
  async function withSkopeo({ registry, repository, digest, credential }: LayersWanted): Promise<void> {
    if (!registry.startsWith('127.')) return
    const home = await mkdtemp(join(folder, 'engine-'))
    const auth = Buffer.from(`${credential?.username ?? ''}:${credential?.password ?? ''}`).toString('base64')
    await writeFile(join(home, 'auth.json'), JSON.stringify({ auths: { [registry]: { auth } } }), { mode: 0o600 })
    const image = join(home, 'image')
    await mustRun(
      'skopeo',
      ['copy', '--all', '--src-tls-verify=false', `docker://${registry}/${repository}@${digest}`, `dir:${image}`],
      {
        HOME: home,
        TMPDIR: home,
        REGISTRY_AUTH_FILE: join(home, 'auth.json'),
        https_proxy: `http://${link.endpoint}`,
        no_proxy: '127.0.0.1'
      }
    )
    assert.equal(digestOf(await readFile(join(image, 'manifest.json'))), digest)
    const files = (await readdir(image)).filter((name) => name !== 'version')
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(image, name))).size))
    pulled.set(
      digest,
      sizes.reduce((sum, size) => sum + size, 0)
    )
  }

  async function byHand({ registry, repository, digest, credential }: LayersWanted): Promise<void> {
    if (!registry.startsWith('127.') || credential === undefined) return
    const { username: user, password } = credential
    const caller = { origin: `http://${registry}`, user, password }
    const get = async (path: string): Promise<Buffer> => {
      const { status, body } = await pullPath(caller, repository, path)
      assert.equal(status, 200, path)
      return body
    }
    const manifest = await get(`manifests/${digest}`)
    let bytes = manifest.length
    const { config, layers } = JSON.parse(manifest.toString()) as { config: Blob; layers: Blob[] }
    for (const blob of [config, ...layers]) bytes += (await get(`blobs/${blob.digest}`)).length
    pulled.set(digest, bytes)
  }

  /** Writes the device's template, with a workload of so many a version. */
  async function writeTemplate(version: string): Promise<void> {
    const module = {
      type: 'docker',
      status: 'running',
      restartPolicy: 'always',
      settings: { image: `\${registry.address}/plant/app:${version}` }
    }
    const text = (await readFile(template, 'utf8')).replace(
      '"modules": {',
      `"modules": { "app": ${JSON.stringify(module)},`
    )
    await writeFile(join(world.folder, 'deployment.template.json'), text)
  }

  const layers = (size: number, ...names: string[]) => names.map((seed) => ({ seed, size }))
  const appImage = (): { image: string; status: string } | undefined => {
    const modules = world.simulator.twins.get(TwinStore.key('gateway', '$edgeAgent'))?.reported.properties['modules']
    const app = (modules as Record<string, { settings?: { image?: string }; runtimeStatus?: string }> | undefined)?.[
      'app'
    ]
    return app && { image: app.settings?.image ?? '', status: app.runtimeStatus ?? '' }
  }

  it('cost in an update what is new in them, the pulls of the engine included', async () => {
    const first = await world.cloud.pushImage('plant/app', '1.0', {
      layers: layers(3 * mebibyte, 'base', 'runtime', 'app-1')
    })
    await world.editSite((text) =>
      text
        .replace('repositories: [hello-world]', "repositories: [hello-world, 'plant/app:*']")
        .replace(
          '- repositories/hello-world/metadata/read',
          '- repositories/hello-world/metadata/read\n      - repositories/plant/*/content/read'
        )
    )
    await writeTemplate('1.0')
    await world.mustRun('provision')
    await world.mustRun('images', 'import')
    await world.mustRun('deploy', '--device', 'gateway')
    assert.deepEqual(appImage(), { image: '127.0.0.1:8080/plant/app:1.0', status: 'running' })
    assert.ok(pulled.has(first.digest))

    link.reset()
    // Half a second: what TLS holds of a record that was cut in two is lost each time.
    link.cutEvery = 4 * mebibyte
    link.bytesPerSecond = 8 * mebibyte
    const second = await world.cloud.pushImage('plant/app', '2.0', {
      layers: [...layers(3 * mebibyte, 'base', 'runtime'), ...layers(14 * mebibyte, 'app-2', 'data-2')]
    })
    const here = new Set(first.blobs.map(({ digest }) => digest))
    const needed =
      second.size + second.blobs.filter(({ digest }) => !here.has(digest)).reduce((sum, { size }) => sum + size, 0)
    await writeTemplate('2.0')
    // Nothing else asks for it: the engine's 404 is what the module hears of it, within the quarter of an hour to the next pass.
    await world.mustRun('deploy', '--device', 'gateway')
    assert.deepEqual(appImage(), { image: '127.0.0.1:8080/plant/app:2.0', status: 'running' })
    assert.equal(pulled.get(second.digest), second.size + second.blobs.reduce((sum, { size }) => sum + size, 0))
    const ratio = link.downstream / needed
    console.log(
      `      bytes over the link ÷ bytes needed ${ratio.toFixed(4)} (${link.cuts} cuts), the engine's pulls included`
    )
    assert.ok(link.cuts >= 6, String(link.cuts))
    assertHardlyMore(link, { bytes: link.downstream, needed, smallestLayer: 3 * mebibyte })
  })
})

interface Blob {
  readonly digest: string
}
