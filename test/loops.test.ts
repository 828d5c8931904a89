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
    const { length } = upper.log
    await below(upper, hostOf(upper))
    await upper.logs(/ fault .*code=ParentLoop .*is this registry itself/, length)
    assert.equal(await metric(upper, loop), 1)
    assert.equal(await metric(upper, 'causeway_sync_fetched_bytes_total'), 0)
    const again = upper.log.length
    await below(upper, hostOf(lower))
    await upper.logs(/ sync ended /, again)
    assert.equal(await metric(upper, loop), 0)
  })

  it('reports a circle of two on both sides, and neither once one is mended', async () => {
    await below(lower, hostOf(upper))
    await lower.logs(/ sync ended .*SettingsChange/)
    await below(upper, hostOf(lower))
    await upper.logs(/ fault .*code=ParentLoop .*over 1 other:/)
    const { length } = lower.log
    await below(lower, hostOf(upper))
    await lower.logs(/ fault .*code=ParentLoop /, length)
    assert.deepEqual([await metric(upper, loop), await metric(lower, loop)], [1, 1])
    const mended = [upper.log.length, lower.log.length] as const
    await below(upper, undefined)
    await upper.logs(/ sync ended /, mended[0])
    await below(lower, hostOf(upper))
    await lower.logs(/ sync ended /, mended[1])
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
