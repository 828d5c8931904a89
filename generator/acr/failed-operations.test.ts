import assert from 'node:assert/strict'
import type { GeneratorError } from '../errors.ts'
import { planRegistry } from '../plan/registry.ts'
import { testSite } from '../testing.ts'
import type { Outcome } from './provision.ts'
import { SdkWorld } from './sdk-world.test.ts'
import { wantedOf } from './wanted.ts'

const resource = '  gateway: { connectedRegistry: { name: plantgateway, resource: true } }'
const told = /the last change of it failed|provisioningState.*Failed.*Succeeded/
const actions = ['repositories/hello-world/content/read']
const token = { scopeMap: 'readers', status: 'enabled' } as const
const error = { code: 'InternalError', message: 'It could not be done.' }

/** Azure shows what was asked for also where it did not come about: only provisioningState tells (facts: arm-wire §13.1). */
describe('provision, run again after an operation of it failed', () => {
  let world: SdkWorld
  before(async () => {
    world = await SdkWorld.start([
      'failedtoken',
      'failedmap',
      'failedregistry',
      'faileddeletion',
      'failedflag',
      'failedwords'
    ])
  })
  beforeEach(() => {
    Object.assign(world.cloud.arm, { failing: undefined, specMode: false, pollsUntilDone: 1 })
  })
  after(() => world.close())

  for (const [what, registry, failing, devices] of [
    ['token plant-client', 'failedtoken', /tokens\/plant-client$/, undefined],
    ['scope map plant-readers', 'failedmap', /scopeMaps\/plant-readers$/, undefined],
    ['connected registry plantgateway', 'failedregistry', /connectedRegistries\/plantgateway$/, resource],
    ['data endpoint', 'failedflag', /registries\/failedflag$/, resource]
  ] as const)
    it(`does not take ${what} for made`, async () => {
      world.cloud.arm.specMode = true
      world.cloud.arm.failing = { resource: failing, error }
      const failed = await world.causeway('provision', registry, devices)
      assert.equal(failed.code, 1, failed.stdout)
      assert.match(failed.stderr, /^error AZURE_REFUSED: .*InternalError/m)
      world.cloud.arm.failing = undefined
      const store = await world.store(registry)
      const { changes } = await planRegistry(world.acr(registry), wantedOf(testSite(devices)), store)
      const planned = changes.find(({ subject }) => subject === what)
      assert.equal(planned?.action, 'change')
      assert.match(JSON.stringify(planned), told)
      const again = await world.causeway('provision', registry, devices)
      assert.equal(again.code, 0, again.stderr)
      assert.match(again.stdout.split('\n').find((line) => line.includes(`updated   ${what}`)) ?? '', told)
      assert.ok(await world.takesWhatIsKept('plant-client', registry))
      const rest = await world.causeway('provision --output json', registry, devices)
      assert.deepEqual(
        rest.stdout
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as Outcome).outcome)
          .filter((outcome) => outcome !== 'unchanged'),
        []
      )
    })

  for (const [what, failing, expected] of [
    [
      'cancelled',
      { status: 'Canceled' },
      /Operation was canceled\. The activity log may say why .*, and run this again/
    ],
    ['failed without a word', {}, /The long-running operation has failed\. The activity log may say why/],
    [
      'failed with a code of its own',
      { error: { code: 'A_B1', message: 'Bad. Things.' } },
      /has failed\. A_B1\. Bad\. Things\. The activity log/
    ],
    ['failed for a quota', { error: { code: 'QuotaExceeded', message: 'Full.' } }, /^AZURE_QUOTA /]
  ] as const)
    it(`tells what to do about one that was ${what}`, async () => {
      const acr = world.acr('failedwords')
      await acr.createScopeMap('readers', { description: '', actions })
      world.cloud.arm.failing = { resource: /tokens\/the-client/, ...failing }
      await assert.rejects(acr.createToken('the-client', token), ({ code, message }: GeneratorError) => {
        assert.match(`${code} ${message}`, expected)
        return true
      })
      world.cloud.arm.failing = undefined
      assert.equal((await acr.token('the-client'))?.failed, true)
    })

  it('tells of an operation that Azure no longer knows', async () => {
    const acr = world.acr('failedwords')
    const [status, code, message] = [404, 'NotFound', 'No such operation.']
    world.cloud.arm.faults.push({ method: 'GET', path: /operationStatuses/, status, code, message, times: 1 })
    await assert.rejects(acr.createToken('forgotten', token), {
      code: 'AZURE_REFUSED',
      message: /Azure no longer knows the operation .*run this again/
    })
  })

  it('tells of passwords that were made and not shown', async () => {
    const acr = world.acr('failedwords')
    await acr.createToken('unshown', token)
    world.cloud.arm.specMode = true
    const client = world.sdk()
    client.pipeline.addPolicy({
      name: 'takesBodyAway',
      async sendRequest(request, next) {
        const answer = await next(request)
        if (/operationStatuses/.test(request.url)) answer.bodyAsText = ''
        return answer
      }
    })
    await assert.rejects(world.acr('failedwords', { client }).generatePassword('unshown', 'password1'), {
      code: 'AZURE_REFUSED',
      message: 'Azure made password1 of token unshown and did not show it; run this again'
    })
  })

  it('takes a password away again whose deletion failed', async () => {
    const acr = world.acr('faileddeletion')
    await acr.createScopeMap('readers', { description: '', actions })
    await acr.createToken('the-client', token)
    await acr.generatePassword('the-client', 'password1')
    const kept = await acr.generatePassword('the-client', 'password2')
    world.cloud.arm.failing = { resource: /tokens\/the-client/, error }
    await assert.rejects(acr.deletePassword('the-client', 'password1'), { code: 'AZURE_REFUSED' })
    world.cloud.arm.failing = undefined
    assert.equal((await acr.token('the-client'))?.failed, true)
    await acr.deletePassword('the-client', 'password1')
    const passwords = { password2: kept.creationTime }
    assert.deepEqual(await acr.token('the-client'), { ...token, passwords })
    assert.ok(world.registry('faileddeletion').accepts('the-client', kept.value))
  })
})
