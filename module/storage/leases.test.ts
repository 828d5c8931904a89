import assert from 'node:assert/strict'
import { digestOf } from '../oci/digest.ts'
import { Leases } from './leases.ts'

describe('leases', () => {
  const digest = digestOf('bytes')
  const hour = 60 * 60_000
  let now: number
  let leases: Leases

  beforeEach(() => {
    now = 1_000_000
    leases = new Leases(() => now)
  })

  it('count a start as a touch, for an hour at the most', () => {
    const begun = leases.now()
    assert.equal(leases.isFree(digest, begun, 5000), false)
    now += 5000
    assert.ok(leases.isFree(digest, begun, 5000))
    assert.equal(leases.isFree(digest, begun, 6 * hour), false)
    now += hour
    assert.ok(leases.isFree(digest, begun, 6 * hour))
  })

  it('spare what was touched within the grace, and whatever was touched since one began to look', () => {
    now += hour
    leases.touch(digest)
    const begun = leases.now()
    assert.equal(leases.isFree(digest, begun, 0), false)
    now += 10
    assert.equal(leases.isFree(digest, begun, 0), false, 'in the very moment counts as after it')
    assert.ok(leases.isFree(digest, leases.now(), 10))
    assert.equal(leases.isFree(digest, leases.now(), 11), false)
    leases.forget(digest)
    assert.ok(leases.isFree(digest, begun, hour))
  })

  it('keep what is held by anybody', async () => {
    const first = await leases.hold(digest)
    const second = await leases.hold(digest)
    first()
    now += hour
    assert.equal(leases.isFree(digest, leases.now(), 0), false)
    assert.equal(
      await leases.takeAway(
        digest,
        () => true,
        () => Promise.reject(new Error('must not'))
      ),
      false
    )
    second()
    now += hour
    assert.ok(leases.isFree(digest, leases.now(), 0))
  })

  it('let what is leaving count as absent at once, and whoever brings it again wait for that', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const order: string[] = []
    const going = leases.takeAway(
      digest,
      () => true,
      async () => {
        await promise
        order.push('gone')
      }
    )
    assert.ok(leases.isLeaving(digest))
    assert.equal(
      await leases.takeAway(
        digest,
        () => true,
        () => Promise.resolve()
      ),
      false
    )
    const holding = leases.hold(digest).then(() => order.push('held'))
    resolve(undefined)
    assert.equal(await going, true)
    await holding
    assert.deepEqual(order, ['gone', 'held'])
    assert.equal(leases.isLeaving(digest), false)
  })

  it('stay where the last look says no, and where taking away fails', async () => {
    assert.equal(
      await leases.takeAway(
        digest,
        () => false,
        () => Promise.resolve()
      ),
      false
    )
    await assert.rejects(
      leases.takeAway(
        digest,
        () => true,
        () => Promise.reject(new Error('disk'))
      ),
      /disk/
    )
    assert.equal(leases.isLeaving(digest), false)
  })

  it('forget what no grace looks back at', () => {
    leases.touch(digest)
    now += hour
    leases.prune(2 * hour)
    assert.equal(leases.isFree(digest, leases.now(), 2 * hour), false)
    now += 2 * hour
    leases.prune(2 * hour)
    assert.ok(leases.isFree(digest, leases.now(), 2 * hour))
  })
})
