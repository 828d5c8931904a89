import assert from 'node:assert/strict'
import { atOnce } from './at-once.ts'

describe('a few at a time', () => {
  it('gives the results in order, and never more at once than it may', async () => {
    let under = 0
    let most = 0
    const results = await atOnce([3, 1, 2, 0], 2, async (turns) => {
      most = Math.max(most, (under += 1))
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      under -= 1
      return turns * 10
    })
    assert.deepEqual([results, most], [[30, 10, 20, 0], 2])
  })

  it('begins nothing after a failure, and waits for what is under way', async () => {
    const { promise: held, resolve } = Promise.withResolvers<undefined>()
    const begun: number[] = []
    let isDone = false
    const working = atOnce([0, 1, 2, 3], 2, async (item) => {
      begun.push(item)
      if (item === 0) throw new Error('no')
      await held
      isDone = true
    })
    setImmediate(() => resolve(undefined))
    await assert.rejects(working, /no/)
    assert.deepEqual([begun, isDone], [[0, 1], true])
  })
})
