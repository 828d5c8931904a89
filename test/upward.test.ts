import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { digestOf } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { BadLink } from './bad-link.ts'
import { ForeignRegistry } from './foreign-registry.ts'
import { assertHardlyMore, bytesPerSecond, mebibyte, told } from './link-work.ts'
import { LoneModule } from './lone-module.ts'
import { deleteImage, digestAt, pullBlob, pushImage, type PushedImage, type Target } from './pushing.ts'
import { isInstalled, skip, type Variables } from './real-tools.ts'

const password = 'right for everybody'
const client = { user: 'pusher', password }
/** `CAUSEWAY_UPWARD_KILLS=50 mocha test/upward.test.ts` for a longer run. */
const kills = Number(process.env['CAUSEWAY_UPWARD_KILLS'] ?? 4)

let hashed: Promise<string> | undefined

/** Settings of a device that clients may push to. */
async function writable(parent: SettingsInput['parent']): Promise<SettingsInput> {
  const hash = await (hashed ??= hashPassword(password))
  const every = ['content/read', 'content/write', 'content/delete', 'metadata/read']
  return {
    schemaVersion: '1.0',
    mode: 'ReadWrite',
    ...(parent === undefined ? {} : { parent }),
    scopeMaps: { everything: { actions: every.map((action) => `repositories/*/${action}`) } },
    tokens: { [client.user]: { scopeMap: 'everything', passwords: { password1: { hash } } } }
  }
}

const onLoopback = (endpoint: string): NonNullable<SettingsInput['parent']> => ({
  endpoint,
  protocol: 'http',
  tokenName: client.user,
  password
})

const portOf = (address: string): number => Number(address.split(':').at(-1))
const at = (origin: string): Target => ({ origin, ...client })

async function kill(module: LoneModule): Promise<void> {
  process.kill(module.pid!, 'SIGKILL')
  await module.stop()
}

/** A sample of the metrics page. */
async function sample(module: LoneModule, name: string): Promise<number | undefined> {
  const page = await (await fetch(`${module.origin}/metrics`)).text()
  const found = page.split('\n').find((line) => line.startsWith(`${name} `))
  return found === undefined ? undefined : Number(found.slice(name.length + 1))
}

/** Until nothing waits for the parent any more. */
async function emptied(module: LoneModule, milliseconds = 40_000): Promise<void> {
  const deadline = performance.now() + milliseconds
  while ((await sample(module, 'causeway_upward_waiting_bytes')) !== 0 || (await waiting(module)) !== 0) {
    if (performance.now() > deadline) throw new Error(`the queue is not empty:\n${module.log.slice(-3000)}`)
    await delay(50)
  }
}

async function waiting(module: LoneModule): Promise<number> {
  const of = async (state: string) => (await sample(module, `causeway_upward_waiting{state="${state}"}`)) ?? 0
  return (await of('waiting')) + (await of('parked'))
}

