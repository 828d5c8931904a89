import assert from 'node:assert/strict'
import { LineLog } from './log/log.ts'
import { ParentKeeper } from './parent-keeper.ts'

describe('parent keeper', () => {
  const settings = { origin: 'https://myreg.azurecr.io', tokenName: 'device-7', password: 'hunter2' }
  const lines: string[] = []
  let keeper: ParentKeeper

  beforeEach(() => {
    lines.length = 0
    keeper = new ParentKeeper({ log: new LineLog((line) => lines.push(line)), variables: {} })
  })
  afterEach(() => keeper.close())

  it('makes another client when address, credentials or trust change, and only then', () => {
    assert.equal(keeper.current(), undefined)
    assert.equal(keeper.setParent(settings), true)
    const first = keeper.current()
    assert.equal(first?.origin, 'https://myreg.azurecr.io')
    assert.equal(keeper.setParent({ ...settings }), false)
    assert.equal(keeper.current(), first)
    assert.equal(keeper.setParent({ ...settings, password: 'other' }), true)
    assert.notEqual(keeper.current(), first)
    assert.equal(keeper.setParent(undefined), true)
    assert.equal(keeper.current(), undefined)
    assert.equal(keeper.setTrustBundle('PEM'), false)
  })

  it('survives an address that is none, and shows no password', () => {
    assert.equal(keeper.setParent({ ...settings, origin: 'https://host:99999' }), true)
    assert.equal(keeper.current(), undefined)
    assert.match(lines.join(''), /the parent cannot be used/)
    assert.ok(!lines.join('').includes('hunter2'))
  })
})
