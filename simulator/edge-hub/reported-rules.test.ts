import assert from 'node:assert/strict'
import { refuseReported } from './reported-rules.ts'

/** An object inside of objects, `levels` of them. */
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) })

describe('the reported patches that edgeHub takes', () => {
  const rows: readonly (readonly [what: string, taken: unknown, refused: unknown, why: RegExp])[] = [
    ['an object', {}, [], /not an object/],
    ['names without #', { 'a-b': 1 }, { 'a#b': 1 }, /forbidden character/],
    ['names without dots', { a: 1 }, { 'a.b': 1 }, /forbidden character/],
    ['names without dollars', { a: 1 }, { $a: 1 }, /forbidden character/],
    ['names without white space', { a: 1 }, { 'a\u2003b': 1 }, /forbidden character/],
    ['names without control characters', { a: 1 }, { 'a\u0085b': 1 }, /forbidden character/],
    ['names of 1 KB', { ['é'.repeat(512)]: 1 }, { ['é'.repeat(513)]: 1 }, /a name is too long/],
    ['texts of 4 KB', { a: 'é'.repeat(2048) }, { a: 'é'.repeat(2049) }, /a string is too long/],
    ['texts of 4 KB in lists', { a: ['x'.repeat(4096)] }, { a: ['x'.repeat(4097)] }, /a string is too long/],
    ['integers up to 2^52-1', { a: 2 ** 52 - 1 }, { a: 2 ** 52 }, /an integer is out of range/],
    ['integers from -2^52', { a: -(2 ** 52) }, { a: -(2 ** 52) - 1 }, /an integer is out of range/],
    ['nulls outside of lists', { a: { b: null } }, { a: [null] }, /null inside an array/],
    ['nulls outside of objects in lists', { a: [{ b: 1 }] }, { a: [{ b: null }] }, /null inside an array/],
    ['objects 10 deep inside of it', nested(11), nested(12), /deeper than 10/]
  ]
  for (const [what, taken, refused, why] of rows)
    it(`hold ${what}`, () => {
      assert.equal(refuseReported(Buffer.from(JSON.stringify(taken))), undefined)
      assert.match(refuseReported(Buffer.from(JSON.stringify(refused))) ?? '', why)
    })

  it('have 32 KB, and are JSON', () => {
    const padded = (bytes: number): Buffer => Buffer.from('{}'.padEnd(bytes))
    assert.equal(refuseReported(padded(32 * 1024)), undefined)
    assert.match(refuseReported(padded(32 * 1024 + 1)) ?? '', /32769 bytes/)
    assert.match(refuseReported(Buffer.from('{')) ?? '', /not JSON/)
  })
})
