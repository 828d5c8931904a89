import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BadLink } from './bad-link.ts'
import { ForeignRegistry } from './foreign-registry.ts'
import { mebibyte } from './link-work.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, skip } from './real-tools.ts'
import { pullPath } from './world.ts'

const credentials = { user: 'sync-token', password: 'right for the parent' }

describe('an image that somebody waits for', function () {
  this.timeout(60_000)
  let folder: string
  let parent: ForeignRegistry
  let link: BadLink
  let module: LoneModule

  before(async function () {
    if (!isInstalled('docker-registry')) skip(this, "Debian's docker-registry is not installed")
    folder = await mkdtemp(join(tmpdir(), 'causeway-waited-'))
    parent = await ForeignRegistry.start(join(folder, 'parent'), credentials)
    await parent.push('plant/large', '1', [2 * mebibyte, 2 * mebibyte, 2 * mebibyte])
    await parent.push('plant/small', '1', [100_000])
    link = await BadLink.start({ host: '127.0.0.1', port: Number(parent.endpoint.split(':')[1]) })
    link.bytesPerSecond = 2 * mebibyte
    module = new LoneModule(folder)
    const { user, password } = credentials
    await module.write({
      schemaVersion: '1.0',
      parent: { endpoint: link.endpoint, protocol: 'http', tokenName: user, password },
      imageSets: {
        first: { repositories: ['plant/large:1'], priority: 1 },
        last: { repositories: ['plant/small:1'], priority: 200 }
      },
      anonymousPull: { enabled: true }
    })
  })
  after(async () => {
    if ((module as LoneModule | undefined)?.isRunning === true) await module.stop()
    await (link as BadLink | undefined)?.close()
    await (parent as ForeignRegistry | undefined)?.stop()
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true, force: true })
  })

  it('moves up when its pull gets 404, before one of a higher priority that is on its way', async () => {
    await module.start()
    await link.reached(mebibyte / 2)
    const answer = await pullPath({ origin: module.origin }, 'plant/small', 'manifests/1')
    assert.equal(answer.status, 404)
    await module.logs(/ image ready .*plant\/large:1/)
    assert.deepEqual(
      [...module.log.matchAll(/ image ready image=(\S+)/g)].map(([, image]) => image),
      ['plant/small:1', 'plant/large:1']
    )
  })
})
