import assert from 'node:assert/strict'
import type { Acr } from '../acr/acr.ts'
import { SdkWorld } from '../acr/sdk-world.test.ts'
import { Throttling } from './throttling.ts'

const registry = 'throttled'
const actions = ['repositories/hello-world/content/read']

/** Through the real SDK with its retries as in production, but for how long they wait where nobody says. */
describe('Resource Manager that throttles', () => {
  let world: SdkWorld
  let acr: Acr
  before(async () => {
    world = await SdkWorld.start([registry])
  })
  beforeEach(() => {
    world.cloud.arm.faults.length = 0
    acr = world.acr(registry, { throttleDelay: 5 })
  })
  after(() => world.close())

  const throttle = (method: string, path: RegExp, times: number, headers: Record<string, string> = {}): void => {
    const [status, code, message] = [429, 'TooManyRequests', 'Slow down.']
    world.cloud.arm.faults.push({ method, path, status, code, message, headers, times })
  }
  const left = (): number => world.cloud.arm.faults[0]?.times ?? 0

  it('gets what it asks for, of reads, writes and polls, whether it says for how long or not', async () => {
    for (const [method, path] of [
      ['GET', /scopeMaps/],
      ['PUT', /scopeMaps/],
      ['GET', /operationStatuses/]
    ] as const) {
      throttle(method, path, 2)
      throttle(method, path, 1, { 'retry-after': '0' })
    }
    assert.equal(await acr.scopeMap('readers'), undefined)
    await acr.createScopeMap('readers', { description: '', actions })
    await acr.createToken('client', { scopeMap: 'readers', status: 'enabled' })
    assert.deepEqual(
      world.cloud.arm.faults.map(({ times }) => times),
      [0, 0, 0, 0, 0, 0]
    )
  })

  it('is told where it goes on without saying for how long', async () => {
    throttle('GET', /scopeMaps/, 1000)
    await assert.rejects(acr.scopeMap('readers'), { code: 'AZURE_THROTTLED', message: /run this again in a minute/ })
    assert.ok(left() < 999, 'it was asked again')
  })

  for (const [what, value, told] of [
    ['in seconds', () => '3600', /run this again in 3600 seconds/],
    ['as a date', () => new Date(Date.now() + 3_600_000).toUTCString(), /run this again in 3[56]\d\d seconds/]
  ] as const)
    it(`is told at once where it asks for an hour, ${what}`, async () => {
      throttle('GET', /scopeMaps/, 1000, { 'retry-after': value() })
      await assert.rejects(acr.scopeMap('readers'), { code: 'AZURE_THROTTLED', message: told })
      assert.equal(left(), 999, 'it was asked once')
    })

  it('has a wait shown that somebody would notice, until it is asked again', async () => {
    const shown: string[] = []
    const throttling = new Throttling({
      showWait: (what) => {
        shown.push(what)
        return Promise.resolve(() => void shown.push('ended'))
      }
    })
    const request = {}
    const answer = (seconds: string): Promise<{ status: number; headers: Map<string, string> }> =>
      throttling.sendRequest(request, () =>
        Promise.resolve({ status: 429, headers: new Map([['retry-after', seconds]]) })
      )
    await answer('1')
    assert.deepEqual(shown, [])
    await answer('30')
    assert.deepEqual(shown, ['Azure asks for patience: 30 s'])
    await answer('3600')
    assert.deepEqual(shown, ['Azure asks for patience: 30 s', 'ended'])
  })
})
