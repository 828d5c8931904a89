import assert from 'node:assert/strict'
import { LineLog } from './log.ts'
import { LogRing } from './ring.ts'

describe('LogRing', () => {
  it('gives the last lines, oldest first, from a level upwards', () => {
    const log = new LineLog(() => undefined)
    log.level = 'Debug'
    log.debug('one')
    log.warn('two')
    log.error('three')
    const words = (count: number, level?: 'Warning'): string[] =>
      log.recent.tail(count, level).map((line) => line.split(' ').at(-1) ?? '')
    assert.deepEqual(words(2), ['two', 'three'])
    assert.deepEqual(words(10), ['one', 'two', 'three'])
    assert.deepEqual(words(10, 'Warning'), ['two', 'three'])
  })

  it('holds what was logged only', () => {
    const log = new LineLog(() => undefined)
    log.debug('below the level')
    assert.deepEqual(log.recent.tail(10), [])
  })

  it('stays bounded however much is logged', () => {
    const ring = new LogRing()
    for (let line = 0; line < 20_000; line += 1) ring.add('Information', `${line} ${'x'.repeat(100)}`)
    const kept = ring.tail(20_000)
    assert.ok(kept.length > 1000 && kept.length < 6000, String(kept.length))
    assert.match(kept.at(-1) ?? '', /^19999 /)
  })
})
