import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from './log/log.ts'
import { ReportBudget } from './report-budget.ts'

describe('ReportBudget', () => {
  const log = new LineLog(() => undefined)
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-budget-'))
  })

  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('keeps the latest from one start to the next', async () => {
    const budget = new ReportBudget(folder, log)
    assert.equal(await budget.load(), undefined)
    for (const tokens of [39, 38, 37.5]) budget.save({ tokens, at: 1000 - tokens })
    await budget.written()
    assert.deepEqual(await new ReportBudget(folder, log).load(), { tokens: 37.5, at: 962.5 })
  })

  it('begins anew with a file that cannot be read, and does without a disk that takes nothing', async () => {
    await writeFile(join(folder, 'report-budget.json'), '{"tokens":')
    assert.equal(await new ReportBudget(folder, log).load(), undefined)
    const nowhere = new ReportBudget(join(folder, 'report-budget.json'), log)
    nowhere.save({ tokens: 1, at: 1 })
    await nowhere.written()
  })
})
