import assert from 'node:assert/strict'
import { Budget, BudgetSpent } from './budget.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { MemoryContent } from './testing/memory-content.ts'

const mega = 1_000_000

describe('sync: budget', () => {
  let clock: FakeClock
  let content: MemoryContent
  let budget: Budget

  beforeEach(() => {
    clock = new FakeClock('2026-11-29T20:00:00Z')
    content = new MemoryContent()
    budget = make()
  })

  function make(bytesPerDay: number | undefined = 10 * mega, bytesPerMonth?: number): Budget {
    const made = new Budget(clock, content.index)
    made.configure({ bytesPerDay, bytesPerMonth })
    return made
  }

  /** Takes pieces until no more may come. */
  async function spend(piece = 50_000): Promise<number> {
    let bytes = 0
    try {
      for (;;) {
        await budget.mayFetch()
        bytes += piece
        await budget.fetched(piece)
      }
    } catch (error) {
      if (!(error instanceof BudgetSpent)) throw error
      return bytes
    }
  }

  it('ends at the day’s bytes, and begins anew with the next day', async () => {
    assert.equal(await spend(), 10 * mega)
    await assert.rejects(budget.mayFetch(), { code: 'BUDGET_SPENT', message: /10000000 bytes for 2026-11-29 is spent/ })
    await clock.advanceTo('2026-11-30T00:00:00Z')
    assert.equal(await spend(), 10 * mega)
  })

  it('ends at the month’s bytes before the day’s', async () => {
    budget = make(10 * mega, 15 * mega)
    assert.equal(await spend(), 10 * mega)
    await clock.advanceTo('2026-11-30T00:00:00Z')
    assert.equal(await spend(), 5 * mega)
    await assert.rejects(budget.mayFetch(), { message: /for 2026-11 is spent/ })
    await clock.advanceTo('2026-12-01T00:00:00Z')
    assert.equal(await spend(), 10 * mega)
  })

  it('remembers over restarts, and over kills never gives more and hardly less', async () => {
    let bytes = 0
    for (let kills = 0; kills < 5; kills += 1) {
      for (let pieces = 0; pieces < 20; pieces += 1) await budget.fetched(50_000)
      bytes += 20 * 50_000
      budget = make()
    }
    bytes += await spend()
    assert.ok(bytes <= 10 * mega + 5 * 50_000 && bytes >= 10 * mega - 5 * 65_536, String(bytes))
    await budget.settle()
    budget = make()
    await assert.rejects(budget.mayFetch(), { code: 'BUDGET_SPENT' })
  })

  it('gives nothing more for a kill between two steps', async () => {
    for (let pieces = 0; pieces < 20; pieces += 1) await budget.fetched(1000)
    budget = make()
    const left = await spend(1000)
    assert.ok(left <= 10 * mega - 20 * 1000, String(left))
  })

  it('counts exactly over an orderly end', async () => {
    await budget.fetched(3 * mega)
    await budget.settle()
    budget = make()
    assert.equal(await spend(), 7 * mega)
  })

  it('is not forgotten by a clock that is wrong for a while', async () => {
    await budget.fetched(8 * mega)
    await budget.settle()
    budget = make()
    clock.jump('1970-01-01T00:00:00Z')
    await budget.fetched(mega)
    await budget.settle()
    clock.jump('2026-11-29T21:00:00Z')
    assert.equal(await spend(), 2 * mega)
  })

  it('does not stand in the way, nor write, where there is none', async () => {
    budget = new Budget(clock, content.index)
    await budget.mayFetch()
    await budget.fetched(1000 * mega)
    await budget.settle()
    assert.deepEqual(content.changes, [])
  })
})
