import assert from 'node:assert/strict'
import { difference, reportedHub } from './reported.ts'

describe('the reported patch of edgeAgent', () => {
  const rows: readonly [string, Record<string, unknown>, Record<string, unknown>, unknown][] = [
    ['nothing to say', { a: { b: [1] } }, { a: { b: [1] } }, undefined],
    ['what is new', {}, { a: 1 }, { a: 1 }],
    ['what differs, and no more', { a: { b: 1, c: 2 }, d: 3 }, { a: { b: 1, c: 4 }, d: 3 }, { a: { c: 4 } }],
    ['a null for what went', { a: { b: 1, c: 2 } }, { a: { b: 1 } }, { a: { c: null } }],
    ['an object in place of a value', { a: 1 }, { a: { b: 1 } }, { a: { b: 1 } }]
  ]
  for (const [name, before, after, expected] of rows)
    it(name, () => assert.deepEqual(difference(before, after), expected))
})

describe('what edgeHub says of its desired properties', () => {
  const status = (route: string): unknown => {
    const properties = {
      schemaVersion: '1.1',
      routes: { r: route },
      storeAndForwardConfiguration: { timeToLiveSecs: 1 }
    }
    return reportedHub({ properties, version: 3 })['lastDesiredStatus']
  }

  it('is 400 where a route does not parse', () => {
    assert.partialDeepStrictEqual(status('garbage'), { code: 400 })
  })

  it('is 200 where one does not compile, though nothing of it is applied', () => {
    assert.deepEqual(status('FROM /* WHERE is_object(a) INTO $upstream'), { code: 200, description: '' })
  })
})
