import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { BadLink } from './bad-link.ts'
import { ForeignRegistry, type Pushed } from './foreign-registry.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, run, skip, type Variables } from './real-tools.ts'
import { pullPath } from './world.ts'

const mebibyte = 1024 * 1024
const credentials = { user: 'sync-token', password: 'right for the parent' }
/** Fast enough for a test, and slow enough that no buffer on the way is ever full when the link breaks. */
const bytesPerSecond = 6 * mebibyte

function settingsFor(parent: NonNullable<SettingsInput['parent']>, image: string): SettingsInput {
  return {
    schemaVersion: '1.0',
    parent,
    imageSets: { all: { repositories: [image] } },
    anonymousPull: { enabled: true }
  }
}

/** The manifest, once it is served; undefined before. */
async function served(module: LoneModule, repository: string, tag: string): Promise<Buffer | undefined> {
  const answer = await pullPath({ origin: module.origin }, repository, `manifests/${tag}`)
  assert.ok([200, 404].includes(answer.status), String(answer.status))
  return answer.status === 200 ? answer.body : undefined
}

/** A blob is served whole and right, or not at all. */
async function holds(module: LoneModule, repository: string, digest: string): Promise<boolean> {
  const answer = await pullPath({ origin: module.origin }, repository, `blobs/${digest}`)
  assert.ok([200, 404].includes(answer.status), String(answer.status))
  if (answer.status === 200) assert.equal(digestOf(answer.body), digest)
  return answer.status === 200
}

async function kill(module: LoneModule): Promise<void> {
  process.kill(module.pid!, 'SIGKILL')
  await module.stop()
}

/** Runs the module over a link that breaks, killing it every few cuts, until the image is here. */
async function bringOver(
  link: BadLink,
  module: LoneModule,
  variables: Variables,
  { repository, tag, kills, cutsEach }: { repository: string; tag: string; kills: number; cutsEach: number }
): Promise<void> {
  for (let killed = 0; killed < kills; killed += 1) {
    await module.start(variables)
    await link.cutTimes((killed + 1) * cutsEach)
    assert.equal(await served(module, repository, tag), undefined, 'an image that is not ready is not there')
    await kill(module)
  }
  await module.start(variables)
  await module.logs(/ image ready /)
}

function told(what: string, ratio: number, link: BadLink): number {
  console.log(`      ${what}: bytes over the link ÷ bytes needed ${ratio.toFixed(4)} (${link.cuts} cuts)`)
  return ratio
}

describe('a link that drops, before a registry that is none of ours', function () {
  this.timeout(120_000)
  let folder: string
  let parent: ForeignRegistry
  let link: BadLink
  let module: LoneModule
  let image: Pushed

  before(async function () {
    if (!isInstalled('docker-registry')) skip(this, "Debian's docker-registry is not installed")
    folder = await mkdtemp(join(tmpdir(), 'causeway-link-'))
    parent = await ForeignRegistry.start(join(folder, 'parent'), credentials)
    image = await parent.push('plant/app', '1.0', [7 * mebibyte, 6 * mebibyte, 3 * mebibyte, 1000])
    link = await BadLink.start({ host: '127.0.0.1', port: Number(parent.endpoint.split(':')[1]) })
  })
  after(async () => {
    await (link as BadLink | undefined)?.close()
    await (parent as ForeignRegistry | undefined)?.stop()
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    link.reset()
    link.bytesPerSecond = bytesPerSecond
    module = new LoneModule(await mkdtemp(join(folder, 'module-')))
    const { user, password } = credentials
    const at = { endpoint: link.endpoint, protocol: 'http', tokenName: user, password } as const
    await module.write(settingsFor(at, 'plant/app:1.0'))
  })
  afterEach(async () => {
    if (module.isRunning) await module.stop()
  })

  const needed = (): number => image.manifest.length + image.blobs.reduce((sum, blob) => sum + blob.length, 0)

  async function isWhole(): Promise<void> {
    assert.deepEqual(await served(module, 'plant/app', '1.0'), image.manifest)
    for (const blob of image.blobs) assert.equal(await holds(module, 'plant/app', digestOf(blob)), true)
  }

  it('costs what the image has where nothing is cut', async () => {
    await module.start()
    await module.logs(/ image ready /)
    const ratio = told('nothing cut', link.downstream / needed(), link)
    assert.ok(ratio >= 1 && ratio < 1.005, String(ratio))
    await isWhole()
  })

  it('costs hardly more where it breaks all the time and the module is killed again and again', async () => {
    link.cutEvery = mebibyte
    await bringOver(link, module, {}, { repository: 'plant/app', tag: '1.0', kills: 3, cutsEach: 4 })
    const ratio = told('cut and killed', link.downstream / needed(), link)
    assert.ok(ratio >= 1 && ratio <= 1.02, String(ratio))
    assert.ok(link.cuts >= 12, String(link.cuts))
    await isWhole()
  })

  it('never serves a body that was changed on the way, and fetches it again', async () => {
    link.corruptAfter = 5 * mebibyte
    await module.start()
    await module.logs(/ image ready /)
    assert.equal(link.corruptAfter, undefined)
    const ratio = told('one byte changed', link.downstream / needed(), link)
    assert.ok(ratio > 1.3 && ratio < 1.5, 'one layer came twice, and only that one')
    await isWhole()
  })

  it('gets through answers of 429 and 503', async () => {
    const later = 'Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    link.cutEvery = 4 * mebibyte
    link.answer = { next: 2, text: `HTTP/1.1 429 Too Many Requests\r\n${later}` }
    await module.start()
    await link.cutTimes(1)
    link.answer = { next: 2, text: `HTTP/1.1 503 Service Unavailable\r\n${later}` }
    await module.logs(/ image ready /)
    assert.equal(link.answer.next, 0)
    assert.ok(told('429 and 503', link.downstream / needed(), link) <= 1.02)
    await isWhole()
  })

  it('holds to a ceiling of bytes per second', async () => {
    link.bytesPerSecond = undefined
    const { user, password } = credentials
    const at = { endpoint: link.endpoint, protocol: 'http', tokenName: user, password } as const
    const ceiling = 4 * mebibyte
    await module.write({
      ...settingsFor(at, 'plant/app:1.0'),
      sync: { pacing: { bytesPerSecond: ceiling } }
    })
    await module.start()
    await link.reached(1)
    const begun = performance.now()
    await module.logs(/ image ready /)
    // Until the image is here: what merely lies in the buffers of two sockets on one machine has not come yet.
    const rate = link.downstream / ((performance.now() - begun) / 1000)
    console.log(`      a ceiling of ${ceiling} bytes per second: ${rate.toFixed(0)} came`)
    assert.ok(rate <= ceiling * 1.05, String(rate))
    await isWhole()
  })

  it('is told beside skopeo sync over the same link', async function () {
    if (!isInstalled('skopeo')) skip(this, 'skopeo is not installed')
    link.cutEvery = mebibyte
    const auth = join(folder, 'auth.json')
    const basic = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')
    // To another registry, so that a layer that has come need not come again.
    const destination = await ForeignRegistry.start(join(folder, 'skopeo'), credentials)
    const auths = { [link.endpoint]: { auth: basic }, [destination.endpoint]: { auth: basic } }
    await writeFile(auth, JSON.stringify({ auths }), { mode: 0o600 })
    const words = ['sync', '--src', 'docker', '--dest', 'docker', '--src-tls-verify=false', '--dest-tls-verify=false']
    let runs = 0
    let code: number | null = null
    try {
      while (code !== 0 && runs < 6) {
        runs += 1
        const from = `${link.endpoint}/plant/app:1.0`
        const to = `${destination.endpoint}/copy`
        ;({ code } = await run('skopeo', [...words, from, to], { REGISTRY_AUTH_FILE: auth, HOME: folder }))
      }
    } finally {
      await destination.stop()
    }
    told(`skopeo sync, ${runs} runs, ${code === 0 ? 'done' : 'not done'}`, link.downstream / needed(), link)
  })
})