/** Slow, since each of them starts several devices, and the same ones again after each kill. */
describe('pushes on the device, and a link that drops', function () {
  this.timeout(120_000)
  let folder: string
  const modules: LoneModule[] = []
  const links: BadLink[] = []

  before(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-upward-'))))
  after(() => rm(folder, { recursive: true, force: true }))
  afterEach(async () => {
    for (const module of modules.splice(0).reverse()) if (module.isRunning) await module.stop()
    for (const link of links.splice(0)) await link.close()
  })

  async function device(settings: SettingsInput, variables: Variables = {}): Promise<LoneModule> {
    const module = new LoneModule(await mkdtemp(join(folder, 'module-')))
    modules.push(module)
    await module.write(settings)
    await module.start(variables)
    return module
  }

  async function linkTo(address: string): Promise<BadLink> {
    const link = await BadLink.start({ host: '127.0.0.1', port: portOf(address) })
    links.push(link)
    return link
  }

  /** Pushes three large layers while the link is down, lets it up, and kills the device every few cuts until all is above. */
  async function goUpOver(
    link: BadLink,
    module: LoneModule,
    variables: Variables,
    {
      sizes,
      cutEvery,
      cutsEach,
      kills
    }: { sizes: readonly number[]; cutEvery: number; cutsEach: number; kills: number }
  ): Promise<{ image: PushedImage; layers: Buffer[] }> {
    link.down = true
    const layers = sizes.map((size) => randomBytes(size * mebibyte))
    const image = await pushImage(at(module.origin), 'plant/app', '1', layers)
    await kill(module)
    link.reset()
    link.bytesPerSecond = bytesPerSecond
    link.cutEvery = cutEvery * mebibyte
    for (let killed = 0; killed < kills; killed += 1) {
      await module.start(variables)
      await link.cutTimes((killed + 1) * cutsEach)
      await kill(module)
    }
    await module.start(variables)
    await emptied(module)
    return { image, layers }
  }

  it('go up to another Causeway at hardly more than they cost, over cuts and kills', async () => {
    const parent = await device(await writable(undefined))
    const link = await linkTo(parent.origin)
    const module = await device(await writable(onLoopback(link.endpoint)))
    const { image, layers } = await goUpOver(link, module, {}, { sizes: [4, 2, 1], cutEvery: 1, cutsEach: 2, kills: 2 })
    told('Causeway, cut and killed', link.upstream / image.bytes, link)
    assertHardlyMore(link, { bytes: link.upstream, needed: image.bytes, smallestLayer: mebibyte, kills: 2 })
    assert.equal(await digestAt(at(parent.origin), 'plant/app', '1'), image.digest)
    for (const layer of layers)
      assert.ok((await pullBlob(at(parent.origin), 'plant/app', digestOf(layer))).equals(layer))
  })

  it('go up to the pretend ACR, which sends its tokens and states along', async () => {
    const world = await CloudFixture.start()
    try {
      const link = await linkTo(world.network.proxyUrl)
      const variables = { https_proxy: `http://${link.endpoint}`, NODE_EXTRA_CA_CERTS: world.caFile }
      const cloud = world.cloud.registry('contoso')
      const { username, password: secret } = cloud.addToken(
        'sync-up',
        ['*/content/read', 'plant/app/content/write'].map((action) => `repositories/${action}`)
      )
      const parent = { endpoint: 'contoso.azurecr.io', tokenName: username, password: secret }
      const module = await device(await writable(parent), variables)
      const { image } = await goUpOver(link, module, variables, { sizes: [10, 8], cutEvery: 6, cutsEach: 1, kills: 1 })
      told('ACR, cut and killed, TLS included', link.upstream / image.bytes, link)
      assertHardlyMore(link, { bytes: link.upstream, needed: image.bytes, smallestLayer: 8 * mebibyte, kills: 1 })
      assert.equal(
        cloud.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/')).length,
        1
      )
      // It may not delete there, and nowhere else either: parked, with a reason, while other repositories go on.
      await deleteImage(at(module.origin), 'plant/app', '1')
      await pushImage(at(module.origin), 'plant/elsewhere', '1', [])
      await module.logs(/upwards: parked .*delete plant\/app:1.*content\/delete/)
      await module.logs(/upwards: parked .*push plant\/elsewhere:1.*content\/write/)
    } finally {
      await world.close()
    }
  })

  it("go up to Debian's docker-registry, whatever was acknowledged between kills", async function () {
    this.timeout(60_000 + kills * 20_000)
    if (!isInstalled('docker-registry')) skip(this, "Debian's docker-registry is not installed")
    const parent = await ForeignRegistry.start(join(folder, 'parent'), client)
    try {
      const link = await linkTo(parent.endpoint)
      const settings = await writable(onLoopback(link.endpoint))
      const module = await device(settings)
      const acknowledged = new Map<string, string>()
      let needed = 0
      for (let round = 0; round < kills; round += 1) {
        link.down = round % 2 === 0
        const pushing = (async () => {
          for (let at0 = 0; ; at0 += 1) {
            const tag = `${round}-${at0}`
            const pushed = await pushImage(at(module.origin), 'plant/log', tag, [randomBytes(100_000)])
            acknowledged.set(tag, pushed.digest)
            needed += pushed.bytes
          }
        })()
        const count = acknowledged.size
        while (acknowledged.size < count + 4) await Promise.race([delay(20), pushing])
        process.kill(module.pid!, 'SIGKILL')
        await assert.rejects(pushing)
        await module.stop()
        await module.start()
      }
      link.down = false
      link.cut()
      await emptied(module)
      told(
        `docker-registry, killed ${kills} times, ${acknowledged.size} pushes acknowledged`,
        link.upstream / needed,
        link
      )
      const above = at(`http://${parent.endpoint}`)
      for (const [tag, digest] of acknowledged) assert.equal(await digestAt(above, 'plant/log', tag), digest, tag)
    } finally {
      await parent.stop()
    }
  })

  it('go on from layer to layer, three deep, pushes and deletes', async () => {
    const top = await device(await writable(undefined))
    const topLink = await linkTo(top.origin)
    const middle = await device(await writable(onLoopback(topLink.endpoint)))
    const lower = await device(await writable(onLoopback(middle.origin.replace('http://', ''))))
    topLink.down = true
    const first = await pushImage(at(lower.origin), 'plant/app', '1', [randomBytes(200_000)])
    const second = await pushImage(at(lower.origin), 'plant/app', '2', [randomBytes(1000)])
    await emptied(lower)
    assert.equal(await digestAt(at(middle.origin), 'plant/app', '1'), first.digest)
    assert.equal(await waiting(middle), 2)
    await kill(middle)
    // The lower one finds the middle one at another port after its start; the settings file is followed.
    await middle.start()
    await lower.write(await writable(onLoopback(middle.origin.replace('http://', ''))))
    topLink.down = false
    await deleteImage(at(lower.origin), 'plant/app', '2')
    await emptied(lower)
    await emptied(middle)
    assert.equal(await digestAt(at(top.origin), 'plant/app', '1'), first.digest)
    assert.equal(await digestAt(at(top.origin), 'plant/app', '2'), undefined)
    assert.notEqual(second.digest, first.digest)
  })
})
