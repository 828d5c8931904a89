import assert from 'node:assert/strict'
import { TwinStore } from './twins.ts'

describe('TwinStore', () => {
  let twins: TwinStore

  beforeEach(() => {
    twins = new TwinStore()
    twins.create('gateway/m')
  })

  it('merges as RFC 7396 says', () => {
    twins.patchDesired('gateway/m', { a: { b: 1, c: [1, 2] }, d: 1 })
    twins.patchDesired('gateway/m', { a: { b: null, c: [3] }, d: { e: { f: null, g: 1 } } })
    assert.deepEqual(twins.get('gateway/m')?.desired.properties, { a: { c: [3] }, d: { e: { g: 1 } } })
  })

  it('tells with a replaced half what went, at every depth, and a merge of it gives the new one', () => {
    twins.patchDesired('gateway/m', { tokens: { one: { p: 1 }, two: { p: 2 } }, gone: 1, list: [{ a: 1 }] })
    twins.create('gateway/copy')
    twins.patchDesired('gateway/copy', twins.get('gateway/m')!.desired.properties)
    const wanted = { tokens: { two: { q: 1 } }, list: [{ b: 1 }], fresh: { x: 1 } }
    twins.once('desired', ({ key, patch, version }) => {
      assert.deepEqual([key, version], ['gateway/m', 3])
      assert.deepEqual(patch, {
        tokens: { one: null, two: { p: null, q: 1 } },
        gone: null,
        list: [{ b: 1 }],
        fresh: { x: 1 }
      })
      twins.patchDesired('gateway/copy', patch)
    })
    twins.replaceDesired('gateway/m', wanted)
    assert.deepEqual(twins.get('gateway/m')?.desired.properties, wanted)
    assert.deepEqual(twins.get('gateway/copy')?.desired.properties, wanted)
  })

  it('has an etag of tags and desired properties, and a version of everything', () => {
    const told = (): readonly unknown[] => {
      const twin = twins.get('gateway/m')
      return [twin?.etag, twin?.version]
    }
    assert.deepEqual(told(), ['AAAAAAAAAAE=', 2])
    twins.patchReported('gateway/m', { a: 1 })
    assert.deepEqual(told(), ['AAAAAAAAAAE=', 3])
    twins.patchTags('gateway/m', { plant: 'one' })
    assert.deepEqual(told(), ['AAAAAAAAAAI=', 4])
    twins.patchDesired('gateway/m', { a: 1 })
    assert.deepEqual(told(), ['AAAAAAAAAAM=', 5])
  })

  it('tells of what is reported', () => {
    const told: unknown[] = []
    twins.on('reported', (change) => told.push(change))
    assert.equal(twins.patchReported('gateway/m', { a: null, b: 1 }), 2)
    assert.deepEqual(told, [{ key: 'gateway/m', patch: { a: null, b: 1 }, version: 2 }])
  })

  it('gives copies', () => {
    twins.patchTags('gateway/m', { a: { b: 1 } })
    const { tags } = twins.get('gateway/m')!
    ;(tags.a as Record<string, unknown>).b = 2
    assert.deepEqual(twins.get('gateway/m')?.tags, { a: { b: 1 } })
  })

  it('keeps a twin that exists and forgets one that is deleted', () => {
    twins.patchDesired('gateway/m', { a: 1 })
    twins.create('gateway/m')
    assert.equal(twins.get('gateway/m')?.desired.version, 2)
    twins.delete('gateway/m')
    assert.equal(twins.get('gateway/m'), undefined)
    assert.throws(() => twins.patchDesired('gateway/m', {}), /no twin gateway\/m/)
  })
})
