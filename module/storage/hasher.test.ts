import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hasher } from './hasher.ts'

describe('storage: hashing threads', () => {
  const bytes = randomBytes(1_000_000)
  const hex = createHash('sha256').update(bytes).digest('hex')
  let folder: string
  let path: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-hasher-'))
    path = join(folder, 'file')
    await writeFile(path, bytes)
  })
  after(() => rm(folder, { recursive: true }))

  it('begin with the first large file, stay while there is one, and end afterwards', async () => {
    const hasher = new Hasher(1)
    try {
      for (const round of [1, 2]) {
        assert.equal(hasher.threads, 0, `round ${round}`)
        const file = hasher.follow(path, 'sha256', 0)
        file.wrote(bytes.subarray(0, 500_000), 500_000)
        // Longer than the idle time: what is hashed so far must not be lost while somebody brings more.
        await new Promise((resolve) => setTimeout(resolve, 20))
        assert.equal(hasher.threads, 1)
        file.wrote(bytes.subarray(500_000), bytes.length)
        assert.equal(await file.hex(bytes.length, 'sha256'), hex)
        while (hasher.threads > 0) await new Promise((resolve) => setTimeout(resolve, 1))
      }
    } finally {
      await hasher.close()
    }
  })

  it('are not begun for small files', async () => {
    const hasher = new Hasher()
    const small = bytes.subarray(0, 1000)
    const file = hasher.follow(path, 'sha256', 0)
    file.wrote(small, small.length)
    assert.equal(await file.hex(small.length, 'sha256'), createHash('sha256').update(small).digest('hex'))
    assert.equal(hasher.threads, 0)
    await hasher.close()
  })
})
