import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { digestOf } from '../../oci/digest.ts'
import { parseRepository } from '../../oci/name.ts'
import { Allowance } from '../allowance.ts'
import { Patience } from '../patience.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { FakeParent } from '../testing/fake-parent.ts'
import { MemoryContent } from '../testing/memory-content.ts'
import { ChunkSize } from './chunks.ts'
import type { UploadPlace } from './ports.ts'
import { sendBlob } from './send-blob.ts'

/** Takes every chunk and keeps none of it, as a proxy with a full disk in the parent's place does. */
class ForgetfulParent extends FakeParent {
  chunks = 0

  override sendChunk(_repository: unknown, location: string): Promise<UploadPlace> {
    this.chunks += 1
    // Without an end to it nothing else would get a turn, and no time-out of a test either.
    if (this.chunks > 50) return Promise.reject(new Error('sent without end'))
    return Promise.resolve({ location, offset: 0 })
  }
}

/** On a link that carries no more in a request, however long the requests before it took. */
class SteadyChunks extends ChunkSize {
  override took(): void {
    return undefined
  }
}

describe('the way up: a parent that gets no further', () => {
  it('is given up after a few uploads', async () => {
    const content = new MemoryContent()
    const clock = new FakeClock('2026-11-21T10:00:00Z')
    const parent = new ForgetfulParent()
    const bytes = randomBytes(3 * 1024 * 1024)
    const digest = digestOf(bytes)
    content.held.set(digest, bytes)
    const { signal } = new AbortController()
    await assert.rejects(
      sendBlob(
        { repository: parseRepository('plant/app'), digest, size: bytes.length },
        {
          content,
          parent,
          clock,
          signal,
          patience: new Patience(
            clock,
            () => 0.5,
            signal,
            () => undefined
          ),
          allowance: new Allowance(clock, content.index),
          chunks: new SteadyChunks(),
          onSent: () => undefined
        }
      ),
      { code: 'PARENT_FAILED', message: /lost the upload of plant\/app@sha256:\w+ 4 times/ }
    )
    assert.equal(parent.chunks, 4)
  })
})
