import assert from 'node:assert/strict'
import { LineLog } from './log/log.ts'
import { SettingsKeeper, type SettingsKeeperOptions } from './settings-keeper.ts'
import type { Settings } from './settings/document.ts'
import type { LastGood } from './settings/last-good.ts'
import { createStatus, type Status } from './status/status.ts'

const good = { schemaVersion: '1.0', imageSets: { workloads: { repositories: ['hello-world'] } } }

describe('settings keeper', () => {
  let status: Status
  let applied: (Settings | undefined)[]
  let kept: LastGood | undefined
  let lines: string[]
  let keeper: SettingsKeeper

  beforeEach(() => {
    status = createStatus({ version: '0.0.0', startedAt: new Date() })
    applied = []
    kept = undefined
    lines = []
    keeper = make()
  })

  const held: SettingsKeeperOptions['lastGood'] = {
    load: () => Promise.resolve(kept),
    save: (each) => Promise.resolve(void (kept = each))
  }

  afterEach(() => keeper.close())

  function make(lastGood = held): SettingsKeeper {
    return new SettingsKeeper({
      status,
      lastGood,
      artifacts: {
        kept: () => Promise.resolve(undefined),
        fetch: () => Promise.reject(new Error('these tests have no artifacts')),
        forgetOthers: () => Promise.resolve()
      },
      log: new LineLog((line) => lines.push(line)),
      howToMend: 'run causeway configure',
      apply: (settings) => applied.push(settings),
      retryMs: 1
    })
  }

  const codes = (): (string | undefined)[] => (status.snapshot().statusDetails ?? []).map(({ code }) => code)

  it('says how to mend that there are none', async () => {
    await keeper.restore()
    assert.deepEqual(codes(), [])
    keeper.reportMissing()
    assert.deepEqual(codes(), ['SettingsMissing'])
    await keeper.take({ someOtherTool: true }, 4)
    assert.deepEqual(applied, [undefined])
    assert.deepEqual(codes(), ['SettingsMissing'])
    const { lastDesiredVersion, lastDesiredStatus } = status.snapshot()
    assert.equal(lastDesiredVersion, 4)
    assert.equal(lastDesiredStatus?.code, 417)
    assert.match(lastDesiredStatus.description, /causeway configure/)
  })

  it('applies, acknowledges and keeps what is right', async () => {
    await keeper.restore()
    keeper.reportMissing()
    await keeper.take(good, 5)
    keeper.reportMissing()
    assert.deepEqual(Object.keys(applied.at(-1)?.imageSets ?? {}), ['workloads'])
    assert.deepEqual(kept, { version: 5, document: good })
    assert.deepEqual(codes(), [])
    const { lastDesiredVersion, appliedVersion, lastDesiredStatus } = status.snapshot()
    assert.deepEqual([lastDesiredVersion, appliedVersion, lastDesiredStatus?.code], [5, 5, 200])
  })

  it('keeps the last good settings in force and says what is wrong and where', async () => {
    await keeper.restore()
    await keeper.take(good, 5)
    await keeper.take({ ...good, imageSets: { workloads: { repositories: ['Hello World'] } } }, 6)
    assert.equal(applied.length, 2)
    assert.equal(kept?.version, 5)
    const { lastDesiredVersion, appliedVersion, lastDesiredStatus } = status.snapshot()
    assert.deepEqual([lastDesiredVersion, appliedVersion, lastDesiredStatus?.code], [6, 5, 400])
    assert.equal(lastDesiredStatus?.errors?.[0]?.path, 'imageSets.workloads.repositories.0')
    assert.deepEqual(codes(), ['SettingsInvalid'])
    await keeper.take({ ...good, logLevel: 'Warning' }, 7)
    assert.deepEqual(codes(), [])
    assert.equal(status.snapshot().appliedVersion, 7)
  })

  it('says at each moment what is wrong with the settings of that moment, and no more', async () => {
    const bad = { ...good, mode: 'Neither' }
    const digest = `sha256:${'a'.repeat(64)}`
    const waiting = { ...good, settingsArtifact: { repository: 'causeway/settings', digest } }
    const said = (): string[] =>
      (status.snapshot().statusDetails ?? []).map(({ code, description }) => `${code}: ${description}`).toSorted()
    await keeper.restore()
    keeper.reportMissing()
    assert.deepEqual(said(), ['SettingsMissing: run causeway configure'])
    await keeper.take(bad, 1)
    keeper.reportMissing()
    const [invalid, missing] = said()
    assert.match(invalid ?? '', /^SettingsInvalid: refused: mode: .*; no settings are in force$/)
    assert.equal(missing, 'SettingsMissing: no settings are in force: those given are refused')
    assert.match(status.snapshot().lastDesiredStatus?.description ?? '', /; no settings are in force$/)
    await keeper.take({}, 2)
    assert.deepEqual(said(), ['SettingsMissing: run causeway configure'])
    await keeper.take(waiting, 3)
    assert.deepEqual(said(), [
      'SettingsMissing: no settings are in force: those given wait for their settings artifact'
    ])
    keeper.unreadable('settings.json cannot be read: EIO')
    assert.deepEqual(said(), [
      'SettingsInvalid: settings.json cannot be read: EIO; no settings are in force',
      'SettingsMissing: no settings are in force: those given cannot be read'
    ])
    await keeper.take(good, 4)
    assert.deepEqual(said(), [])
    await keeper.take(bad, 5)
    assert.match(said().join(), /^SettingsInvalid: refused: mode: .*; the settings in force stay$/)
    await keeper.take(waiting, 6)
    assert.deepEqual(said(), [])
    await keeper.take(bad, 7)
    await keeper.take({}, 8)
    assert.deepEqual(said(), ['SettingsMissing: run causeway configure'])
  })

  it('keeps them too when the twin loses its settings', async () => {
    await keeper.restore()
    await keeper.take(good, 5)
    await keeper.take({}, 6)
    assert.equal(applied.length, 2)
    const { appliedVersion, lastDesiredStatus } = status.snapshot()
    assert.deepEqual([appliedVersion, lastDesiredStatus?.code], [5, 417])
  })

  it('acknowledges a new version of the same content without applying it again', async () => {
    await keeper.restore()
    await keeper.take(good, 5)
    await keeper.take({ imageSets: good.imageSets, schemaVersion: '1.0' }, 6)
    await keeper.acknowledge(7)
    assert.equal(applied.length, 2)
    const { lastDesiredVersion, appliedVersion } = status.snapshot()
    assert.deepEqual([lastDesiredVersion, appliedVersion], [7, 7])
  })

  it('acknowledges a new version only once the content is judged, and never goes back to an older one', async () => {
    const disk = Promise.withResolvers<undefined>()
    const saving = Promise.withResolvers<undefined>()
    keeper = make({
      ...held,
      save: async (each) => {
        saving.resolve(undefined)
        await disk.promise
        return held.save(each)
      }
    })
    const told: (number | undefined)[] = []
    status.on('change', () => told.push(status.snapshot().lastDesiredVersion))
    const taken = keeper.take(good, 2)
    await saving.promise
    const acknowledged = keeper.acknowledge(3)
    disk.resolve(undefined)
    await Promise.all([taken, acknowledged])
    assert.deepEqual(
      told.filter((version) => version !== undefined),
      [2, 3]
    )
    assert.equal(status.snapshot().appliedVersion, 3)
  })

  it('starts with what was accepted before, hub or no hub', async () => {
    kept = { version: 9, document: good }
    await keeper.restore()
    assert.deepEqual(Object.keys(applied[0]?.imageSets ?? {}), ['workloads'])
    assert.equal(status.snapshot().appliedVersion, 9)
    assert.deepEqual(codes(), [])
  })

  it('starts without what the disk does not give any more, and takes what comes', async () => {
    keeper = make({ ...held, load: () => Promise.reject(new Error('EIO: i/o error')) })
    await keeper.restore()
    assert.deepEqual(applied, [undefined])
    assert.match(lines.join(''), /<3>.*earlier start are lost.*EIO/)
    await keeper.take(good, 5)
    assert.equal(kept?.version, 5)
  })

  it('warns while the disk does not take the settings in force, and writes them again until it does', async () => {
    let full = true
    keeper = make({
      ...held,
      save: (each) => (full ? Promise.reject(new Error('ENOSPC: no space left on device')) : held.save(each))
    })
    await keeper.restore()
    await keeper.take(good, 5)
    const warnings = (): string => JSON.stringify(status.snapshot().lastDesiredStatus?.warnings)
    assert.equal(status.snapshot().lastDesiredStatus?.code, 200)
    assert.match(warnings(), /lost by a restart.*ENOSPC/)
    // Still so, whatever is refused meanwhile.
    await keeper.take({ ...good, mode: 'Neither' }, 6)
    assert.equal(status.snapshot().lastDesiredStatus?.code, 400)
    assert.match(warnings(), /lost by a restart.*ENOSPC/)
    const told = new Promise<void>((resolve) => status.on('change', () => warnings() === '[]' && resolve()))
    full = false
    await told
    assert.deepEqual(kept, { version: 5, document: good })
    assert.deepEqual([status.snapshot().lastDesiredVersion, status.snapshot().lastDesiredStatus?.code], [6, 400])
  })

  it('writes no settings again that others have replaced', async () => {
    const tries: number[] = []
    keeper = make({
      ...held,
      save: (each) => {
        tries.push(each.version)
        return each.version === 5 && tries.length < 3 ? Promise.reject(new Error('ENOSPC')) : held.save(each)
      }
    })
    await keeper.restore()
    await keeper.take(good, 5)
    await keeper.take({ ...good, logLevel: 'Warning' }, 6)
    assert.equal(kept?.version, 6)
    const { length } = tries
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
    assert.equal(tries.length, length)
    assert.deepEqual(status.snapshot().lastDesiredStatus?.warnings, [])
  })

  it('passes over what this release does not know, and warns', async () => {
    await keeper.take({ ...good, novelty: true }, 2)
    assert.equal(status.snapshot().lastDesiredStatus?.code, 200)
    assert.equal(status.snapshot().lastDesiredStatus?.warnings?.[0]?.path, 'novelty')
    assert.ok(lines.some((line) => line.includes('novelty')))
  })

  it('never shows a value', async () => {
    await keeper.take({ ...good, parent: { endpoint: 'a b', tokenName: 't', password: 'hunter2' } }, 2)
    assert.equal(status.snapshot().lastDesiredStatus?.code, 400)
    assert.ok(!JSON.stringify(status.snapshot()).includes('hunter2'))
    assert.ok(!lines.join('').includes('hunter2'))
  })
})
