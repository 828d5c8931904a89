import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { storagePaths } from '../storage/paths.ts'
import { Uploads } from './uploads.ts'
import { app, codeOf, portOf, useWorld, writer } from './world.test.ts'

const stale = 15 * 60_000 + 1

describe('registry: how many uploads may be under way', () => {
  const world = useWorld()
  let now = 0
  const partials = (): Promise<string[]> => readdir(storagePaths(join(world.folder, 'data')).partials)

  afterEach(async () => {
    await world.restart()
    await world.storage.collectGarbage({ graceMs: 0, leftoverMs: 0 })
  })

  it('is told by 429 with Retry-After, for one token and for all, and ends with those that end', async () => {
    world.mode = 'ReadWrite'
    const mayPush = ['content/read', 'content/write'].map((right) => `repositories/*/${right}`)
    world.configure({ second: { actions: mayPush }, third: { actions: mayPush } })
    const port = portOf(await world.start({ uploadLimits: { perToken: 3, inAll: 5 } }))
    const send = (method: string, path: string, name = 'writer') =>
      world.send(method, path, { authorization: `Basic ${Buffer.from(`${name}:secret`).toString('base64')}` }, '', port)
    const uploads = '/v2/samples/app/blobs/uploads/'
    const begun = await Promise.all(Array.from({ length: 50 }, () => send('POST', uploads)))
    assert.deepEqual(
      [202, 429].map((status) => begun.filter((answer) => answer.status === status).length),
      [3, 47]
    )
    const refused = begun.find(({ status }) => status === 429)!
    assert.equal(codeOf(refused), 'TOOMANYREQUESTS')
    assert.match(String(refused.headers['retry-after']), /^[1-9]\d*$/)
    assert.equal((await partials()).length, 3)
    // A whole blob in one request is an upload too.
    assert.equal((await send('POST', `${uploads}?digest=sha256:${'0'.repeat(64)}`)).status, 429)
    for (const status of [202, 202, 429]) assert.equal((await send('POST', uploads, 'second')).status, status)
    assert.equal((await send('POST', uploads, 'third')).status, 429)
    const location = begun.find(({ status }) => status === 202)!.headers.location!
    assert.equal((await send('DELETE', location)).status, 204)
    for (const status of [202, 429]) assert.equal((await send('POST', uploads)).status, status)
    world.configure()
  })

  it('does not count those that nobody went on with, and gives up the empty ones', async () => {
    const uploads = new Uploads(world.storage.blobs, { perToken: 3, inAll: 100 }, () => now)
    const [empty, filled, busy] = [
      await uploads.begin('a', app, 'sha256'),
      await uploads.begin('a', app, 'sha256'),
      await uploads.begin('a', app, 'sha256')
    ]
    await uploads.use(app, filled, (ingest) => ingest.append(Buffer.from('some')))
    const { promise: going, resolve: end } = Promise.withResolvers<undefined>()
    const work = uploads.use(app, busy, () => going)
    await assert.rejects(uploads.begin('a', app, 'sha256'), { code: 'TOOMANYREQUESTS' })
    now += stale
    // A request that is under way is not idle, however long it takes.
    for (const round of [1, 2]) assert.ok(await uploads.begin('a', app, 'sha256'), String(round))
    await assert.rejects(uploads.begin('a', app, 'sha256'), { code: 'TOOMANYREQUESTS' })
    await assert.rejects(uploads.offset(app, empty), { code: 'BLOB_UPLOAD_UNKNOWN' })
    assert.equal(await uploads.offset(app, filled), 4)
    end(undefined)
    await work
    assert.equal(await uploads.offset(app, busy), 0)
  })

  it('bounds what is kept of them, however many come and go', async () => {
    const uploads = new Uploads(world.storage.blobs, { perToken: 40, inAll: 100 }, () => now)
    let refused = 0
    for (let round = 0; round < 5; round += 1) {
      for (const who of ['a', 'b', 'c', 'd'])
        for (let count = 0; count < 50; count += 1) await uploads.begin(who, app, 'sha256').catch(() => (refused += 1))
      now += stale
    }
    assert.equal(refused, 5 * 100)
    // The last hundred; those before them went when these began.
    await uploads.begin('a', app, 'sha256')
    for (let turn = 0; turn < 1000 && (await partials()).length > 1; turn += 1) await new Promise(setImmediate)
    assert.equal((await partials()).length, 1)
  })

  it('is enough for a push as it is', async () => {
    world.mode = 'ReadWrite'
    for (let count = 0; count < 100; count += 1) {
      const { status } = await world.send('POST', '/v2/samples/app/blobs/uploads/', { authorization: writer })
      assert.equal(status, 202)
    }
  })
})
