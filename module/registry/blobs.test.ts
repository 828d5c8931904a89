import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { digestOf } from '../oci/digest.ts'
import { putBlob } from '../storage/contract.ts'
import { app, basic, bigLayer, blobsOf, codeOf, layer, portOf, useWorld, lastingHeaders } from './world.test.ts'

describe('registry: blobs', () => {
  const world = useWorld()

  const path = (bytes: Buffer): string => `/v2/samples/app/blobs/${digestOf(bytes)}`

  it('are served whole, HEAD like GET', async () => {
    for (const bytes of [layer, bigLayer, Buffer.alloc(0)]) {
      const answer = await world.get(path(bytes), { 'accept-encoding': 'zstd, gzip, deflate' })
      assert.equal(answer.status, 200)
      assert.ok(answer.body.equals(bytes))
      assert.equal(answer.headers['content-length'], String(bytes.length))
      assert.equal(answer.headers['content-type'], 'application/octet-stream')
      assert.equal(answer.headers['accept-ranges'], 'bytes')
      assert.equal(answer.headers['docker-content-digest'], digestOf(bytes))
      assert.equal(answer.headers['content-encoding'], undefined)
      const head = await world.send('HEAD', path(bytes))
      assert.equal(head.body.length, 0)
      assert.deepEqual(lastingHeaders(head.headers), lastingHeaders(answer.headers))
    }
    assert.equal((await world.get(path(layer), { 'if-none-match': `"${digestOf(layer)}"` })).status, 304)
  })

  it('are served in part', async () => {
    for (const [range, start, end] of [
      ['bytes=500-1499', 500, 1499],
      ['bytes=500-', 500, 2047],
      ['bytes=-500', 1548, 2047],
      ['bytes=2000-5000', 2000, 2047],
      ['bytes=0-0', 0, 0],
      ['bytes=-5000', 0, 2047]
    ] as const) {
      const answer = await world.get(path(layer), { range })
      assert.equal(answer.status, 206, range)
      assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/2048`)
      assert.equal(answer.headers['content-length'], String(end - start + 1))
      assert.ok(answer.body.equals(layer.subarray(start, end + 1)))
    }
    const tail = await world.get(path(bigLayer), { range: 'bytes=1000000-' })
    assert.ok(tail.body.equals(bigLayer.subarray(1_000_000)))
  })

  it('answer 416 with their size where no byte was asked for, and go on', async () => {
    for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0']) {
      const answer = await world.get(path(layer), { range })
      assert.equal(answer.status, 416, range)
      assert.equal(codeOf(answer), 'RANGE_INVALID')
      assert.equal(answer.headers['content-range'], 'bytes */2048')
    }
    assert.equal((await world.get(path(Buffer.alloc(0)), { range: 'bytes=0-' })).headers['content-range'], 'bytes */0')
  })

  it('are whole where the range may be ignored', async () => {
    for (const range of ['bytes=0-1,5-6', 'items=0-1', 'bytes=x', 'bytes=-'])
      assert.equal((await world.get(path(layer), { range })).status, 200, range)
    assert.equal((await world.get(path(layer), { range: 'bytes=0-1', 'if-range': '"other"' })).status, 200)
    assert.equal((await world.get(path(layer), { range: 'bytes=0-1', 'if-range': `"${digestOf(layer)}"` })).status, 206)
    assert.equal((await world.send('HEAD', path(layer), { authorization: basic, range: 'bytes=0-1' })).status, 200)
  })

  it('are given out only by repositories that link them', async () => {
    const path = `/v2/samples/blobs/uploads/blobs/${digestOf(bigLayer)}`
    assert.equal(codeOf(await world.get(path)), 'BLOB_UNKNOWN')
    assert.deepEqual(world.missing, [`samples/blobs/uploads ${digestOf(bigLayer)}`])
    assert.equal((await world.get(`/v2/samples/blobs/uploads/blobs/${digestOf(layer)}`)).status, 200)
  })

  it('that were lost from the disk are 404 before anything is promised', async () => {
    const lost = randomBytes(10)
    await putBlob(world.storage, lost)
    await world.storage.index.apply([{ kind: 'linkBlob', repository: app, digest: digestOf(lost) }])
    await world.storage.blobs.remove(digestOf(lost))
    assert.equal(codeOf(await world.get(path(lost))), 'BLOB_UNKNOWN')
    // Lost between the look at its size and the opening.
    const racing = await world.start({
      content: { index: world.storage.index, blobs: { ...blobsOf(world.storage), size: () => Promise.resolve(10) } }
    })
    const answer = await world.send('GET', path(lost), { authorization: basic }, undefined, portOf(racing))
    assert.equal(codeOf(answer), 'BLOB_UNKNOWN')
  })

  it('survive clients that go away in the middle', async () => {
    const socket = connect(portOf(world.server), '127.0.0.1')
    socket.write(`GET ${path(bigLayer)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic}\r\n\r\n`)
    await once(socket, 'data')
    socket.destroy()
    assert.equal((await world.get(path(layer))).status, 200)
  })

  it('ends the connection where the disk fails in the middle of a blob', async () => {
    const failing = await world.start({
      content: {
        index: world.storage.index,
        blobs: {
          ...blobsOf(world.storage),
          read: () =>
            Promise.resolve(
              Readable.from(
                (function* () {
                  yield bigLayer.subarray(0, 1000)
                  throw new Error('EIO')
                })()
              )
            )
        }
      }
    })
    const path = `/v2/samples/app/blobs/${digestOf(bigLayer)}`
    await assert.rejects(world.send('GET', path, { authorization: basic }, undefined, portOf(failing)), {
      code: /ECONNRESET|ERR_STREAM_PREMATURE_CLOSE/
    })
    assert.match(world.lines.join(''), /\[ERR\] reading content failed/)
  })
})
