import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LoneModule } from './lone-module.ts'

/** What no code of ours does on purpose, on a signal: a promise that nobody waits for fails, or a listener throws. */
const failures = `
  process.once('SIGHUP', () => void Promise.reject(new Error('nobody foresaw this')))
  process.once('SIGUSR2', () => { throw Object.assign(new Error('nor this'), { code: 'ESTRANGE' }) })
`

describe('what nobody foresaw', function () {
  this.timeout(30_000)
  let folder: string
  let module: LoneModule

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-unexpected-'))
  })
  beforeEach(async () => {
    module = new LoneModule(await mkdtemp(join(folder, 'home-')))
  })
  afterEach(async () => {
    if (module.isRunning) await module.stop()
  })
  after(() => rm(folder, { recursive: true, force: true }))

  for (const [signal, logLevel, line, isTraced] of [
    ['SIGHUP', 'Information', /ends .*: nobody foresaw this code=UNEXPECTED\n/, false],
    ['SIGUSR2', 'Debug', /ends .*: nor this code=ESTRANGE\n.* stack="Error: nor this .* at .*"\n/, true]
  ] as const)
    it(`ends the module with 1 and one line for people (${signal}, logLevel ${logLevel})`, async () => {
      await module.write({ schemaVersion: '1.0', logLevel })
      await module.start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(failures)}` })
      await module.logs(/ settings applied /)
      const { length } = module.log
      process.kill(module.pid!, signal)
      await module.logs(line, length)
      assert.equal(await module.ended, 1)
      assert.equal(/ {4}at |stack=/.test(module.log.slice(length)), isTraced)
    })

  it('is not a port that another program has: the module says what to do', async () => {
    await module.write({ schemaVersion: '1.0' })
    await module.start()
    const { host } = new URL(module.origin)
    const second = new LoneModule(await mkdtemp(join(folder, 'home-')))
    await second.write({ schemaVersion: '1.0' })
    await assert.rejects(
      second.start({ CAUSEWAY_LISTEN: host }),
      /EADDRINUSE: address already in use 127\.0\.0\.1:\d+: .*set CAUSEWAY_LISTEN to another host:port code=EADDRINUSE/
    )
    assert.equal(await second.ended, 1)
  })
})
