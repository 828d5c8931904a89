import assert from 'node:assert/strict'
import { planRegistry } from '../plan/registry.ts'
import { testSite } from '../testing.ts'
import type { Outcome } from './provision.ts'
import { SdkWorld } from './sdk-world.test.ts'
import { wantedOf } from './wanted.ts'

const resource = '  gateway: { connectedRegistry: { name: plantgateway, resource: true } }'
const told = /the last change of it failed|provisioningState.*Failed.*Succeeded/
const broken = { code: 'InternalError', message: 'It could not be done.' }

/** Azure shows what was asked for also where it did not come about: only provisioningState tells (facts: arm-wire §13.1). */
describe('provision, run again after an operation of it failed', () => {
  let world: SdkWorld
  before(async () => {
    world = await SdkWorld.start(['failedtoken', 'failedmap', 'failedregistry', 'faileddeletion', 'failedflag'])
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
      world.cloud.arm.failing = { resource: failing, ...broken }
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

  it('takes a password away again whose deletion failed', async () => {
    const acr = world.acr('faileddeletion')
    await acr.createScopeMap('readers', { description: '', actions: ['repositories/hello-world/content/read'] })
    await acr.createToken('the-client', { scopeMap: 'readers', status: 'enabled' })
    await acr.generatePassword('the-client', 'password1')
    const kept = await acr.generatePassword('the-client', 'password2')
    world.cloud.arm.failing = { resource: /tokens\/the-client/, ...broken }
    await assert.rejects(acr.deletePassword('the-client', 'password1'), { code: 'AZURE_REFUSED' })
    world.cloud.arm.failing = undefined
    assert.equal((await acr.token('the-client'))?.failed, true)
    await acr.deletePassword('the-client', 'password1')
    const passwords = { password2: kept.creationTime }
    assert.deepEqual(await acr.token('the-client'), { scopeMap: 'readers', status: 'enabled', passwords })
    assert.ok(world.registry('faileddeletion').accepts('the-client', kept.value))
  })
})
