import assert from 'node:assert/strict'
import { LineLog } from './log/log.ts'
import { ParentKeeper } from './parent-keeper.ts'

describe('parent keeper', () => {
  const settings = { origin: 'https://myreg.azurecr.io', tokenName: 'device-7', password: 'hunter2' }
  const missing = { kind: 'parent', answers: false, code: 'PARENT_MISSING', message: 'no parent is set' } as const
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
    assert.deepEqual(keeper.explain(missing), {
      ...missing,
      code: 'PARENT_INVALID',
      message: "the parent's address must read https://host[:port]"
    })
  })

  it('says of a parent that is named and cannot be used why, and of one that is not named nothing', () => {
    assert.deepEqual(keeper.explain(missing), missing)
    assert.equal(keeper.setParent({ problem: 'ACR_PARENT_GATEWAY_ENDPOINT must be host or host:port' }), false)
    assert.equal(keeper.current(), undefined)
    assert.deepEqual(keeper.explain(missing), {
      ...missing,
      code: 'PARENT_INVALID',
      message: 'ACR_PARENT_GATEWAY_ENDPOINT must be host or host:port'
    })
    keeper.setParent(settings)
    assert.deepEqual(keeper.explain({ ...missing, code: 'PARENT_DENIED' }), { ...missing, code: 'PARENT_DENIED' })
  })
})
