import assert from 'node:assert/strict'
import fc from 'fast-check'
import { JsonSyntaxError, Lines, memberOf, parseJson, valueOf } from './json.ts'

describe('JSON with places', () => {
  it('reads what JSON.parse reads, and nothing else', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat({ max: 2 }), (text, indent) => {
        const value: unknown = JSON.parse(text)
        // Null prototypes and `__proto__` keys are the same to both only as text.
        assert.equal(
          JSON.stringify(valueOf(parseJson(JSON.stringify(value, undefined, indent)))),
          JSON.stringify(Object.fromEntries([['v', value]]).v)
        )
      })
    )
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:0-1.eE+tru\\u00n \n/')) }), (text) => {
        assert.equal(
          accepts(() => parseJson(text)),
          accepts(() => JSON.parse(text) as unknown),
          JSON.stringify(text)
        )
      }),
      { numRuns: 2000 }
    )
  })

  it('knows where everything stands', () => {
    const text = '{\n  "a": [1,\r\n    "x"]\n}'
    const lines = new Lines(text)
    const document = parseJson(text)
    const list = memberOf(document, 'a')
    assert.ok(list?.value.kind === 'array')
    assert.deepEqual(lines.placeOf(list.keyAt), { line: 2, column: 3 })
    assert.deepEqual(lines.placeOf(list.value.items[1]!.at), { line: 3, column: 5 })
    assert.deepEqual(lines.placeOf(0), { line: 1, column: 1 })
    assert.deepEqual(new Lines('a\rb\r\n\nc').placeOf(6), { line: 4, column: 1 })
  })

  it('keeps duplicate keys, of which the last counts, and finds keys in another case', () => {
    const document = parseJson('{"a": 1, "A": 2, "a": 3, "Status": 4}')
    assert.ok(document.kind === 'object' && document.members.length === 4)
    assert.equal(valueOf(memberOf(document, 'a')!.value), 3)
    assert.equal(valueOf(memberOf(document, 'status')!.value), 4)
  })

  it('takes placeholders without quotes for values', () => {
    const document = parseJson('{"a": ${TTL}, "b": $TTL}')
    assert.deepEqual(valueOf(document), { a: '${TTL}', b: '$TTL' })
  })

  for (const [text, at, why] of [
    ['{"a": 1,}', 8, /comma before }/],
    ['[1,]', 3, /comma before ]/],
    ['{"a": 1} // done', 9, /comment/],
    ['{"a": "x', 6, /closing quote/],
    ['{"a": "x\ny"}', 8, /line break/],
    ["{'a': 1}", 1, /key in quotes/],
    ['{"a" 1}', 5, /colon/],
    ['{"password": "hunter2hunter2" "b"}', 30, /comma or }/],
    ['', 0, /nothing in it/],
    [' \n\t', 0, /nothing in it/],
    ['{"a":', 5, /ends too soon/]
  ] as const)
    it(`says where ${JSON.stringify(text)} is wrong, and quotes nothing`, () => {
      assert.throws(
        () => parseJson(text),
        (error: unknown) => {
          assert.ok(error instanceof JsonSyntaxError)
          assert.equal(error.at, at)
          assert.match(error.message, why)
          assert.doesNotMatch(error.message, /hunter2/)
          return true
        }
      )
    })

  it('refuses what is nested too deep for anybody, without running out of stack', () => {
    assert.throws(() => parseJson('['.repeat(100_000)), /nested more than/)
  })
})

function accepts(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}
