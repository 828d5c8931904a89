import assert from 'node:assert/strict'
import { PushedManifests } from './pushed-manifests.ts'

const large = 1024 * 1024

describe('registry: the memory of manifests that are being pushed', () => {
  it('is bounded over all of them, and given back', () => {
    const pushed = new PushedManifests()
    const held = Array.from({ length: 4 }, () => pushed.hold())
    for (const each of held) each.take(6 * large)
    assert.throws(() => pushed.hold().take(1), { code: 'TOOMANYREQUESTS', retryAfterSeconds: 5 })
    held[0]?.giveBack()
    held[0]?.giveBack()
    const next = pushed.hold()
    next.take(6 * large)
    assert.throws(() => next.take(1), { code: 'TOOMANYREQUESTS' })
  })

  it('is that of one large manifest at a time, in the order in which they came', async () => {
    const pushed = new PushedManifests()
    const begun: number[] = []
    const gates = [0, 1, 2].map(() => Promise.withResolvers<undefined>())
    const done = gates.map((gate, number) =>
      pushed.inTurn(large, () => {
        begun.push(number)
        return gate.promise
      })
    )
    assert.equal(await pushed.inTurn(100, () => Promise.resolve('small')), 'small')
    assert.deepEqual(begun, [0])
    gates[0]?.reject(new Error('the first fails'))
    await assert.rejects(done[0] ?? assert.fail())
    assert.deepEqual(begun, [0, 1])
    gates[1]?.resolve(undefined)
    gates[2]?.resolve(undefined)
    await Promise.all(done.slice(1))
    assert.deepEqual(begun, [0, 1, 2])
  })

  it('is not waited for for ever', async () => {
    const pushed = new PushedManifests({ longestWait: 10 })
    const gate = Promise.withResolvers<undefined>()
    const first = pushed.inTurn(large, () => gate.promise)
    await assert.rejects(
      pushed.inTurn(large, () => assert.fail('it had no turn')),
      { code: 'TOOMANYREQUESTS' }
    )
    gate.resolve(undefined)
    await first
    assert.equal(await pushed.inTurn(large, () => Promise.resolve('next')), 'next')
  })
})
