import assert from 'node:assert/strict'
import { Completeness } from './completeness.ts'
import { LineLog } from './log/log.ts'
import { readSettings } from './settings/validate.ts'
import type { IndexChange } from './storage/storage.ts'

describe('Completeness', () => {
  const settings = (imageSets: object): Parameters<Completeness['succeeded']>[0] => {
    const reading = readSettings({ schemaVersion: '1.0', imageSets })
    return reading.ok ? reading.settings : assert.fail(JSON.stringify(reading.errors))
  }
  const wanting = settings({ all: { repositories: ['plant/app:1'] } })
  const nothing = settings({})
  const states = new Map<string, unknown>()
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
    for (const none of [undefined, nothing]) first.succeeded(none)
    assert.equal(first.lacksSomething(wanting), true)
    assert.equal((await start()).lacksSomething(wanting), true)
    first.succeeded(wanting)
    assert.equal(first.lacksSomething(wanting), false)
    assert.equal((await start()).lacksSomething(wanting), false)
  })
})