describe('a link that drops, before the pretend ACR', function () {
  this.timeout(120_000)
  let folder: string
  let world: CloudFixture
  let link: BadLink
  let module: LoneModule
  let variables: Variables

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-link-'))
    world = await CloudFixture.start()
    link = await BadLink.start({ host: '127.0.0.1', port: Number(new URL(world.network.proxyUrl).port) })
    variables = { https_proxy: `http://${link.endpoint}`, NODE_EXTRA_CA_CERTS: world.caFile }
  })
  after(async () => {
    await link.close()
    await world.close()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    link.reset()
    link.bytesPerSecond = bytesPerSecond
    module = new LoneModule(await mkdtemp(join(folder, 'module-')))
  })
  afterEach(async () => {
    if (module.isRunning) await module.stop()
  })

  /** @returns bytes that have to come */
  async function prepare(repository: string): Promise<{ needed: number; digests: readonly string[] }> {
    const cloud = world.cloud.registry('contoso')
    const { blobs, size } = await cloud.pushImage(repository, '1', {
      sizes: [12, 10, 8].map((each) => each * mebibyte)
    })
    const { username, password } = cloud.addToken(`sync-${repository}`, [
      'repositories/*/content/read',
      'repositories/*/metadata/read'
    ])
    await module.write(
      settingsFor({ endpoint: 'contoso.azurecr.io', tokenName: username, password }, `${repository}:1`)
    )
    return {
      needed: size + blobs.reduce((sum, blob) => sum + blob.size, 0),
      digests: blobs.map(({ digest }) => digest)
    }
  }

  it('costs what the image has where nothing is cut', async () => {
    const { needed, digests } = await prepare('calm')
    await module.start(variables)
    await module.logs(/ image ready /)
    const ratio = told('ACR, nothing cut', link.downstream / needed, link)
    assert.ok(ratio >= 1 && ratio < 1.01, String(ratio))
    for (const digest of digests) assert.equal(await holds(module, 'calm', digest), true)
  })

  it('costs hardly more where it breaks, links expire, ACR throttles, and the module is killed', async () => {
    const { needed, digests } = await prepare('rough')
    const { knobs } = world.cloud.registry('contoso')
    knobs.signedUrlSeconds = 1
    link.cutEvery = 6 * mebibyte
    knobs.refuse = { next: 2, status: 429, retryAfter: 1, path: /\/blobs\// }
    await bringOver(link, module, variables, { repository: 'rough', tag: '1', kills: 2, cutsEach: 2 })
    const ratio = told('ACR, cut and killed, TLS included', link.downstream / needed, link)
    assert.ok(ratio >= 1 && ratio <= 1.02, String(ratio))
    for (const digest of digests) assert.equal(await holds(module, 'rough', digest), true)
  })
})
