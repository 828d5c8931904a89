import assert from 'node:assert/strict'
import { Desired } from './desired.ts'

describe('Desired', () => {
  let told: unknown[]
  let desired: Desired

  beforeEach(() => {
    told = []
    desired = new Desired({
      coalesceMs: 0,
      changed: (document, version) => told.push([document, version]),
      moved: (version) => told.push(version)
    })
  })

  afterEach(() => desired.close())

  /** Until what was coalesced has been told: a timer of no time that was set before this one. */
  const coalesced = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

  it('tells the first document at once', () => {
    desired.replace({ a: 1, $version: 7, $metadata: {} })
    assert.deepEqual(told, [[{ a: 1 }, 7]])
  })

  it('applies the next version, ignores what it knows and sees what is missing', async () => {
    assert.equal(desired.patch({ a: 1, $version: 2 }), 'gap')
    desired.replace({ a: 1, $version: 7 })
    assert.equal(desired.patch({ a: 0, $version: 7 }), 'stale')
    assert.equal(desired.patch({ a: 0, $version: 6 }), 'stale')
    assert.equal(desired.patch({ a: 2, $version: 9 }), 'gap')
    assert.equal(desired.patch({ a: 2 }), 'gap')
    assert.equal(desired.patch({ b: 2, $version: 8 }), 'applied')
    await coalesced()
    assert.deepEqual(told, [
      [{ a: 1 }, 7],
      [{ a: 1, b: 2 }, 8]
    ])
  })

  it('takes a whole document of a lower version: the twin was made anew', async () => {
    desired.replace({ a: 1, $version: 7 })
    desired.replace({ b: 1, $version: 1 })
    assert.equal(desired.patch({ c: 1, $version: 2 }), 'applied')
    await coalesced()
    assert.deepEqual(told.at(-1), [{ b: 1, c: 1 }, 2])
  })

  it('tells nothing of a document read again, and only the version of one that changed back', async () => {
    desired.replace({ a: 1, $version: 7 })
    desired.replace({ a: 1, $version: 7 })
    await coalesced()
    desired.patch({ a: 2, $version: 8 })
    desired.patch({ a: 1, $version: 9 })
    await coalesced()
    assert.deepEqual(told, [[{ a: 1 }, 7], 9])
  })
})
