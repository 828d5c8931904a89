import assert from 'node:assert/strict'
import tls from 'node:tls'
import type { GeneratorError } from '../errors.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startHub, type Hub as PretendHub } from '../../simulator/hub/hub.ts'
import { Network } from '../../simulator/network.ts'
import { TwinStore } from '../../simulator/twins.ts'
import { createHubClient } from './client.ts'
import type { Hub, HubTwin } from './hub.ts'

const host = 'causeway-hub.azure-devices.net'
const devices = Array.from({ length: 150 }, (_, index) => `device-${index}`)

/** All that a deployment manifest of a device needs, and no module. */
const fullContent = {
  modulesContent: {
    $edgeAgent: {
      'properties.desired': {
        schemaVersion: '1.1',
        runtime: { type: 'docker', settings: {} },
        systemModules: {
          edgeAgent: { type: 'docker', settings: { image: 'agent:1' } },
          edgeHub: { type: 'docker', status: 'running', restartPolicy: 'always', settings: { image: 'hub:1' } }
        },
        modules: {}
      }
    },
    $edgeHub: {
      'properties.desired': {
        schemaVersion: '1.1',
        routes: {},
        storeAndForwardConfiguration: { timeToLiveSecs: 7200 }
      }
    }
  }
}

/** The real SDK against the pretend IoT hub, through the proxy that the environment names. */
describe('the client of IoT Hub', () => {
  const trusted = tls.getCACertificates('default')
  const twins = new TwinStore()
  let network: Network
  let pretend: PretendHub
  let hub: Hub

  before(async () => {
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    // What NODE_EXTRA_CA_CERTS does for a process, for the time of these tests.
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    pretend = await startHub({
      name: 'causeway-hub',
      network,
      authority,
      twins,
      devices,
      invokeMethod: ({ deviceId, name, payload }) =>
        deviceId === 'device-5'
          ? Promise.reject(Object.assign(new Error('late'), { status: 504 }))
          : Promise.resolve({ status: 409, payload: { name, payload } }),
      isConnected: (deviceId) => deviceId !== 'device-6'
    })
    for (const device of devices) pretend.identities.createModule(device, 'registry')
    hub = await connect()
  })
  after(async () => {
    hub.close()
    await pretend.close()
    await network.close()
    tls.setDefaultCACertificates(trusted)
  })

  const connect = (connectionString = pretend.connectionString, timeout = 10_000): Promise<Hub> =>
    createHubClient(host, {
      signal: new AbortController().signal,
      env: { https_proxy: network.proxyUrl, IOTHUB_CONNECTION_STRING: connectionString },
      credential: () => Promise.reject(new Error('no credential is needed')),
      timeout,
      retryDelay: 1
    })

  async function twinOf(device: string): Promise<HubTwin> {
    const twin = await hub.twin(device, 'registry')
    assert.ok(twin)
    return twin
  }

  it('reads a twin, with its versions, and without what the service adds', async () => {
    const key = TwinStore.key('device-0', 'registry')
    twins.patchDesired(key, { a: { b: 1 } })
    twins.patchReported(key, { c: [1, 2] })
    const twin = await twinOf('device-0')
    assert.deepEqual([twin.deviceId, twin.moduleId], ['device-0', 'registry'])
    assert.deepEqual([twin.desired, twin.reported], [{ a: { b: 1 } }, { c: [1, 2] }])
    assert.equal(twin.desiredVersion, twins.get(key)?.desired.version)
    assert.ok(Math.abs(Date.parse(twin.reportedAt ?? '') - Date.now()) < 60_000)
  })

  it('makes what a device says plain, so that no log takes it for commands', async () => {
    const hostile = 'x\n##vso[task.setvariable variable=PATH]/tmp/evil\u001b[2J'
    const plain = 'x # #vso[task.setvariable variable=PATH]/tmp/evil [2J'
    twins.patchReported(TwinStore.key('device-7', 'registry'), { statusDetails: [{ description: hostile }] })
    assert.deepEqual((await twinOf('device-7')).reported, { statusDetails: [{ description: plain }] })
    const listed: HubTwin[] = []
    for await (const twin of hub.modulesNamed('registry')) if (twin.deviceId === 'device-7') listed.push(twin)
    assert.deepEqual(listed[0]?.reported, { statusDetails: [{ description: plain }] })
    const called = await hub.invoke('device-7', 'registry', 'pause', { reason: hostile }, 5)
    assert.deepEqual(called, { kind: 'answered', status: 409, payload: { name: 'pause', payload: { reason: plain } } })
  })

  it('makes call after call over one connection, through a proxy too', async () => {
    const before = network.tunnelsTo(`${host}:443`)
    const fresh = await connect()
    for (let at = 0; at < 5; at++) await fresh.twin(`device-${at}`, 'registry')
    for await (const _ of fresh.modulesNamed('registry')) continue
    fresh.close()
    assert.equal(network.tunnelsTo(`${host}:443`) - before, 1)
  })

  it('gives nothing for what is not there', async () => {
    assert.equal(await hub.twin('nobody', 'registry'), undefined)
    assert.equal(await hub.twin('device-0', 'nothing'), undefined)
  })

  it('changes a twin only as it was read', async () => {
    const twin = await twinOf('device-1')
    assert.equal(await hub.patchDesired(twin, { a: 1 }), twin.desiredVersion + 1)
    assert.equal(await hub.patchDesired(twin, { a: 2 }), 'changed')
    assert.deepEqual((await twinOf('device-1')).desired, { a: 1 })
  })

  it('gives a device a deployment', async () => {
    await hub.apply('device-2', fullContent)
    assert.equal((await hub.twin('device-2', '$edgeAgent'))?.desired['schemaVersion'], '1.1')
  })

  it('lists every page of a query, each twin once', async () => {
    const listed: string[] = []
    for await (const twin of hub.modulesNamed('registry')) listed.push(twin.deviceId)
    // IoT Hub deletes the modules of device-2 that its deployment above does not name.
    assert.equal(new Set(listed).size, listed.length)
    assert.ok(listed.length >= devices.length - 1)
  })

  it('calls direct methods, and tells who is away from who is silent', async () => {
    const call = (device: string, module = 'registry'): ReturnType<Hub['invoke']> =>
      hub.invoke(device, module, 'images', { limit: 1 }, 5)
    const payload = { name: 'images', payload: { limit: 1 } }
    assert.deepEqual(await call('device-4'), { kind: 'answered', status: 409, payload })
    assert.deepEqual(await call('device-5'), { kind: 'silent' })
    assert.deepEqual(await call('device-6'), { kind: 'offline' })
    await assert.rejects(call('nobody'), { code: 'AZURE_NOT_FOUND' })
    await assert.rejects(call('device-4', 'nothing'), { code: 'AZURE_NOT_FOUND' })
  })

  it('makes, reads, changes and takes away automatic deployments', async () => {
    const content = { modulesContent: { m: { 'properties.desired.a': 1 } } }
    const wanted = { id: 'plants-1', labels: { causeway: 'plants' }, content, targetCondition: '*', priority: 3 }
    assert.equal(await hub.createConfiguration(wanted), 'created')
    assert.equal(await hub.createConfiguration(wanted), 'exists')
    const [found] = await hub.configurations()
    assert.ok(found)
    const { id, labels, content: kept, targetCondition, priority } = found
    assert.deepEqual({ id, labels, content: kept, targetCondition, priority }, wanted)
    assert.equal(found.systemMetrics['targetedCount'], devices.length)
    const changed = await hub.updateConfiguration(found, { priority: 4 })
    assert.ok(changed !== 'changed')
    assert.equal(changed.priority, 4)
    assert.equal(await hub.updateConfiguration(found, { priority: 5 }), 'changed')
    await hub.removeConfiguration('plants-1')
    await hub.removeConfiguration('plants-1')
    assert.equal(await hub.configuration('plants-1'), undefined)
  })

  it('finds every device that refuses a deployment, behind pages of others that are in trouble', async () => {
    await hub.createConfiguration({ id: 'base-1', labels: {}, content: fullContent, targetCondition: '*', priority: 1 })
    await pretend.automatic.settled()
    const codeOf = (index: number): number => (index < 120 ? 400 : [412, 500, 406, 200][index % 4]!)
    // The hub lists by name: 500s and 406s stand among and behind those that refuse.
    devices.forEach((device, index) => {
      twins.patchReported(TwinStore.key(device, '$edgeAgent'), { lastDesiredStatus: { code: codeOf(index) } })
    })
    const found: string[] = []
    for await (const { deviceId } of hub.refusing('base-1')) found.push(deviceId)
    const refusing = devices.filter((_, index) => codeOf(index) === 400 || codeOf(index) === 412)
    assert.deepEqual(found, refusing.sort())
    for await (const { deviceId } of hub.refusing('another')) assert.fail(deviceId)
    await hub.removeConfiguration('base-1')
  })

  it('says so in its own words where the hub is throttled for long, or its answer is a wrong one', async () => {
    for (const [fault, code] of [
      ['ThrottlingBacklogTimeout', 'AZURE_THROTTLED'],
      ['ServiceUnavailable', 'AZURE_UNAVAILABLE'],
      ['disconnect', 'AZURE_UNREACHABLE']
    ] as const) {
      pretend.fail(7, fault)
      await assert.rejects(hub.twin('device-0', 'registry'), { code })
      // What was not needed must not meet the next.
      for (let left = 0; left < 8; left++) await hub.twin('device-0', 'registry').catch(() => undefined)
    }
  })

  it('gets through throttling, faults and broken connections', async () => {
    pretend.throttle(1)
    pretend.fail(1)
    pretend.fail(1, 'disconnect')
    assert.ok(await hub.twin('device-3', 'registry'))
  })

  it('tells a wrong key from a wrong hub, without the key', async () => {
    const wrong = pretend.connectionString.replace(/SharedAccessKey=.*/, `SharedAccessKey=${'A'.repeat(43)}=`)
    const client = await connect(wrong)
    await assert.rejects(client.twin('device-0', 'registry'), { code: 'AZURE_UNAUTHORIZED', exitCode: 4 })
    client.close()
    for (const [text, code] of [
      [pretend.connectionString.replace('causeway-hub', 'another-hub'), 'HUB_MISMATCH'],
      ['nonsense with SharedAccessKey=hidden-hidden', 'USAGE']
    ] as const)
      await assert.rejects(connect(text), (error: GeneratorError) => {
        assert.ok(!/hidden|SharedAccessKey=[A-Za-z0-9]/.test(error.message))
        return error.code === code
      })
  })

  it('tells a proxy that does not know the way', async () => {
    network.sever(/azure-devices/)
    try {
      await assert.rejects((await connect()).twin('device-0', 'registry'), /AZURE|HTTP 502/)
    } finally {
      network.restore()
    }
  })
})
