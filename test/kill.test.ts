import assert from 'node:assert/strict'
import { digestOf } from '../module/oci/digest.ts'
import { ask, logIn, pullPath, World } from './world.ts'

const mebibyte = 1024 * 1024

describe('a module killed in the middle of a sync', function () {
  this.timeout(120_000)
  let world: World

  before(async () => {
    world = await World.start()
    await world.editSite((text) =>
      text
        .replace('repositories: [hello-world]', 'repositories: [hello-world, big]')
        .replace('- repositories/hello-world/content/read', '- repositories/*/content/read')
        .replace('progressSeconds: 900', 'progressSeconds: 1\n  updatesPerDay: 5000')
    )
    await world.mustRun('provision')
    await world.mustRun('images', 'import')
  })

  after(() => world.close())

  it('comes back, finishes, fetches nothing twice, and serves only verified bytes', async () => {
    const { cloud } = world
    const pushed = await cloud.pushImage('big', '1', { sizes: [6, 7, 8].map((size) => size * mebibyte) })
    const needed = pushed.blobs.reduce((sum, { size }) => sum + size, 0)
    const blobBytes = (): number =>
      cloud.requests
        .filter(({ path }) => pushed.blobs.some(({ digest }) => path.includes(digest.slice(7))))
        .reduce((sum, { bytesSent }) => sum + bytesSent, 0)
    const password = await world.password('plant-client')
    cloud.knobs.bytesPerSecond = mebibyte
    const deploying = world.mustRun('deploy', '--device', 'gateway')
    for (const done of [2, 8, 14]) {
      await world.untilReported(
        'gateway',
        ({ progress }) => (progress?.bytesDone ?? 0) > done * mebibyte,
        `${done} MiB`
      )
      const caller = {
        origin: `http://${world.registry('gateway')}`,
        user: 'plant-client',
        password
      }
      const early = await pullPath(caller, 'big', 'manifests/1')
      assert.equal(early.status, 404, 'an image that is not ready is not there')
      for (const { digest, size } of pushed.blobs) {
        const { token } = await logIn(caller, 'repository:big:pull')
        const blob = await ask(caller, `/v2/big/blobs/${digest}`, { authorization: `Bearer ${token!}` })
        assert.ok(blob.status === 404 || (blob.body.length === size && digestOf(blob.body) === digest))
      }
      world.simulator.devices.get('gateway')!.agent.kill('connected-registry', 'SIGKILL')
    }
    cloud.knobs.bytesPerSecond = undefined
    await deploying
    await world.untilReported(
      'gateway',
      ({ images }) => images.length === 2 && images.every(({ state }) => state === 'ready'),
      'both images as ready'
    )
    const module = world.simulator.devices
      .get('gateway')!
      .agent.modules()
      .find(({ name }) => name === 'connected-registry')!
    assert.equal(module.restartCount, 3)

    const caller = {
      origin: `http://${world.registry('gateway')}`,
      user: 'plant-client',
      password
    }
    const manifest = await pullPath(caller, 'big', 'manifests/1')
    assert.equal(digestOf(manifest.body), pushed.digest)
    for (const { digest } of pushed.blobs) {
      const blob = await pullPath(caller, 'big', `blobs/${digest}`)
      assert.equal(digestOf(blob.body), digest)
    }
    const ratio = blobBytes() / needed
    console.log(`      bytes sent by the cloud ÷ bytes needed, over three kills: ${ratio.toFixed(3)}`)
    assert.ok(ratio >= 1 && ratio < 1.25, `the cloud sent ${ratio} times what is needed`)
  })
})
