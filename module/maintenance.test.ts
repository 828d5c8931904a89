import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { LineLog } from './log/log.ts'
import { Maintenance } from './maintenance.ts'
import { digestOf } from './oci/digest.ts'
import { settingsSchema } from './settings/document.ts'
import type { CollectionOptions, ScrubOptions } from './storage/storage.ts'

describe('maintenance', () => {
  const told = new EventEmitter()
  let lines: string[]
  let copies: number
  let damaged: string[]
  let freed: number[]
  let fails: boolean
  let waits: boolean
  let maintenance: Maintenance

  const work = async (what: string, signal: AbortSignal | undefined): Promise<void> => {
    told.emit(what)
    if (fails) throw new Error('the disk failed')
    if (waits && signal?.aborted === false) await once(signal, 'abort')
  }
  beforeEach(() => {
    lines = []
    copies = 0
    damaged = []
    freed = []
    fails = waits = false
    maintenance = new Maintenance({
      storage: {
        collectGarbage: async ({ signal }: CollectionOptions = {}) => {
          await work('collect', signal)
          return {
            tags: 0,
            manifests: 0,
            links: 1,
            repositories: 0,
            blobs: 2,
            partials: 0,
            bytes: 3,
            milliseconds: 4,
            complete: true
          }
        },
        scrub: async ({ signal }: ScrubOptions = {}) => {
          await work('scrub', signal)
          return { blobs: 1, bytes: 1, damaged: [digestOf('x')], milliseconds: 1, complete: true }
        },
        copyIndex: () => Promise.resolve(void (copies += 1))
      },
      log: new LineLog((line) => {
        lines.push(line)
        told.emit('line', line)
      }),
      onCollected: ({ bytes }) => freed.push(bytes),
      onDamage: (digests) => damaged.push(...digests)
    })
  })
  afterEach(() => maintenance.close())

  it('collects when asked, says what was freed, and keeps a copy of the index', async () => {
    const line = once(told, 'line')
    assert.equal(maintenance.collectGarbage(), true)
    await line
    await maintenance.close()
    assert.match(lines.join(), /garbage collection ended .*blobs=2 .*bytes=3/)
    assert.deepEqual(freed, [3])
    assert.ok(copies >= 1)
  })

  it('does one of each at a time, and ends it when it closes', async () => {
    waits = true
    assert.equal(maintenance.collectGarbage(), true)
    assert.equal(maintenance.collectGarbage(), false)
    assert.equal(maintenance.scrub(), true)
    assert.equal(maintenance.scrub(), false)
    await maintenance.close()
    assert.equal(maintenance.collectGarbage(), false)
  })

  it('has damaged blobs fetched again', async () => {
    const line = once(told, 'line')
    maintenance.scrub()
    await line
    await maintenance.close()
    assert.deepEqual(damaged, [digestOf('x')])
  })

  it('goes on after a failure', async () => {
    fails = true
    const line = once(told, 'line')
    maintenance.collectGarbage()
    await line
    assert.match(lines.join(), /\[ERR\] garbageCollection failed .*the disk failed/)
    fails = false
    await new Promise(setImmediate)
    assert.equal(maintenance.collectGarbage(), true)
  })

  it('follows its schedules, and stops following those that are switched off', async () => {
    // Six fields, which settings do not take: every second, so that the test need not wait for a minute.
    const { storage: defaults } = settingsSchema.parse({ schemaVersion: '1.0' })
    const every = { enabled: true, schedule: '* * * * * *' }
    const never = { enabled: false, schedule: '* * * * * *' }
    const [collected, scrubbed] = [once(told, 'collect'), once(told, 'scrub')]
    maintenance.configure({ imageSets: {}, storage: { ...defaults, garbageCollection: every, scrub: every } })
    await Promise.all([collected, scrubbed])
    maintenance.configure({ imageSets: {}, storage: { ...defaults, garbageCollection: never, scrub: never } })
    maintenance.configure(undefined)
  })
})
