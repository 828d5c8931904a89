import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { isMap, parseDocument } from 'yaml'
import { TwinStore } from '../simulator/twins.ts'
import { ask, logIn, pullPath, World } from './world.ts'

/** One password is hashed for each of fifty tokens, as `provision` does: that takes its time. */
describe('settings larger than a twin, the whole road', function () {
  this.timeout(180_000)
  let world: World

  before(async () => {
    world = await World.start([{ id: 'gateway' }, { id: 'machine', parentId: 'gateway' }])
    const document = parseDocument(await readFile(world.site, 'utf8'))
    const actions = [
      'repositories/my.repo/app/content/read',
      'repositories/my.repo/app/metadata/read',
      ...Array.from({ length: 498 }, (_, at) => `repositories/a-folder/of-repositories/number-${at}/content/read`)
    ]
    const names = Array.from({ length: 50 }, (_, at) => `client-${at}`)
    document.set('scopeMaps', { everything: { actions } })
    document.set('tokens', Object.fromEntries(names.map((name) => [name, { scopeMap: 'everything' }])))
    document.setIn(['imageSets', 'workloads', 'repositories'], ['my.repo/app:1.0'])
    const devices = document.get('devices')
    assert.ok(isMap(devices))
    devices.set('machine', { connectedRegistry: { name: 'plantmachine' }, parent: 'gateway' })
    await writeFile(world.site, document.toString())
    await world.cloud.pushImage('my.repo/app', '1.0')
    await world.mustRun('provision')
    await world.mustRun('images', 'import')
  })
  after(() => world.close())

  const desired = (device: string): Readonly<Record<string, unknown>> =>
    world.simulator.twins.get(TwinStore.key(device, 'connected-registry'))?.desired.properties ?? {}

  for (const [device, layer] of [
    ['gateway', 'the top layer, from the cloud'],
    ['machine', 'a lower layer, from the one above']
  ] as const)
    it(`reach ${layer}: 50 tokens, a scope map of 500 actions, my.repo/app:1.0`, async () => {
      await world.mustRun('deploy', '--device', device)
      const reported = await world.untilReported(
        device,
        ({ lastDesiredStatus, sync }) => lastDesiredStatus?.code === 200 && sync?.state === 'Succeeded',
        'settings and images'
      )
      assert.ok('settingsArtifact' in desired(device))
      assert.ok(!('scopeMaps' in desired(device)))
      assert.ok(reported.images.some(({ image, state }) => image === 'my.repo/app:1.0' && state === 'ready'))
      const origin = `http://${world.registry(device)}`
      for (const user of ['client-0', 'client-49']) {
        const caller = { origin, user, password: await world.password(user) }
        assert.equal((await pullPath(caller, 'my.repo/app', 'manifests/1.0')).status, 200)
      }
      const { token } = await logIn({ origin }, 'repository:my.repo/app:pull')
      const anonymous = token === undefined ? {} : { authorization: `Bearer ${token}` }
      assert.notEqual((await ask({ origin }, '/v2/my.repo/app/manifests/1.0', anonymous)).status, 200)
    })

  it('change with the site file, by configure alone', async () => {
    await world.editSite((text) => text.replace('number-497/content/read', 'number-999/content/read'))
    const before = JSON.stringify(desired('machine')['settingsArtifact'])
    await world.mustRun('configure')
    assert.notEqual(JSON.stringify(desired('machine')['settingsArtifact']), before)
    for (const device of ['gateway', 'machine']) assert.equal(world.reported(device)?.lastDesiredStatus?.code, 200)
  })
})
