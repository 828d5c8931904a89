import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { EdgeHub, EdgeMessage } from '../simulator/edge-hub/edge-hub.ts'
import type { RegistryEvent } from '../module/notifications/event.ts'
import { ask, pullPath, World, type Caller } from './world.ts'

const moduleName = 'connected-registry'

describe('a device that cannot reach its hub', function () {
  this.timeout(120_000)
  let world: World
  let edgeHub: EdgeHub
  let client: Caller

  before(async () => {
    world = await World.start()
    await world.editSite((text) =>
      text
        .replace('repositories: [hello-world]', 'repositories: [hello-world, tools]')
        .replace('- repositories/hello-world/content/read', '- repositories/*/content/read')
        .replace('intervalMinutes: 15', 'intervalMinutes: 1')
    )
    await world.mustRun('provision')
    await world.mustRun('images', 'import')
    await world.cloud.pushImage('tools', '1')
    await world.mustRun('deploy', '--device', 'gateway')
    edgeHub = world.simulator.devices.get('gateway')!.edgeHub
    world.simulator.twins.patchDesired(`gateway/${moduleName}`, { notifications: ['tools:*:*'] })
    await world.untilReported(
      'gateway',
      ({ imageSets, appliedVersion }) =>
        imageSets['workloads']?.ready === 2 &&
        appliedVersion === world.simulator.twins.get(`gateway/${moduleName}`)?.desired.version,
      'both images as ready by the new settings'
    )
    client = {
      origin: `http://${world.registry('gateway')}`,
      user: 'plant-client',
      password: await world.password('plant-client')
    }
  })

  after(() => world.close())

  const metric = async (name: string): Promise<number> => {
    const { status, body } = await ask(client, '/metrics')
    assert.equal(status, 200)
    const line = body
      .toString()
      .split('\n')
      .find((each) => each.startsWith(`${name} `))
    return Number(line?.split(' ')[1])
  }
  const told = ({ output, body }: EdgeMessage): [string | undefined, string, string] => {
    const { eventType, subject } = JSON.parse(body.toString()) as RegistryEvent
    return [output, eventType, subject]
  }

  it('reports disk and image sets, and answers direct methods while it is connected', async () => {
    const reported = world.reported('gateway')!
    assert.deepEqual(reported.imageSets, { workloads: { ready: 2, total: 2, failed: 0 } })
    assert.ok(reported.disk!.totalBytes >= reported.disk!.freeBytes)
    const invoke = (name: string, payload?: unknown): ReturnType<EdgeHub['invokeMethod']> =>
      edgeHub.invokeMethod(moduleName, name, payload)
    const images = await invoke('images', { state: 'ready', limit: 1 })
    assert.deepEqual([images.status, (images.payload as { total: number }).total], [200, 2])
    assert.equal((await invoke('images', { colour: 'red' })).status, 400)
    assert.equal((await invoke('nothing')).status, 404)
    const logs = await invoke('logs', { lines: 500 })
    assert.match(JSON.stringify(logs.payload), /settings applied/)
    assert.ok(!JSON.stringify(logs.payload).includes(await world.password('plantgateway-sync-token')))
    assert.ok(edgeHub.messages.every((message) => told(message)[2] === 'tools:1'))
    for (const name of ['collectGarbage', 'scrub', 'syncNow']) assert.equal((await invoke(name)).status, 202, name)
    assert.equal(await metric('causeway_twin_connected'), 1)
  })

  it('stays paused over a restart when it is told so, and shows it in the twin', async () => {
    assert.equal((await edgeHub.invokeMethod(moduleName, 'pause', { reason: 'in harbour' })).status, 200)
    await world.untilReported('gateway', ({ paused }) => paused?.reason === 'in harbour', 'the pause')
    const started = world.reported('gateway')!.runtime.startedAt
    world.simulator.devices.get('gateway')!.agent.kill(moduleName, 'SIGKILL')
    await world.untilReported(
      'gateway',
      ({ runtime, paused, progress }) =>
        runtime.startedAt !== started && paused !== undefined && progress?.imagesReady === 2,
      'itself as still paused, and what is on disk as ready'
    )
    assert.equal((await edgeHub.invokeMethod(moduleName, 'syncNow')).status, 409)
    assert.equal((await edgeHub.invokeMethod(moduleName, 'resume')).status, 200)
    await world.untilReported(
      'gateway',
      ({ paused, sync }) => paused === undefined && sync?.state === 'Succeeded',
      'on'
    )
  })

  it('starts without its hub, serves what is on disk and syncs; when the hub is back it tells everything', async () => {
    await edgeHub.goAway()
    const { agent } = world.simulator.devices.get('gateway')!
    const restarts = (): number => agent.modules().find(({ name }) => name === moduleName)!.restartCount
    const before = restarts()
    agent.kill(moduleName, 'SIGKILL')
    await world.cloud.pushImage('tools', '2')
    const served = async (path: string): Promise<boolean> => {
      try {
        return (
          (await pullPath({ ...client, origin: `http://${world.registry('gateway')}` }, 'tools', path)).status === 200
        )
      } catch {
        // It is being started.
        return false
      }
    }
    const deadline = Date.now() + 60_000
    const until = async (path: string): Promise<void> => {
      while (!(await served(path))) {
        assert.ok(Date.now() < deadline, `${path} was never served`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
    await until('manifests/1')
    assert.equal(restarts(), before + 1)
    await until('manifests/2')
    client = { ...client, origin: `http://${world.registry('gateway')}` }
    assert.equal(edgeHub.isConnected(moduleName), false)
    assert.equal(await metric('causeway_twin_connected'), 0)
    // A manifest is served a moment before its notification is queued.
    const waiting = 'causeway_notifications_waiting{target="hub"}'
    while ((await metric(waiting)) === 0) assert.ok(Date.now() < deadline, 'no notification waits')
    assert.equal(await metric(waiting), 1)
    assert.equal(world.reported('gateway')!.images.length, 2, 'the hub knows of nothing so far')

    const message = once(edgeHub, 'message') as Promise<[EdgeMessage]>
    await edgeHub.comeBack()
    await world.untilReported(
      'gateway',
      ({ images, sync }) =>
        sync?.state === 'Succeeded' && images.some(({ image, state }) => image === 'tools:2' && state === 'ready'),
      'what came while it was away'
    )
    assert.deepEqual(told((await message)[0]), ['notifications', 'Microsoft.ContainerRegistry.ImagePushed', 'tools:2'])
    assert.equal(edgeHub.messages.filter((each) => told(each)[2] === 'tools:2').length, 1, 'once')
  })
})
