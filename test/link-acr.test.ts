import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { BadLink } from './bad-link.ts'
import { assertHardlyMore, bringOver, bytesPerSecond, holds, mebibyte, settingsFor, told } from './link-work.ts'
import { LoneModule } from './lone-module.ts'
import type { Variables } from './real-tools.ts'

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
  async function prepare(
    repository: string,
    mebibytes: readonly number[]
  ): Promise<{ needed: number; digests: readonly string[] }> {
    const cloud = world.cloud.registry('contoso')
    const { blobs, size } = await cloud.pushImage(repository, '1', {
      sizes: mebibytes.map((each) => each * mebibyte)
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
    const { needed, digests } = await prepare('calm', [4, 3, 2])
    await module.start(variables)
    await module.logs(/ image ready /)
    const ratio = told('ACR, nothing cut', link.downstream / needed, link)
    assert.ok(ratio >= 1 && ratio < 1.01, String(ratio))
    for (const digest of digests) assert.equal(await holds(module, 'calm', digest), true)
  })

  it('costs hardly more where it breaks, links expire, ACR throttles, and the module is killed', async () => {
    const { needed, digests } = await prepare('rough', [8, 6, 4])
    const { knobs } = world.cloud.registry('contoso')
    knobs.signedUrlSeconds = 1
    link.cutEvery = 4 * mebibyte
    knobs.refuse = { next: 2, status: 429, retryAfter: 1, path: /\/blobs\// }
    await bringOver(link, module, variables, { repository: 'rough', tag: '1', kills: 1, cutsEach: 3 })
    told('ACR, cut and killed, TLS included', link.downstream / needed, link)
    assertHardlyMore(link, { bytes: link.downstream, needed, smallestLayer: 4 * mebibyte, kills: 1 })
    for (const digest of digests) assert.equal(await holds(module, 'rough', digest), true)
  })
})
