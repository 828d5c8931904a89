import assert from 'node:assert/strict'
import { diff, mergePatch, withoutMetadata, type Properties } from './merge.ts'

describe('mergePatch', () => {
  // The examples of RFC 7396, appendix A, as far as twins can hold them (a twin is an object).
  const cases: readonly (readonly [Properties, Properties, Properties])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [{ list: [1, 2, 3] }, { list: [9] }, { list: [9] }],
    [{ list: [1, 2, 3] }, { list: [] }, { list: [] }]
  ]
  for (const [target, patch, result] of cases)
    it(`${JSON.stringify(target)} + ${JSON.stringify(patch)} = ${JSON.stringify(result)}`, () => {
      assert.deepEqual(mergePatch(target, patch), result)
    })

  it('changes neither the target nor the patch', () => {
    const target = Object.freeze({ a: Object.freeze({ b: 1 }) })
    const patch = Object.freeze({ a: Object.freeze({ c: null, d: Object.freeze([1]) }) })
    assert.deepEqual(mergePatch(target, patch), { a: { b: 1, d: [1] } })
  })

  it('takes __proto__ for a property like any other', () => {
    const patch = JSON.parse('{"__proto__": {"polluted": true}}') as Properties
    const merged = mergePatch({}, patch)
    assert.equal(JSON.stringify(merged), '{"__proto__":{"polluted":true}}')
    assert.equal((merged as { polluted?: boolean }).polluted, undefined)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })
})

describe('diff', () => {
  it('is undefined where nothing differs, whatever the order of the properties', () => {
    assert.equal(diff({ a: 1, b: { c: [1, { d: 2 }] } }, { b: { c: [1, { d: 2 }] }, a: 1 }), undefined)
  })

  it('removes with null, replaces arrays whole and goes into objects', () => {
    assert.deepEqual(
      diff({ gone: 1, list: [1, 2], deep: { same: 1, other: 2, gone: 3 } }, { list: [2], deep: { same: 1, other: 4 } }),
      { gone: null, list: [2], deep: { gone: null, other: 4 } }
    )
  })

  it('turns any document into any other, and says nothing about what is equal', () => {
    const random = generator(7)
    for (let round = 0; round < 2_000; round++) {
      const from = randomObject(random, 3)
      const to = random() < 0.5 ? randomObject(random, 3) : mergePatch(from, randomObject(random, 3))
      const patch = diff(from, to)
      assert.deepEqual(mergePatch(from, patch ?? {}), to)
      assert.equal(diff(to, structuredClone(to)), undefined)
      if (patch !== undefined) assert.equal(diff(mergePatch(from, patch), to), undefined)
    }
  })
})

describe('withoutMetadata', () => {
  it('takes away what the hub added at the top, and nothing else', () => {
    assert.deepEqual(withoutMetadata({ a: { $version: 1 }, $version: 4, $metadata: {} }), { a: { $version: 1 } })
  })
})

/** mulberry32: the same documents each time. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

function randomObject(random: () => number, depth: number): Properties {
  const names = ['a', 'b', 'c', '__proto__', 'constructor'].filter(() => random() < 0.5)
  return Object.fromEntries(names.map((name) => [name, randomValue(random, depth - 1)]))
}

function randomValue(random: () => number, depth: number): unknown {
  const choice = random()
  if (depth > 0 && choice < 0.4) return randomObject(random, depth)
  if (choice < 0.6) return Array.from({ length: Math.floor(random() * 3) }, () => randomValue(random, depth - 1))
  if (choice < 0.8) return Math.floor(random() * 3)
  return choice < 0.9 ? random() < 0.5 : 'text'
}
