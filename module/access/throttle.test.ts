import assert from 'node:assert/strict'
import type { OciError } from '../oci/errors.ts'
import { Throttle } from './throttle.ts'

describe('throttle', () => {
  let now: number
  let throttle: Throttle
  beforeEach(() => {
    now = 0
    throttle = new Throttle(() => now)
  })

  /** How many of so many are let through, and what the last refusal says. */
  const take = (count: number, one: () => void): { passed: number; refusal: OciError | undefined } => {
    let passed = 0
    let refusal: OciError | undefined
    for (let each = 0; each < count; each++)
      try {
        one()
        passed += 1
      } catch (error) {
        refusal = error as OciError
      }
    return { passed, refusal }
  }

  it('gives each address a bucket, and says when there is more', () => {
    const { passed, refusal } = take(1500, () => throttle.anonymous('192.0.2.1', false))
    assert.equal(passed, 1000)
    assert.equal(refusal?.code, 'TOOMANYREQUESTS')
    assert.equal(refusal.retryAfterSeconds, 1)
    throttle.anonymous('192.0.2.2', false)
    now += 1000
    assert.equal(take(100, () => throttle.anonymous('192.0.2.1', false)).passed, 20)
    now += 3_600_000
    assert.equal(take(1500, () => throttle.anonymous('192.0.2.1', false)).passed, 1000)
  })

  it('takes an IPv6 network for one address, and IPv4 in either form', () => {
    take(1000, () => throttle.anonymous('2001:db8:0:7::1', false))
    assert.equal(take(1, () => throttle.anonymous('2001:db8:0:7:ffff::9', false)).passed, 0)
    assert.equal(take(1, () => throttle.anonymous('2001:db8:0:8::1', false)).passed, 1)
    assert.equal(take(1, () => throttle.anonymous('2001:db8::7:0:0:0:1', false)).passed, 0)
    take(1000, () => throttle.anonymous('192.0.2.1', false))
    assert.equal(take(1, () => throttle.anonymous('::ffff:192.0.2.1', false)).passed, 0)
  })

  it('gives everything that comes through proxies one larger bucket', () => {
    const first = take(6000, () => throttle.anonymous('127.0.0.1', true))
    const second = take(6000, () => throttle.anonymous('172.18.0.3', true))
    assert.deepEqual([first.passed, second.passed], [6000, 4000])
    assert.equal(take(1, () => throttle.anonymous('192.0.2.1', false)).passed, 1)
  })

  it('lets a token that is alone have all there is', () => {
    assert.equal(take(100_000, () => throttle.token('reader')).passed, 100_000)
  })

  it('holds a token to its rate beside others, and takes nothing from them', () => {
    let others = 0
    const { passed, refusal } = take(50_000, () => {
      throttle.token('reader')
      throttle.token('line')
      others += 1
    })
    assert.equal(passed, 20_000)
    assert.match(refusal?.message ?? '', /with token reader/)
    assert.equal(others, 20_000)
    now += 10_001
    throttle.token('reader')
    now += 10_001
    assert.equal(take(100_000, () => throttle.token('reader')).passed, 100_000)
  })

  it('remembers no more addresses than it may', () => {
    take(1000, () => throttle.anonymous('192.0.2.1', false))
    for (let each = 0; each < 5000; each++) throttle.anonymous(`10.0.${each >> 8}.${each & 255}`, false)
    assert.equal(take(1, () => throttle.anonymous('192.0.2.1', false)).passed, 1)
  })
})
