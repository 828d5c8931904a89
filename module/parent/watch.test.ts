import assert from 'node:assert/strict'
import { ParentWatch } from './watch.ts'

describe('parent: what answers tell of lineage and clock', () => {
  const origin = new URL('https://parent:8000')
  const [self, other, third] = ['a', 'b', 'c'].map((letter) => letter.repeat(32)) as [string, string, string]
  const api = { 'docker-distribution-api-version': 'registry/2.0' }
  let lineages: (readonly string[])[]
  let skews: number[]
  let watch: ParentWatch

  beforeEach(() => {
    lineages = []
    skews = []
    watch = new ParentWatch(origin, {
      self,
      onLineage: (ids) => lineages.push(ids),
      onClock: (seconds) => skews.push(seconds)
    })
  })

  const answered = (headers: Record<string, string>, status = 200, url = origin) =>
    watch.answered(url, status, headers, Date.now())

  it('finds itself as its parent, and over several hops, whatever the status', () => {
    const itself = answered({ 'causeway-lineage': self }, 401)
    assert.equal(itself?.code, 'PARENT_LOOP')
    assert.match(itself.message, /parent:8000 is this registry itself/)
    assert.equal(itself.transient, false)
    const round = answered({ 'causeway-lineage': `${other}, ${third}, ${self}` })
    assert.match(round?.message ?? '', /over 2 others/)
    assert.deepEqual(lineages, [[], [other, third]], 'what is above it, and never itself')
  })

  it('learns its ancestors, and forgets them where another registry answers there', () => {
    assert.equal(answered({ ...api, 'causeway-lineage': `${other}, ${third}` }), undefined)
    answered({}, 502)
    answered({ 'causeway-lineage': 'what is no lineage' })
    assert.deepEqual(lineages, [[other, third]], 'a proxy in trouble, or nonsense, tells nothing')
    answered(api)
    assert.deepEqual(lineages, [[other, third], []])
  })

  it('counts the answers of a Causeway that is not complete, and of no other', () => {
    const causeway = { 'causeway-lineage': other, 'causeway-incomplete': '1' }
    answered(causeway, 404)
    assert.equal(watch.incompleteAnswers, 1)
    answered({ 'causeway-lineage': other })
    answered({ ...api, 'causeway-incomplete': '1' })
    answered(causeway, 200, new URL('https://elsewhere'))
    assert.equal(watch.incompleteAnswers, 1)
  })

  it('passes over what others say than the parent', () => {
    const elsewhere = new URL('https://blobs:443')
    assert.equal(
      answered({ 'causeway-lineage': self, date: 'Thu, 01 Jan 1970 00:00:00 GMT' }, 200, elsewhere),
      undefined
    )
    assert.deepEqual([lineages, skews], [[], []])
  })

  it('reads the clock from Date, with what passed on the way taken for nothing', () => {
    const at = (offset: number): string => new Date(Date.now() + offset * 1000).toUTCString()
    const asked = Date.now() - 30_000
    watch.answered(origin, 200, { date: at(-20) }, asked)
    watch.answered(origin, 200, { date: at(3600) }, asked)
    watch.answered(origin, 200, { date: at(-3600) }, asked)
    watch.answered(origin, 200, { date: at(-3600), age: '3590' }, asked)
    watch.answered(origin, 200, { date: 'yesterday' }, asked)
    assert.deepEqual(
      skews.map((seconds) => Math.round(seconds / 10) * 10),
      [0, 3600, -3570, 0]
    )
  })

  it('reads it from tokens that begin in the future or have ended, and takes back-dated ones for right', () => {
    const now = Math.floor(Date.now() / 1000)
    const token = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`
    watch.token(token({ iat: now - 900, nbf: now - 900, exp: now + 3600 }), Date.now())
    watch.token('opaque', Date.now())
    watch.token(token({ nbf: now + 7200, exp: now + 9000 }), Date.now())
    watch.token(token({ iat: now - 9000, exp: now - 5400 }), Date.now())
    assert.deepEqual(
      skews.map((seconds) => Math.round(seconds / 60) * 60),
      [7200, -5400]
    )
  })
})
