import assert from 'node:assert/strict'
import { runPass } from './pass.ts'
import type { Clock } from './ports.ts'
import { fault, FakeParent } from './testing/fake-parent.ts'
import { MemoryContent } from './testing/memory-content.ts'
import { passOptions } from './testing/pass-options.ts'

describe('sync: after a cut', () => {
  it('what came is made durable before anything is waited for', async () => {
    const parent = new FakeParent()
    const content = new MemoryContent()
    const flushedAtWait: number[] = []
    const clock: Clock = {
      now: () => 0,
      elapsed: () => 0,
      delay: () => {
        flushedAtWait.push(content.flushes)
        return Promise.resolve()
      }
    }
    parent.put('samples/app:1.0', [50_000])
    let cuts = 0
    parent.onPiece = (_digest, offset, piece) => {
      if (offset < (cuts + 1) * 10_000 || cuts === 2) return piece
      cuts += 1
      throw fault('PARENT_FAILED')
    }
    const imageSets = { all: { repositories: ['samples/app:1.0'], priority: 100 } }
    const outcome = await runPass(passOptions({ content, parent, imageSets, clock, observer: () => undefined }))
    assert.equal(outcome.succeeded, true)
    assert.deepEqual(flushedAtWait, [1, 2])
  })
})
