import assert from 'node:assert/strict'
import { Completeness } from './completeness.ts'
import { LineLog } from './log/log.ts'
import { readSettings } from './settings/validate.ts'
import type { IndexChange } from './storage/storage.ts'

describe('Completeness', () => {
  const settings = (imageSets: object): Parameters<Completeness['lacksSomething']>[0] => {
    const reading = readSettings({ schemaVersion: '1.0', imageSets })
    return reading.ok ? reading.settings : assert.fail(JSON.stringify(reading.errors))
  }
  const wanting = settings({ all: { repositories: ['plant/app:1'] } })
  const nothing = settings({})
  const succeeded = { result: { state: 'Succeeded' } } as const
  const states = new Map<string, unknown>()
  beforeEach(() => states.clear())
  const index = {
    state: (key: string) => Promise.resolve(states.get(key)),
    apply: (changes: readonly IndexChange[]) => {
      for (const change of changes) if (change.kind === 'setState') states.set(change.key, change.value)
      return Promise.resolve()
    }
  }
  const start = (): Promise<Completeness> => Completeness.read(index, new LineLog(() => undefined))

  it('begins with the first pass that had something to bring, and outlives the process', async () => {
    const first = await start()
    assert.deepEqual([first.lacksSomething(undefined), first.lacksSomething(nothing)], [false, false])
    // Before the settings came, all that a pass proves are the credentials.
    for (const none of [undefined, nothing]) first.passEnded(succeeded, none)
    assert.equal(first.lacksSomething(wanting), true)
    assert.equal((await start()).lacksSomething(wanting), true)
    first.passEnded({ result: { state: 'Failed' } }, wanting)
    assert.equal(first.lacksSomething(wanting), true)
    first.passEnded(succeeded, wanting)
    assert.equal(first.lacksSomething(wanting), false)
    assert.equal((await start()).lacksSomething(wanting), false)
  })

  it('does not begin with a pass whose parent lacked something itself', async () => {
    const here = await start()
    here.passEnded({ ...succeeded, parentIsIncomplete: true }, wanting)
    assert.equal(here.lacksSomething(wanting), true)
    here.passEnded(succeeded, wanting)
    assert.equal(here.lacksSomething(wanting), false)
  })
})
