import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seeded, Torturer } from './torture/torturer.ts'

/** `CAUSEWAY_TORTURE_CYCLES=5000 CAUSEWAY_TORTURE_SEED=1 mocha test/torture.test.ts` for a longer run, or the same again. */
const cycles = Number(process.env['CAUSEWAY_TORTURE_CYCLES'] ?? 100)
const seed = Number(process.env['CAUSEWAY_TORTURE_SEED'] ?? randomInt(2 ** 31))
const lanes = 2
const cyclesPerLeakCheck = 10

describe('a registry that is killed again and again', function () {
  this.timeout(60_000 + cycles * 5_000)
  let folder: string

  before(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-torture-'))))
  after(() => rm(folder, { recursive: true }))

  it(`keeps what it acknowledged, serves nothing unverified and leaks nothing, over ${cycles} kills`, async () => {
    console.log(`      CAUSEWAY_TORTURE_SEED=${seed}`)
    const torturers = Array.from(
      { length: lanes },
      (_, lane) => new Torturer(join(folder, String(lane)), seeded(seed + lane))
    )
    let begun = 0
    const lane = async (torturer: Torturer): Promise<void> => {
      try {
        for (let own = 1; begun < cycles; own += 1) {
          begun += 1
          await torturer.start()
          await torturer.verify()
          if (own % cyclesPerLeakCheck === 0) await torturer.mustLeakNothing()
          await torturer.torment()
        }
        await torturer.start()
        await torturer.verify()
        await torturer.mustLeakNothing()
      } finally {
        await torturer.close()
      }
    }
    await Promise.all(torturers.map(lane))
    const total = (key: keyof Torturer['tally']): number => torturers.reduce((sum, { tally }) => sum + tally[key], 0)
    console.log(
      `      ${total('kills')} kills, ${total('pushed')} pushes and ${total('deleted')} deletes acknowledged, ${total('refused')} refused, ${total('verified')} blobs verified`
    )
    assert.equal(total('kills'), cycles)
    // A process that was always killed before its first word would prove nothing.
    assert.ok(total('pushed') > cycles / 2 && total('deleted') > cycles / 20, 'enough was acknowledged')
  })
})
