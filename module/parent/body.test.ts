import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { arrivals } from './body.ts'

describe('parent: bodies', () => {
  it('gives everything that arrived before it gives the error', async () => {
    const body = new PassThrough({ highWaterMark: 1 << 20 })
    const pieces = arrivals(body)
    const first = pieces.next()
    body.write('one')
    assert.equal(String((await first).value), 'one')
    body.write('two')
    body.write('three')
    await new Promise((resolve) => setImmediate(resolve))
    body.destroy(new Error('broke'))
    assert.equal(String((await pieces.next()).value), 'two')
    assert.equal(String((await pieces.next()).value), 'three')
    await assert.rejects(pieces.next(), /broke/)
  })

  it('ends where the body ends, and where it is closed without an end', async () => {
    const whole: string[] = []
    for await (const piece of arrivals(Readable.from([Buffer.from('a'), Buffer.from('b')]))) whole.push(String(piece))
    assert.deepEqual(whole, ['a', 'b'])
    const closed = new PassThrough()
    const next = arrivals(closed).next()
    closed.destroy()
    assert.equal((await next).done, true)
  })

  it('holds a fast sender back, and destroys the body of a reader who leaves', async () => {
    let sent = 0
    const body = new Readable({
      highWaterMark: 65_536,
      read() {
        sent += 65_536
        this.push(Buffer.alloc(65_536))
      }
    })
    for await (const piece of arrivals(body)) {
      assert.equal(piece.byteLength, 65_536)
      await new Promise((resolve) => setImmediate(resolve))
      break
    }
    if (!body.closed) await once(body, 'close')
    assert.equal(body.destroyed, true)
    assert.ok(sent < 4 * 1024 * 1024, String(sent))
  })
})
