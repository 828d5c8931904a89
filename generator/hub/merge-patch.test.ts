import assert from 'node:assert/strict'
import { mergePatch } from './merge-patch.ts'

type Document = Readonly<Record<string, unknown>>

const cases: readonly (readonly [what: string, current: Document, wanted: Document, patch: Document])[] = [
  ['nothing where nothing differs', { a: { b: [1] } }, { a: { b: [1] } }, {}],
  ['null for what goes, at any depth', { a: { b: 1, c: 2 }, d: 1 }, { a: { b: 1 } }, { a: { c: null }, d: null }],
  ['arrays whole', { a: [1, 2, 3] }, { a: [1, 3] }, { a: [1, 3] }],
  ['an object for a text', { a: 'x' }, { a: { b: 1 } }, { a: { b: 1 } }],
  ['what is new', {}, { a: { b: {} } }, { a: { b: {} } }],
  ['a key with the name of an object’s own', {}, { toString: 'x' }, { toString: 'x' }]
]

describe('merge patches', () => {
  for (const [what, current, wanted, patch] of cases)
    it(`have ${what}`, () => {
      assert.deepEqual(mergePatch(current, wanted), patch)
    })
})
