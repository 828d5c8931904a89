import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { BadLink } from './bad-link.ts'
import { ForeignRegistry, type Pushed } from './foreign-registry.ts'
import { assertHardlyMore, bringOver, bytesPerSecond, holds, mebibyte, served, settingsFor, told } from './link-work.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, run, skip } from './real-tools.ts'

const credentials = { user: 'sync-token', password: 'right for the parent' }

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
    image = await parent.push('plant/app', '1.0', [4 * mebibyte, 3 * mebibyte, mebibyte, 1000])
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
    await module.write(settingsFor(at(), 'plant/app:1.0'))
  })
  afterEach(async () => {
    if (module.isRunning) await module.stop()
  })

  const at = (): NonNullable<SettingsInput['parent']> => {
    return {
      endpoint: link.endpoint,
      protocol: 'http',
      tokenName: credentials.user,
      password: credentials.password
    }
  }
  const needed = (): number => image.manifest.length + image.blobs.reduce((sum, blob) => sum + blob.length, 0)

  async function isWhole(): Promise<void> {
    assert.deepEqual(await served(module, 'plant/app', '1.0'), image.manifest)
    for (const blob of image.blobs) assert.equal(await holds(module, 'plant/app', digestOf(blob)), true)
  }

  it('costs what the image has where nothing is cut, and holds to a ceiling of bytes per second', async () => {
    link.bytesPerSecond = undefined
    const ceiling = 4 * mebibyte
    await module.write({ ...settingsFor(at(), 'plant/app:1.0'), sync: { pacing: { bytesPerSecond: ceiling } } })
    await module.start()
    await module.logs(/ image ready /)
    // From the first connection, before any byte of it: a machine that is busy makes this longer, and never shorter.
    const took = performance.now() - (link.connectedAt[0] ?? NaN)
    const least = (link.downstream / (ceiling * 1.05)) * 1000
    assert.ok(took >= least, `${took} ms for what a ceiling of ${ceiling} bytes per second lets through in ${least}`)
    const ratio = told('nothing cut', link.downstream / needed(), link)
    assert.ok(ratio >= 1 && ratio < 1.005, String(ratio))
    await isWhole()
  })

  it('costs hardly more where it breaks all the time and the module is killed again and again', async () => {
    link.cutEvery = mebibyte / 2
    await bringOver(link, module, {}, { repository: 'plant/app', tag: '1.0', kills: 2, cutsEach: 6 })
    told('cut and killed', link.downstream / needed(), link)
    assertHardlyMore(link, { bytes: link.downstream, needed: needed(), smallestLayer: mebibyte, kills: 2 })
    assert.ok(link.cuts >= 12, String(link.cuts))
    await isWhole()
  })

  it('never serves a body that was changed on the way, and fetches it again', async () => {
    link.corruptAfter = 2 * mebibyte + 1
    await module.start()
    await module.logs(/ image ready /)
    assert.equal(link.corruptAfter, undefined)
    const ratio = told('one byte changed', link.downstream / needed(), link)
    assert.ok(ratio > 1.3 && ratio < 1.6, 'one layer came twice, and only that one')
    await isWhole()
  })

  it('gets through answers of 429 and 503, and asks again no sooner than they say', async () => {
    const later = 'Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    link.cutEvery = 2 * mebibyte
    link.answer = { next: 2, text: `HTTP/1.1 429 Too Many Requests\r\n${later}` }
    await module.start()
    await link.cutTimes(1)
    // Nothing else is asked before the first question of a pass is answered.
    const [first = NaN, second = NaN, third = NaN] = link.connectedAt
    assert.ok(second - first >= 1000 && third - second >= 1000, `${second - first} and ${third - second} ms`)
    link.answer = { next: 2, text: `HTTP/1.1 503 Service Unavailable\r\n${later}` }
    await module.logs(/ image ready /)
    assert.equal(link.answer.next, 0)
    told('429 and 503', link.downstream / needed(), link)
    assertHardlyMore(link, { bytes: link.downstream, needed: needed(), smallestLayer: mebibyte })
    await isWhole()
  })

  /*
   * skopeo 1.9 begins a layer anew after every cut: where cuts are closer together than a layer is long, it never ends. So the
   * same work is told of a link that leaves time for each layer, and of one that does not, until skopeo gives up.
   */
  it('is told beside skopeo sync over the same links', async function () {
    if (!isInstalled('skopeo')) skip(this, 'skopeo is not installed')
    const auth = join(folder, 'auth.json')
    const basic = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')
    // To another registry, so that a layer that has come need not come again.
    const destination = await ForeignRegistry.start(join(folder, 'skopeo'), credentials)
    const auths = { [link.endpoint]: { auth: basic }, [destination.endpoint]: { auth: basic } }
    await writeFile(auth, JSON.stringify({ auths }), { mode: 0o600 })
    const words = ['sync', '--src', 'docker', '--dest', 'docker', '--src-tls-verify=false', '--dest-tls-verify=false']
    const skopeo = async (cutEvery: number, mostRuns: number): Promise<void> => {
      link.reset()
      link.bytesPerSecond = bytesPerSecond
      link.cutEvery = cutEvery
      let runs = 0
      let code: number | null = null
      while (code !== 0 && runs < mostRuns) {
        runs += 1
        const from = `${link.endpoint}/plant/app:1.0`
        const to = `${destination.endpoint}/cut-every-${cutEvery}`
        ;({ code } = await run('skopeo', [...words, from, to], { REGISTRY_AUTH_FILE: auth, HOME: folder }))
      }
      const end = code === 0 ? 'done' : 'given up without the image'
      told(`skopeo sync, cut every ${cutEvery} bytes, ${runs} runs, ${end}`, link.downstream / needed(), link)
    }
    try {
      await skopeo(mebibyte / 2, 4)
      await skopeo(6 * mebibyte, 8)
    } finally {
      await destination.stop()
    }
    link.reset()
    link.bytesPerSecond = bytesPerSecond
    link.cutEvery = 6 * mebibyte
    await module.start()
    await module.logs(/ image ready /)
    told(`Causeway, cut every ${link.cutEvery} bytes, one run, done`, link.downstream / needed(), link)
    assertHardlyMore(link, { bytes: link.downstream, needed: needed(), smallestLayer: mebibyte })
  })
})
