import assert from 'node:assert/strict'
import type { Json } from './json.ts'
import { formatResult, type OutputFormat } from './output.ts'
import { prepareQuery } from './query.ts'

const tokens: Json = [
  { status: 'enabled', name: 'plant-client', id: '/x', credentials: { passwords: [1, 2] }, flag: true, none: null },
  { status: 'disabled', name: 'b', id: '/y', credentials: null, flag: false, none: null }
]

function shown(value: Json, format: OutputFormat, query?: string): string {
  const result = query === undefined ? value : prepareQuery(query)(value)
  return formatResult(result, { format, queried: query !== undefined })
}

describe('outputs as az writes them', () => {
  it('writes JSON with sorted members', () => {
    assert.equal(
      shown({ b: 1, a: { d: [], c: null } }, 'json'),
      '{\n  "a": {\n    "c": null,\n    "d": []\n  },\n  "b": 1\n}\n'
    )
  })

  for (const [what, query, expected] of [
    ['a switch alone', '[0].flag', 'true\n'],
    ['a text alone', '[0].name', 'plant-client\n'],
    ['a list, a line each', '[].name', 'plant-client\nb\n'],
    ['members in the order of the query', '[].{s:status, n:name}', 'enabled\tplant-client\ndisabled\tb\n'],
    ['lists in a row, in Python’s words', '[].[name, flag, none]', 'plant-client\tTrue\tNone\nb\tFalse\tNone\n'],
    ['lists as their length', '[0].{c:credentials.passwords}', '2\n'],
    ['what an old query finds', '[?name==`b`].status', 'disabled\n'],
    ['nothing for nothing', '[0].nothing', '']
  ] as const)
    it(`writes ${what} as tsv`, () => {
      assert.equal(shown(tokens, 'tsv', query), expected)
    })

  it('writes a resource as tsv, its members sorted', () => {
    assert.equal(shown({ b: 'x', a: null, c: { d: 1 } }, 'tsv'), 'None\tx\t\n')
  })

  it('makes a table by itself', () => {
    assert.equal(
      shown(tokens, 'table'),
      [
        'Flag    Name          Status',
        '------  ------------  --------',
        'True    plant-client  enabled',
        'False   b             disabled',
        ''
      ].join('\n')
    )
    assert.equal(shown(tokens, 'table', '[0].name'), 'Result\n------------\nplant-client\n')
    assert.equal(shown(tokens, 'table', '[].[name]'), 'Column1\n------------\nplant-client\nb\n')
    assert.equal(shown([], 'table'), '')
  })

  it('writes nothing where nothing was asked for', () => {
    assert.equal(shown(tokens, 'none'), '')
    assert.equal(shown(null, 'json'), '')
  })

  it('tells a query that is none', () => {
    assert.throws(() => prepareQuery('[?name=='), { code: 'USAGE', message: /--query: \[\?name== is not JMESPath/ })
    assert.throws(() => prepareQuery('sum(name)')({ name: 'x' }), { code: 'USAGE' })
  })
})
