import assert from 'node:assert/strict'
import { once } from 'node:events'
import common from 'azure-iot-common'
import iot from 'azure-iot-device'
import type { DeviceMethodRequest, DeviceMethodResponse, ModuleClient, Twin } from 'azure-iot-device'
import { Mqtt } from 'azure-iot-device-mqtt'
import mqtt from 'mqtt'
import { Agent, fetch, type RequestInit, type Response } from 'undici'
import { CertificateAuthority } from '../certificates.ts'
import { TwinStore } from '../twins.ts'
import { sign } from './identities.ts'
import { MethodCallError, startEdgeHub, type EdgeHub } from './edge-hub.ts'

const hubHostName = 'hub1.azure-devices.net'
const key = TwinStore.key('edge1', 'modA')

describe('the pretend edgeHub', () => {
  let authority: CertificateAuthority
  let twins: TwinStore
  let hub: EdgeHub
  /** The hub's clock. */
  let now: () => number
  const clients: ModuleClient[] = []
  const raw: mqtt.MqttClient[] = []

  before(async () => {
    authority = await CertificateAuthority.create()
  })

  beforeEach(async () => {
    twins = new TwinStore()
    now = Date.now
    hub = await startEdgeHub({ deviceId: 'edge1', hubHostName, authority, twins, now: () => now() })
  })

  afterEach(async () => {
    await Promise.allSettled(clients.splice(0).map((client) => client.close()))
    for (const client of raw.splice(0)) client.end(true)
    await hub.close()
  })

  /** What a program in the module would do: the SDK's own start from its environment. */
  async function connectSdk(retry = true): Promise<ModuleClient> {
    const before = { ...process.env }
    Object.assign(process.env, hub.moduleEnvironment('modA'))
    try {
      const client = await iot.ModuleClient.fromEnvironment(Mqtt)
      client.on('error', () => undefined)
      if (!retry) client.setRetryPolicy(new common.NoRetry())
      clients.push(client)
      await client.open()
      return client
    } finally {
      process.env = before
    }
  }

  /** A bare MQTT client with a token of the test's own making. */
  function connectRaw(changes: Partial<{ resource: string; expiry: number; clean: boolean; clientId: string }> = {}) {
    const environment = hub.moduleEnvironment('modA')
    const { resource = `${hubHostName}/devices/edge1/modules/modA`, expiry = Math.floor(Date.now() / 1000) + 60 } =
      changes
    const data = `${encodeURIComponent(resource)}\n${expiry}`
    const opened = signWith(environment, data).then((digest) => {
      const token = `SharedAccessSignature sr=${encodeURIComponent(resource)}&sig=${encodeURIComponent(digest)}&se=${expiry}`
      const client = mqtt.connect(`mqtts://localhost:${hub.port}`, {
        ca: authority.certificate,
        protocolVersion: 4,
        clean: changes.clean ?? true,
        reconnectPeriod: 0,
        clientId: changes.clientId ?? 'edge1/modA',
        username: `${hubHostName}/edge1/modA/?api-version=2021-04-12`,
        password: token
      })
      client.on('error', () => undefined)
      raw.push(client)
      return client
    })
    return opened
  }

  function workload(path: string, init: RequestInit = {}): Promise<Response> {
    const dispatcher = new Agent({ connect: { socketPath: new URL(hub.workloadUrl).pathname } })
    return fetch(`http://localhost/${path}`, { ...init, dispatcher })
  }

  async function signWith(environment: Record<string, string>, data: string): Promise<string> {
    const { IOTEDGE_MODULEGENERATIONID: generation = '' } = environment
    const response = await workload(`modules/modA/genid/${generation}/sign?api-version=2018-06-28`, {
      method: 'POST',
      body: JSON.stringify({ keyId: 'primary', algo: 'HMACSHA256', data: Buffer.from(data).toString('base64') })
    })
    return ((await response.json()) as { digest: string }).digest
  }

  describe('the workload API', () => {
    it('gives the trust bundle, and wants an api-version', async () => {
      const good = await workload(`trust-bundle?api-version=2018-06-28`)
      assert.equal(good.headers.get('content-type'), 'application/json')
      assert.deepEqual(await good.json(), { certificate: authority.certificate })
      const bad = await workload(`trust-bundle`)
      assert.equal(bad.status, 400)
      assert.match(((await bad.json()) as { message: string }).message, /api-version/)
    })

    it('signs only for a known module of the right generation, and each module with its own key', async () => {
      const a = hub.moduleEnvironment('modA')
      const b = hub.moduleEnvironment('modB')
      const ask = (module: string, generation: string | undefined) =>
        workload(`modules/${module}/genid/${generation ?? ''}/sign?api-version=2018-06-28`, {
          method: 'POST',
          body: JSON.stringify({ keyId: 'primary', algo: 'HMACSHA256', data: 'eA==' })
        })
      assert.equal((await ask('modA', b['IOTEDGE_MODULEGENERATIONID'])).status, 404)
      assert.equal((await ask('modC', a['IOTEDGE_MODULEGENERATIONID'])).status, 404)
      const ofA = (await (await ask('modA', a['IOTEDGE_MODULEGENERATIONID'])).json()) as { digest: string }
      const ofB = (await (await ask('modB', b['IOTEDGE_MODULEGENERATIONID'])).json()) as { digest: string }
      assert.notEqual(ofA.digest, ofB.digest)
      assert.equal(hub.moduleEnvironment('modA')['IOTEDGE_MODULEGENERATIONID'], a['IOTEDGE_MODULEGENERATIONID'])
      hub.removeModule('modA')
      assert.notEqual(hub.moduleEnvironment('modA')['IOTEDGE_MODULEGENERATIONID'], a['IOTEDGE_MODULEGENERATIONID'])
    })

    it('issues server certificates of its authority', async () => {
      const { IOTEDGE_MODULEGENERATIONID: generation = '' } = hub.moduleEnvironment('modA')
      const url = `modules/modA/genid/${generation}/certificate/server?api-version=2018-06-28`
      const body = { commonName: 'registry.local', expiration: new Date(Date.now() + 86_400_000).toISOString() }
      const response = await workload(url, { method: 'POST', body: JSON.stringify(body) })
      assert.equal(response.status, 201)
      const answer = (await response.json()) as { privateKey: { type: string; bytes: string }; certificate: string }
      assert.equal(answer.privateKey.type, 'key')
      assert.match(answer.certificate, /BEGIN CERTIFICATE/)
      assert.equal((await workload(url, { method: 'POST', body: '{"commonName":"x"}' })).status, 400)
      assert.equal((await workload(url, { method: 'POST', body: 'no' })).status, 400)
    })
  })

  describe('with the real SDK', () => {
    it('serves twin, desired patches, reported patches, methods and messages', async () => {
      twins.create(key)
      twins.patchDesired(key, { greeting: 'hello', list: [1, 2] })
      const client = await connectSdk()
      const twin = await client.getTwin()
      assert.deepEqual(twin.properties.desired, { greeting: 'hello', list: [1, 2], $version: 2 })

      const patched = Promise.withResolvers<unknown>()
      const subscribed = once(hub, 'subscribe')
      twin.on('properties.desired', (patch: Record<string, unknown>) => {
        if (patch['$version'] === 3) patched.resolve(patch)
      })
      await subscribed
      twins.patchDesired(key, { greeting: null })
      assert.deepEqual(await patched.promise, { greeting: null, $version: 3 })

      await report(twin, { state: 'fine' })
      assert.deepEqual(twins.get(key)?.reported.properties, { state: 'fine' })

      client.onMethod('ping', (request?: DeviceMethodRequest, response?: DeviceMethodResponse) => {
        void response?.send(201, { got: request?.payload as unknown })
      })
      assert.deepEqual(await hub.invokeMethod('modA', 'ping', [7], { connectTimeoutSeconds: 5 }), {
        status: 201,
        payload: { got: [7] }
      })

      const message = new iot.Message('{"a":1}')
      message.messageId = 'm1'
      message.properties.add('k', 'v w')
      await client.sendOutputEvent('out1', message)
      assert.deepEqual(
        hub.messages.map(({ body, ...rest }) => ({ ...rest, body: body.toString() })),
        [{ moduleId: 'modA', output: 'out1', body: '{"a":1}', properties: { '$.mid': 'm1', k: 'v w' } }]
      )
    })

    it('answers what edgeHub refuses with 400 and nothing in the body, which the SDK takes for success', async () => {
      const client = await connectSdk()
      const twin = await client.getTwin()
      for (const bad of [{ 'a.b': 1 }, { $a: 1 }, { 'a b': 1 }, { list: [null] }, { list: [{ a: null }] }, big()])
        await report(twin, bad)
      assert.deepEqual(twins.get(key)?.reported.properties, {})
    })

    it('says yes to a patch that makes the twin larger than 32 KB, and the hub drops it', async () => {
      const half = (name: string): Record<string, string> =>
        Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`${name}${index}`, 'x'.repeat(3700)]))
      const twin = await (await connectSdk()).getTwin()
      await report(twin, half('a'))
      await report(twin, { ...half('b'), c: 1 })
      assert.deepEqual(twins.get(key)?.reported.properties, half('a'))
      await report(twin, { a0: null, a1: null, ...half('b') })
      assert.equal(Object.keys(twins.get(key)?.reported.properties ?? {}).length, 8)
    })

    it('keeps the session over a broken connection, and forgets it when told to', async () => {
      const client = await connectSdk()
      client.onMethod('ping', () => undefined)
      await once(hub, 'subscribe')
      const again = once(hub, 'connect')
      hub.dropConnections()
      assert.deepEqual(await again, [{ moduleId: 'modA', sessionPresent: true }])
      const afterLoss = once(hub, 'connect')
      await hub.loseSessions()
      assert.deepEqual(await afterLoss, [{ moduleId: 'modA', sessionPresent: false }])
    })

    it('tells nothing to a module that has not subscribed: desired patches are not queued', async () => {
      const client = await connectSdk(false)
      const twin = await client.getTwin()
      const seen: unknown[] = []
      const third = Promise.withResolvers<undefined>()
      twin.on('properties.desired', (patch: Record<string, unknown>) => {
        seen.push(patch['$version'])
        if (patch['$version'] === 3) third.resolve(undefined)
      })
      await once(hub, 'subscribe')
      const gone = once(client, 'disconnect')
      hub.dropConnections()
      await gone
      twins.patchDesired(key, { a: 1 })
      // Its CONNACK comes a moment before the hub knows the connection, and what is sent in that moment is lost too.
      const back = once(hub, 'connect')
      await client.open()
      await back
      twins.patchDesired(key, { b: 1 })
      await third.promise
      assert.deepEqual(seen, [1, 3])
    })

    it('closes a connection whose token has run out', async () => {
      // The clock stands still, for the token to be good when it comes, however late that is.
      const at = Date.now()
      now = () => at
      const client = await connectRaw({ expiry: Math.floor(at / 1000) + 1 })
      await once(client, 'connect')
      await once(client, 'close')
    })
  })

  describe('on CONNECT', () => {
    it('refuses a token for another module, an expired one, and a foreign client id', async () => {
      for (const changes of [
        { resource: `${hubHostName}/devices/edge1/modules/modB` },
        { expiry: Math.floor(Date.now() / 1000) - 1 },
        { clientId: 'edge1/modB' }
      ]) {
        const refused = once(hub, 'refuse')
        const client = await connectRaw(changes)
        const [error] = (await once(client, 'error')) as [Error & { code: number }]
        assert.equal(error.code, 5)
        await refused
      }
    })

    it('refuses a signature by another key', async () => {
      hub.moduleEnvironment('modA')
      const resource = encodeURIComponent(`${hubHostName}/devices/edge1/modules/modA`)
      const expiry = Math.floor(Date.now() / 1000) + 60
      const digest = sign(`${resource}\n${expiry}`, Buffer.from('guess')).toString('base64')
      const client = mqtt.connect(`mqtts://localhost:${hub.port}`, {
        ca: authority.certificate,
        reconnectPeriod: 0,
        clientId: 'edge1/modA',
        username: `${hubHostName}/edge1/modA/?api-version=2021-04-12`,
        password: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(digest)}&se=${expiry}`
      })
      raw.push(client)
      const [error] = (await once(client, 'error')) as [Error & { code: number }]
      assert.equal(error.code, 5)
    })

    it('gives an identity to the newcomer', async () => {
      const first = await connectRaw()
      await once(first, 'connect')
      const closed = once(first, 'close')
      const second = await connectRaw()
      await once(second, 'connect')
      await closed
      assert.ok(hub.isConnected('modA'))
    })
  })

  describe('for a connection', () => {
    it('grants the filters of a module and nothing else, and no QoS 2', async () => {
      const client = await connectRaw()
      const granted = async (filter: string, qos: 0 | 1 | 2): Promise<unknown> => {
        const answer = Promise.withResolvers<{ qos: number }[]>()
        client.subscribe(filter, { qos }, (error, grants) => {
          if (error as Error | null) answer.reject(error)
          else answer.resolve(grants)
        })
        return (await answer.promise)[0]?.qos
      }
      await once(client, 'connect')
      assert.equal(await granted('$iothub/methods/POST/#', 0), 0)
      assert.equal(await granted('devices/edge1/modules/modA/inputs/#', 1), 1)
      assert.equal(await granted('$iothub/twin/res/#', 2), 128)
      assert.equal(await granted('#', 0), 128)
      assert.equal(await granted('devices/edge1/modules/modB/inputs/#', 0), 128)
    })

    it('closes it on a publish with QoS 2 and on an unknown topic', async () => {
      for (const [topic, qos] of [
        ['devices/edge1/modules/modA/messages/events/', 2],
        ['devices/edge1/modules/modB/messages/events/', 0]
      ] as const) {
        const client = await connectRaw()
        await once(client, 'connect')
        client.publish(topic, 'x', { qos })
        await once(client, 'close')
      }
      assert.deepEqual(hub.messages, [])
    })
  })

  describe('direct methods', () => {
    it('fail with 404 where nobody listens, at once or after the connect time-out', async () => {
      hub.moduleEnvironment('modA')
      await assert.rejects(hub.invokeMethod('modA', 'ping'), { status: 404, errorCode: 404103 })
      const client = await connectRaw()
      await once(client, 'connect')
      await assert.rejects(hub.invokeMethod('modA', 'ping', null, { connectTimeoutSeconds: 0.05 }), MethodCallError)
    })

    it('wait for a module that comes within the connect time-out', async () => {
      const answer = hub.invokeMethod('modA', 'ping', null, { connectTimeoutSeconds: 5 })
      const client = await connectSdk()
      client.onMethod('ping', (_request?: DeviceMethodRequest, response?: DeviceMethodResponse) => {
        void response?.send(200)
      })
      assert.equal((await answer).status, 200)
    })

    it('fail with 504 where the module does not answer', async () => {
      const client = await connectSdk()
      client.onMethod('ping', () => undefined)
      const options = { connectTimeoutSeconds: 5, responseTimeoutSeconds: 0.1 }
      await assert.rejects(hub.invokeMethod('modA', 'ping', null, options), { status: 504, errorCode: 504101 })
    })
  })

  it('goes away and comes back on the same port', async () => {
    const { port } = hub
    await hub.goAway()
    await assert.rejects(connectSdk(false), /ECONNREFUSED/)
    await hub.comeBack()
    assert.equal(hub.port, port)
    await connectSdk()
  })

  it('fails, ignores and answers twin requests as told', async () => {
    const client = await connectRaw()
    await once(client, 'connect')
    await new Promise((resolve) => client.subscribe('$iothub/twin/res/#', resolve))
    const get = async (requestId: string): Promise<string[]> => {
      client.publish(`$iothub/twin/GET/?$rid=${requestId}`, ' ')
      const [topic, body] = (await once(client, 'message')) as [string, Buffer]
      return [topic, body.toString()]
    }
    hub.failTwin({ status: 500, emptyBody: true })
    hub.failTwin({ status: 429, only: 'get' })
    assert.deepEqual(await get('1'), ['$iothub/twin/res/500/?$rid=1', ''])
    const [topic, body] = await get('2')
    assert.equal(topic, '$iothub/twin/res/429/?$rid=2')
    assert.match(body!, /"errorCode":429001/)
    hub.ignoreTwin(1)
    const asked = once(hub, 'twinRequest')
    client.publish('$iothub/twin/GET/?$rid=3', ' ')
    await asked
    assert.equal((await get('4'))[0], '$iothub/twin/res/200/?$rid=4')
  })
})

function report(twin: Twin, patch: Record<string, unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const { update } = twin.properties.reported as {
      update: (patch: unknown, done: (error?: Error) => void) => void
    }
    update(patch, (error) => (error ? reject(error) : resolve()))
  })
}

/** 33 KB in strings that are each allowed. */
function big(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`k${index}`, 'x'.repeat(3700)]))
}
