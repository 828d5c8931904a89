import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import type { MethodOutcome } from '../hub/hub.ts'
import { FakeHub, runCommand, siteText, type CommandLine } from '../testing.ts'

describe('commands that call devices', () => {
  let folder: string
  let hub: FakeHub
  const calls: string[] = []
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-methods-'))
    const devices = ['ship-1', 'ship-2', 'mine-1'].map(
      (id, index) => `  ${id}: { connectedRegistry: { name: registry${index} } }`
    )
    await writeFile(join(folder, 'site.yaml'), siteText(devices.join('\n')))
  })
  after(() => rm(folder, { recursive: true }))
  beforeEach(() => {
    hub = new FakeHub()
    calls.length = 0
    answer(() => ({ kind: 'answered', status: 202, payload: { message: 'a sync has been asked for' } }))
  })
  function answer(with_: (device: string, payload: unknown) => MethodOutcome): void {
    hub.onInvoke = (device, module, method, payload) => {
      calls.push(`${device}/${module} ${method} ${JSON.stringify(payload)}`)
      return with_(device, payload)
    }
  }
  const causeway = (...words: string[]): Promise<CommandLine> => runCommand(words, { folder, hub })

  it('call the devices that are meant, and no others', async () => {
    const { code, stdout } = await causeway('sync-now', 'ship-*')
    assert.equal(code, 0)
    assert.equal(stdout, 'ship-1: done, a sync has been asked for\nship-2: done, a sync has been asked for\n')
    assert.deepEqual(calls, ['ship-1/connected-registry syncNow {}', 'ship-2/connected-registry syncNow {}'])
    assert.equal((await causeway('resume', '--all')).code, 0)
    assert.equal(calls.length, 5)
  })

  it('call nobody where it is not said whom', async () => {
    const { code, stderr } = await causeway('pause')
    assert.deepEqual([code, calls.length], [1, 0])
    assert.match(stderr, /USAGE: say which devices/)
    assert.match((await causeway('pause', 'plane-*')).stderr, /USAGE: the site file has no device plane-\*/)
  })

  it('hand on a reason, and tell of every device what became of it', async () => {
    const outcomes: Record<string, MethodOutcome> = {
      'ship-1': { kind: 'offline' },
      'ship-2': { kind: 'silent' },
      'mine-1': { kind: 'answered', status: 409, payload: { code: 'SYNC_PAUSED', message: 'it is paused' } }
    }
    answer((device) => outcomes[device]!)
    const { code, stdout } = await causeway('pause', '--all', '--reason', 'dry dock', '--output', 'json')
    assert.equal(code, 1)
    const { answers } = JSON.parse(stdout) as { answers: { device: string; outcome: string }[] }
    assert.deepEqual(
      answers.map(({ device, outcome }) => [device, outcome]),
      [
        ['mine-1', 'refused'],
        ['ship-1', 'offline'],
        ['ship-2', 'silent']
      ]
    )
    assert.ok(calls.every((call) => call.endsWith('pause {"reason":"dry dock"}')))
  })

  it('go on where the hub does not know one of them', async () => {
    const invoke = hub.invoke.bind(hub)
    hub.invoke = (device, ...more) =>
      device === 'ship-1' ? Promise.reject(new GeneratorError('AZURE_NOT_FOUND', 'no')) : invoke(device, ...more)
    const { code, stdout } = await causeway('sync-now', '--all')
    assert.equal(code, 1)
    assert.match(stdout, /^ship-1: failed, the hub has no such device or module; deploy to it first$/m)
    assert.match(stdout, /^ship-2: done/m)
  })

  it('list images page by page, and tell of devices that are away', async () => {
    answer((device, payload) => {
      if (device === 'ship-2') return { kind: 'offline' }
      const { after } = payload as { after?: string }
      const images =
        after === undefined
          ? [{ image: 'a:1', state: 'ready', digest: 'sha256:1' }]
          : [{ image: 'b:1', state: 'failed', reason: 'no' }]
      return {
        kind: 'answered',
        status: 200,
        payload: { images, total: 2, ...(after === undefined ? { next: 'a:1' } : {}) }
      }
    })
    const { code, stdout, stderr } = await causeway('images', 'ship-*', '--image-set', 'workloads')
    assert.equal(code, 1)
    assert.match(stderr, /^ship-2: offline, it is not connected/m)
    assert.match(stdout, /^ship-1 +a:1 +ready +sha256:1 +-$/m)
    assert.match(stdout, /^ship-1 +b:1 +failed +- +no$/m)
    assert.ok(calls.includes('ship-1/connected-registry images {"imageSet":"workloads","after":"a:1"}'))
    assert.equal((await causeway('images', 'list', 'ship-1')).code, 0)
  })

  it('ask for as long as IoT Hub waits, and no longer', async () => {
    assert.match((await causeway('sync-now', '--all', '--timeout', '2')).stderr, /5 to 300 seconds/)
  })
})
