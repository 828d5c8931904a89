import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { readersOf } from './guarded-module.ts'
import { LoneModule } from './lone-module.ts'
import { ask } from './world.ts'

describe('wrong parents and wrong clocks', function () {
  this.timeout(60_000)
  let folder: string
  let upper: LoneModule
  let lower: LoneModule
  /** Changes with each writing: what is the same starts no pass. */
  let minutes = 15

  const settings = async (parent?: string): Promise<SettingsInput> => {
    const all = await readersOf('samples/app:1.0', parent ?? '', { reader: 'secret' })
    minutes += 1
    return { ...all, sync: { intervalMinutes: minutes }, ...(parent === undefined ? { parent: undefined } : {}) }
  }
  const below = async (module: LoneModule, parent: string | undefined): Promise<void> =>
    module.write(await settings(parent))
  /** Waits for the end of the pass that the settings start, too: one of the settings before them may end in between. */
  const synced = async (module: LoneModule, parent: string | undefined): Promise<string> => {
    const { length } = module.log
    await below(module, parent)
    await module.logs(/ settings applied[^]* sync ended .*trigger=SettingsChange/, length)
    return module.log.slice(length)
  }
  const hostOf = (module: LoneModule): string => new URL(module.origin).host
  const metric = async (module: LoneModule, name: string): Promise<number> => {
    const { body } = await ask({ origin: module.origin }, '/metrics')
    const line = body
      .toString()
      .split('\n')
      .find((each) => each.startsWith(`${name} `))
    return Number(line?.split(' ')[1])
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-loops-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))
  beforeEach(async () => {
    upper = new LoneModule(await mkdtemp(join(folder, 'upper-')))
    lower = new LoneModule(await mkdtemp(join(folder, 'lower-')))
    for (const module of [upper, lower]) {
      await below(module, undefined)
      await module.start()
    }
  })
  afterEach(async () => {
    for (const module of [upper, lower]) if (module.isRunning) await module.stop()
  })

  const loop = 'causeway_fault{code="ParentLoop"}'

  it('reports a registry that is its own parent, fetches nothing, and goes on once that is mended', async () => {
    assert.match(await synced(upper, hostOf(upper)), / fault .*code=ParentLoop .*is this registry itself/)
    assert.equal(await metric(upper, loop), 1)
    assert.equal(await metric(upper, 'causeway_sync_fetched_bytes_total'), 0)
    await synced(upper, hostOf(lower))
    assert.equal(await metric(upper, loop), 0)
  })

  it('reports a circle of two on both sides, and neither once one is mended', async () => {
    await synced(lower, hostOf(upper))
    assert.match(await synced(upper, hostOf(lower)), / fault .*code=ParentLoop .*over 1 other:/)
    await synced(lower, hostOf(upper))
    assert.match(lower.log, / fault .*code=ParentLoop /)
    assert.deepEqual([await metric(upper, loop), await metric(lower, loop)], [1, 1])
    await synced(upper, undefined)
    await synced(lower, hostOf(upper))
    assert.equal(await metric(lower, loop), 0)
  })

  it('reports a clock that differs from the parent, with seconds', async () => {
    const parent: Server = createServer((_request, response) => {
      response.setHeader('date', new Date(Date.now() + 7_200_000).toUTCString())
      response.writeHead(404, { 'docker-distribution-api-version': 'registry/2.0' }).end()
    })
    parent.listen(0, '127.0.0.1')
    await once(parent, 'listening')
    try {
      await below(upper, `127.0.0.1:${(parent.address() as AddressInfo).port}`)
      await upper.logs(/ fault .*code=ClockSkew .*this device's clock is (719\d|720\d) seconds behind the parent's/)
      assert.equal(Math.round((await metric(upper, 'causeway_clock_skew_seconds')) / 60), -120)
      assert.equal(await metric(upper, 'causeway_fault{code="ClockSkew"}'), 1)
    } finally {
      parent.close()
      parent.closeAllConnections()
    }
  })
})
