import assert from 'node:assert/strict'
import { RecentEvents } from './recent-events.ts'

describe('recent events', () => {
  let events: RecentEvents
  const texts = (): string[] => events.newest.map(({ text }) => text)

  beforeEach(() => (events = new RecentEvents(() => new Date('2026-11-21T10:00:00Z'))))

  it('tell once of what became ready or failed, the newest first', () => {
    for (let pass = 0; pass < 2; pass += 1) {
      events.observe({ kind: 'image', image: { image: 'a/b:1', state: 'syncing' } })
      events.observe({ kind: 'image', image: { image: 'a/b:1', state: 'ready', digest: 'sha256:1' } })
      events.observe({ kind: 'image', image: { image: 'a/c:1', state: 'failed', reason: 'not there' } })
    }
    assert.deepEqual(texts(), ['a/c:1: not there', 'a/b:1 is ready'])
    assert.deepEqual(events.newest[0], {
      at: '2026-11-21T10:00:00.000Z',
      text: 'a/c:1: not there',
      image: 'a/c:1',
      isBad: true
    })
  })

  it('tell of an image that comes with another digest, or was gone, again', () => {
    events.observe({ kind: 'image', image: { image: 'a/b:1', state: 'ready', digest: 'sha256:1' } })
    events.observe({ kind: 'image', image: { image: 'a/b:1', state: 'ready', digest: 'sha256:2' } })
    events.observe({ kind: 'removed', image: 'a/b:1' })
    events.observe({ kind: 'image', image: { image: 'a/b:1', state: 'ready', digest: 'sha256:2' } })
    assert.deepEqual(texts(), ['a/b:1 is ready', 'a/b:1 was removed', 'a/b:1 is ready', 'a/b:1 is ready'])
  })

  it('do not tell of what was ready before the start', () => {
    events.observe({ kind: 'planned', images: [{ image: 'a/b:1', state: 'ready', digest: 'sha256:1' }] })
    events.observe({ kind: 'image', image: { image: 'a/b:1', state: 'ready', digest: 'sha256:1' } })
    assert.deepEqual(texts(), [])
  })

  it('tell when the parent or the disk fails and when it works again, and not each time it is so', () => {
    for (let at = 0; at < 2; at += 1)
      events.observe({ kind: 'parent', answers: false, code: 'ParentFailed', message: 'no answer' })
    for (let at = 0; at < 2; at += 1) events.observe({ kind: 'parent', answers: true })
    for (let at = 0; at < 2; at += 1) events.observe({ kind: 'content', works: false, message: 'full' })
    for (let at = 0; at < 2; at += 1) events.observe({ kind: 'content', works: true })
    assert.deepEqual(texts(), [
      'The disk works again',
      'The disk: full',
      'The parent answers again',
      'The parent: no answer'
    ])
  })

  it('tell of a window that ended too early, and of no other pass', () => {
    const result = { trigger: 'Schedule', state: 'Succeeded' }
    events.observe({ kind: 'passEnded', result })
    events.observe({ kind: 'passEnded', result: { ...result, state: 'Failed', windowEnded: true } })
    assert.equal(events.newest.length, 1)
  })

  it('are no more than a page can use, however long the module runs', () => {
    for (let at = 0; at < 1000; at += 1)
      events.observe({ kind: 'image', image: { image: `a/b:${at}`, state: 'ready', digest: 'sha256:1' } })
    assert.equal(events.newest.length, 200)
    assert.equal(events.newest[0]?.text, 'a/b:999 is ready')
  })
})
