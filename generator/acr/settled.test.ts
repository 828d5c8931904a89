import assert from 'node:assert/strict'
import type { ContainerRegistryManagementClient } from '@azure/arm-containerregistry'
import { testSite } from '../testing.ts'
import type { Acr } from './acr.ts'
import { SdkWorld } from './sdk-world.test.ts'
import { isUnderWay, lastChangeOf, settled } from './settled.ts'

type PipelinePolicy = Parameters<ContainerRegistryManagementClient['pipeline']['addPolicy']>[0]

const { azure } = testSite()
const registry = 'busyregistry'
const token = { scopeMap: 'readers', status: 'enabled' } as const
const actions = ['repositories/hello-world/content/read']

describe('a thing with an operation under way', () => {
  let world: SdkWorld
  let acr: Acr
  /** What a person was shown: that a wait began, and that it ended. */
  let shown: string[]

  before(async () => {
    world = await SdkWorld.start([registry])
    await world.acr(registry).createScopeMap('readers', { description: '', actions })
  })
  beforeEach(() => {
    shown = []
    acr = world.acr(registry, {
      showWait: (what) => {
        shown.push(what)
        return Promise.resolve(() => void shown.push('ended'))
      }
    })
    world.cloud.arm.pollsUntilDone = 0
  })
  after(() => world.close())

  const waited = (name: string): string[] => [`waiting until Azure has ended what it does with token ${name}`, 'ended']
  /** Has somebody else begin something, without waiting for it. */
  const begun = async (poller: { submitted(): Promise<void> }, polls = 4): Promise<void> => {
    world.cloud.arm.pollsUntilDone = polls
    await poller.submitted()
    world.cloud.arm.pollsUntilDone = 0
  }
  const scopeMapId = `/subscriptions/${azure.subscription}/resourceGroups/${azure.resourceGroup}/providers/Microsoft.ContainerRegistry/registries/${registry}/scopeMaps/readers`
  const at = [azure.resourceGroup, registry] as const

  it('is read when that has ended', async () => {
    await acr.createToken('leaving', token)
    await begun(world.sdk().tokens.delete(...at, 'leaving'))
    assert.equal(await acr.token('leaving'), undefined)
    assert.deepEqual(shown, waited('leaving'))
  })

  it('is written when that has ended', async () => {
    await begun(world.sdk().tokens.create(...at, 'coming', { scopeMapId, status: 'enabled' }))
    await acr.createToken('coming', { ...token, status: 'disabled' })
    assert.equal((await acr.token('coming'))?.status, 'disabled')
    assert.deepEqual(shown, waited('coming'))
  })

  it('is given up on after a time, and says what Azure does with it', async () => {
    const { signal } = new AbortController()
    const patience = { signal, interval: 1, timeout: 5, showWait: undefined }
    const deleting = { provisioningState: 'Deleting' }
    await assert.rejects(
      settled(
        'token x',
        () => Promise.resolve(deleting),
        (thing) => thing,
        patience
      ),
      { code: 'AZURE_CONFLICT', message: /^token x: Azure has had it Deleting for / }
    )
  })

  it('is told by its state: all but three are under way, and two of those failed', () => {
    const states = [
      'Succeeded',
      'failed',
      'Canceled',
      'Cancelled',
      'Creating',
      'Updating',
      'Deleting',
      'Odd',
      undefined
    ]
    const of = (test: (thing: { provisioningState?: string }) => boolean): unknown[] =>
      states.filter((state) => test(state === undefined ? {} : { provisioningState: state }))
    assert.deepEqual(of(isUnderWay), ['Creating', 'Updating', 'Deleting', 'Odd'])
    assert.deepEqual(
      of((thing) => lastChangeOf(thing).failed === true),
      ['failed', 'Canceled', 'Cancelled']
    )
  })

  describe('whose reply was lost, so that the SDK sends the write twice', () => {
    /** Loses the first reply to such a request, behind the SDK's own retries. */
    const losing = (method: string, path: RegExp): Acr => {
      let lost = false
      const policy: PipelinePolicy = {
        name: 'losesReply',
        async sendRequest(request, next) {
          const response = await next(request)
          if (lost || request.method !== method || !path.test(request.url)) return response
          lost = true
          throw Object.assign(new Error('socket hang up'), { name: 'RestError', code: 'ECONNRESET' })
        }
      }
      // As often as in production, and sooner.
      const client = world.sdk({ retryOptions: { retryDelayInMs: 5 } })
      client.pipeline.addPolicy(policy, { afterPhase: 'Retry' })
      return world.acr(registry, { client })
    }

    for (const [what, method, path, write] of [
      ['a scope map', 'PATCH', /scopeMaps/, (each) => each.updateScopeMap('readers', actions)],
      ['a token that is made', 'PUT', /tokens/, (each) => each.createToken('lost-token', token)],
      ['a token that is changed', 'PATCH', /tokens/, (each) => each.updateToken('lost-token', token)],
      ['a token that goes', 'DELETE', /tokens/, (each) => each.deleteToken('lost-token')],
      ['the registry', 'PATCH', /registries\/[^/?]+(?:\?|$)/, (each) => each.enableDataEndpoint()]
    ] as const satisfies readonly (readonly [string, string, RegExp, (acr: Acr) => Promise<void>])[])
      it(`may be ${what}`, async () => {
        world.cloud.arm.pollsUntilDone = 1
        await write(losing(method, path))
        const sent = world.cloud.requests.filter((request) => request.method === method && path.test(request.path))
        assert.ok(sent.length >= 2, 'it was sent again')
      })
  })
})
