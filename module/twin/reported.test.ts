import assert from 'node:assert/strict'
import { refuseReported } from '../../simulator/edge-hub/reported-rules.ts'
import { TwinError } from './errors.ts'
import { mergePatch, type Properties } from './merge.ts'
import { checkReport, mostReportBytes } from './reported-rules.ts'
import { Reported } from './reported.ts'

describe('checkReport', () => {
  it('gives the document as JSON carries it', () => {
    const at = new Date('2026-01-02T03:04:05Z')
    assert.deepEqual(checkReport({ a: undefined, at, list: [{ b: 1 }] }), {
      at: '2026-01-02T03:04:05.000Z',
      list: [{ b: 1 }]
    })
  })

  const refused: readonly (readonly [string, object, RegExp])[] = [
    ['a dot', { 'a.b': 1 }, /"a\.b": a name/],
    ['a dollar', { $a: 1 }, /a name with/],
    ['a hash', { 'a#': 1 }, /a name with/],
    ['white space', { a: [{ 'b c': 1 }] }, /"a\.0\.b c": a name with/],
    ['a no-break space', { 'a\u00a0b': 1 }, /a name with/],
    ['a control character', { 'a\u0007': 1 }, /a name with/],
    ['a C1 control character', { 'a\u0085': 1 }, /a name with/],
    ['an empty name', { '': 1 }, /an empty name/],
    ['a long name', { ['n'.repeat(1025)]: 1 }, /a name of more than 1024/],
    ['update', { update: 1 }, /"update": the name update/],
    ['null', { a: null }, /"a": null/],
    ['null in an array', { a: [1, null] }, /"a\.1": null/],
    ['a long string', { a: '€'.repeat(1366) }, /4096 bytes/],
    ['a large integer', { a: 2 ** 52 }, /an integer beyond/],
    ['depth', nested(11), /deeper than 10/],
    ['an array', [1], /must be an object/],
    ['size', Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'x'.repeat(3700)])), /\(whole\).*32768/]
  ]
  for (const [what, document, why] of refused)
    it(`refuses ${what}`, () => {
      assert.throws(
        () => checkReport(document),
        (error) => error instanceof TwinError && error.code === 'TWIN_REPORT_INVALID' && why.test(error.message)
      )
    })

  it('takes what is just within the limits, and so does edgeHub', () => {
    const document = { a: 'x'.repeat(4096), ['n'.repeat(1024)]: 2 ** 52 - 1, half: 0.5, deep: nested(9) }
    assert.equal(refuseReported(Buffer.from(JSON.stringify(checkReport(document)))), undefined)
  })

  it('names the first problems and counts the others', () => {
    const document = Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`k ${n}`, 1]))
    assert.throws(() => checkReport(document), /and 15 more$/)
  })
})

describe('Reported', () => {
  it('has nothing to send before it knows what the hub holds', () => {
    const reported = new Reported()
    reported.want({ a: 1 })
    assert.equal(reported.next(), undefined)
    assert.equal(reported.settled, false)
    reported.read({ b: 2, $version: 3, $metadata: {} })
    assert.deepEqual(reported.next(), { b: null, a: 1 })
    reported.acknowledged({ b: null, a: 1 })
    assert.equal(reported.next(), undefined)
    assert.equal(reported.settled, true)
  })

  it('splits a change that is too large for one patch into steps that edgeHub takes', () => {
    const names = (prefix: string) =>
      Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`${prefix}${'n'.repeat(40)}${n}`, 'x'.repeat(10)]))
    const before: Properties = { images: names('old'), state: 'fine' }
    const after = checkReport({ images: names('new'), state: 'fine' })
    const reported = new Reported()
    reported.read(before)
    reported.want(after)
    let hub = before
    for (let step = 0; step < 3 && !reported.settled; step++) {
      const patch = reported.next()!
      assert.ok(Buffer.byteLength(JSON.stringify(patch)) <= mostReportBytes)
      hub = mergePatch(hub, patch)
      reported.acknowledged(patch)
    }
    assert.deepEqual(hub, after)
  })
})

function nested(levels: number): Record<string, unknown> {
  return levels === 0 ? {} : { a: nested(levels - 1) }
}
