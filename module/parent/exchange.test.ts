import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { readAll, type Answer } from './exchange.ts'

describe('parent: answers that are read as a whole', () => {
  /** A body that comes in pieces of one size, each a while after the one before, until it is closed or has had so many. */
  function answering(pieceBytes: number, most: number): Answer {
    async function* pieces(): AsyncGenerator<Buffer, void, undefined> {
      for (let sent = 0; sent < most; sent += 1) {
        await delay(20)
        yield Buffer.alloc(pieceBytes, ' ')
      }
    }
    const body = Readable.from(pieces(), { highWaterMark: 1 }) as unknown as Answer['body']
    return { url: new URL('https://parent.test/v2/'), status: 200, headers: {}, body, bodyIdle: 0 }
  }

  it('are given up where they drip, though no pause is long', async () => {
    const answer = answering(1, 1_000_000)
    await assert.rejects(readAll(answer, 1024), { code: 'PARENT_FAILED', message: /parent\.test answers too slowly/ })
    assert.equal(answer.body.destroyed, true)
  })

  it('may take their time where there is much of them', async () => {
    assert.equal((await readAll(answering(4096, 5), 1024 * 1024)).byteLength, 5 * 4096)
  })
})
