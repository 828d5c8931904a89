import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { watchDisk } from './disk-watch.ts'
import { LineLog } from './log/log.ts'
import type { DiskSpace } from './status/events.ts'

describe('watchDisk', () => {
  const log = new LineLog(() => undefined)

  it('tells at once, and again while it is wanted', async () => {
    const stopping = new AbortController()
    const seen: DiskSpace[] = []
    const again = Promise.withResolvers<undefined>()
    await watchDisk({
      folder: tmpdir(),
      reserveBytes: () => 7 + seen.length,
      onSpace: (space) => {
        seen.push(space)
        if (seen.length === 2) again.resolve(undefined)
      },
      onWritable: (reason) => assert.fail(reason),
      log,
      signal: stopping.signal,
      everyMs: 5
    })
    assert.equal(seen.length, 1)
    await again.promise
    stopping.abort()
    const [first, second] = seen
    assert.ok(first !== undefined && first.totalBytes >= first.freeBytes && first.freeBytes > 0)
    assert.deepEqual([first.reserveBytes, second?.reserveBytes], [7, 8])
  })

  it('says nothing of a folder that is not there', async () => {
    const seen: DiskSpace[] = []
    await watchDisk({
      folder: join(tmpdir(), 'causeway-there-is-no-such-folder'),
      reserveBytes: () => 0,
      onSpace: (space) => seen.push(space),
      onWritable: (reason) => assert.fail(reason),
      log,
      signal: AbortSignal.abort()
    })
    assert.deepEqual(seen, [])
  })

  it('tells once when the volume may not be written, and when it may again', async () => {
    const stopping = new AbortController()
    const told: (string | undefined)[] = []
    const again = Promise.withResolvers<undefined>()
    let looks = 0
    await watchDisk({
      folder: tmpdir(),
      reserveBytes: () => 0,
      onSpace: () => undefined,
      onWritable: (reason) => {
        told.push(reason)
        if (reason === undefined) again.resolve(undefined)
      },
      log,
      signal: stopping.signal,
      everyMs: 5,
      mayWrite: () => ((looks += 1) < 4 ? Promise.reject(new Error('EROFS')) : Promise.resolve())
    })
    await again.promise
    stopping.abort()
    assert.deepEqual(told, ['the data volume may not be written: EROFS', undefined])
  })
})
