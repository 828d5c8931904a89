import assert from 'node:assert/strict'
import { once, type EventEmitter } from 'node:events'
import iot from 'azure-iot-device'
import { LineLog } from '../log/log.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startEdgeHub, type EdgeHub } from '../../simulator/edge-hub/edge-hub.ts'
import { TwinStore } from '../../simulator/twins.ts'
import { readModuleIdentity } from './environment.ts'
import { TwinError } from './errors.ts'
import { openSdkSession } from './sdk.ts'
import type { OpenSession, Session } from './session.ts'
import type { Properties } from './merge.ts'
import { MethodRefusal } from './method.ts'
import { connectTwin, type TwinLink, type TwinTiming } from './twin-link.ts'

const key = TwinStore.key('edge1', 'causeway')
const quick = { retryFirstMs: 20, reconnectMostMs: 100, retryMostMs: 100, coalesceMs: 10 }

// Each of these runs the Azure SDK against the simulator's edgeHub; the numbers are those of the facts' list of traps.
describe('the link with IoT Hub', () => {
  let authority: CertificateAuthority
  let twins: TwinStore
  let hub: EdgeHub
  let stop: AbortController
  let link: TwinLink | undefined
  let lines: string[]

  before(async () => {
    authority = await CertificateAuthority.create()
  })

  beforeEach(async () => {
    twins = new TwinStore()
    twins.create(key)
    hub = await startEdgeHub({ deviceId: 'edge1', hubHostName: 'hub1.azure-devices.net', authority, twins })
    stop = new AbortController()
    lines = []
  })

  afterEach(async () => {
    stop.abort()
    await link?.closed
    link = undefined
    await hub.close()
  })

  function connect(
    timing: Partial<TwinTiming> = {},
    changes: Record<string, string> = {},
    open: OpenSession = openSdkSession
  ): TwinLink {
    const log = new LineLog((line) => lines.push(line))
    log.level = 'Debug'
    link = connectTwin({
      variables: { ...hub.moduleEnvironment('causeway'), ...changes },
      log,
      signal: stop.signal,
      timing: { ...quick, ...timing },
      open
    })
    return link
  }

  function reported(): Properties {
    return twins.get(key)!.reported.properties
  }

  it('tells the desired properties whole, at first and when they have changed', async () => {
    twins.patchDesired(key, { list: [1, 2, 3], keep: { a: 1 } })
    const twin = connect()
    assert.deepEqual(await once(twin, 'desired'), [{ list: [1, 2, 3], keep: { a: 1 } }, 2])
    twins.patchDesired(key, { list: [9], keep: { b: 2 } })
    assert.deepEqual(await once(twin, 'desired'), [{ list: [9], keep: { a: 1, b: 2 } }, 3])
    twins.patchDesired(key, { list: [] })
    assert.deepEqual(await once(twin, 'desired'), [{ list: [], keep: { a: 1, b: 2 } }, 4])
    twins.patchDesired(key, { list: null, keep: { a: null } })
    assert.deepEqual(await once(twin, 'desired'), [{ keep: { b: 2 } }, 5])
  })

  it('tells a version that changed nothing apart, and several changes as one', async () => {
    twins.patchDesired(key, { a: 1 })
    // Long enough for five patches on a machine that stands still in between.
    const twin = connect({ coalesceMs: 500 })
    await once(twin, 'desired')
    const documents: unknown[] = []
    twin.on('desired', (document) => documents.push(document))
    twins.patchDesired(key, { a: 1 })
    assert.deepEqual(await once(twin, 'version'), [3])
    assert.deepEqual(documents, [])
    for (let value = 1; value <= 5; value++) twins.patchDesired(key, { b: value })
    await seen(twin, 'desired', (_document, version) => version === 8)
    assert.deepEqual(documents, [{ a: 1, b: 5 }])
  })

  it('reports only differences, and removes what is no longer said', async () => {
    const twin = connect()
    const patches: unknown[] = []
    hub.on('twinRequest', ({ kind, payload }) => {
      if (kind === 'patch') patches.push(JSON.parse(payload.toString()))
    })
    twin.report({ state: 'starting', images: [1, 2], sync: { done: 1, total: 5 } })
    await once(twin, 'settled')
    twin.report({ images: [1, 2, 3], sync: { done: 2, total: 5 } })
    await once(twin, 'settled')
    assert.deepEqual(patches, [
      { state: 'starting', images: [1, 2], sync: { done: 1, total: 5 } },
      { state: null, images: [1, 2, 3], sync: { done: 2 } }
    ])
    assert.deepEqual(reported(), { images: [1, 2, 3], sync: { done: 2, total: 5 } })
  })

  it('has one report in flight, and the latest wins', async () => {
    const twin = connect()
    await once(twin, 'desired')
    const patches: unknown[] = []
    hub.on('twinRequest', ({ payload }) => patches.push(JSON.parse(payload.toString())))
    for (let value = 1; value <= 20; value++) twin.report({ value })
    await seenSettled(twin, () => reported()['value'] === 20)
    assert.ok(patches.length <= 2, `${patches.length} patches`)
  })

  it('removes what another program left in its half', async () => {
    twins.patchReported(key, { update: { old: true }, stray: 1 })
    const twin = connect()
    twin.report({ state: 'fine' })
    await once(twin, 'settled')
    assert.deepEqual(reported(), { state: 'fine' })
  })

  it('trap 1: connects when edgeHub, or the workload API, comes up after the module', async () => {
    await hub.goAway()
    const twin = connect()
    await seenLine(/ECONNREFUSED/)
    assert.equal(twin.online, false)
    const told = once(twin, 'desired')
    await hub.comeBack()
    await told
    assert.equal(twin.online, true)
  })

  it('trap 1: gives up waiting for a workload API that takes requests and answers none', async () => {
    hub.stallWorkload(true)
    const twin = connect({ workloadTimeoutMs: 50 })
    await seenLine(/no answer in time/)
    hub.stallWorkload(false)
    await once(twin, 'desired')
  })

  it('trap 1: does not connect after all when a token comes too late', async () => {
    // Of the first session alone, which gets no further than its token: those after it take their time to connect.
    const patience = [100]
    const twin = connect({}, {}, (options) =>
      openSdkSession({ ...options, openTimeoutMs: patience.shift() ?? options.openTimeoutMs })
    )
    // The trust bundle is answered, the token is not: the stall begins between the two.
    const trustBundle = twin.trustBundle.bind(twin)
    twin.trustBundle = async () => {
      const bundle = await trustBundle()
      hub.stallWorkload(true)
      return bundle
    }
    await seenLine(/no answer to token within 100 ms/)
    Reflect.deleteProperty(twin, 'trustBundle')
    let connects = 0
    hub.on('connect', () => (connects += 1))
    hub.stallWorkload(false)
    await once(twin, 'desired')
    assert.equal(connects, 1)
  })

  it('trap 2: makes a new client after every lost connection, which hears everything again', async () => {
    const twin = connect()
    await once(twin, 'desired')
    twin.onMethod('ping', () => ({ status: 200, payload: 'pong' }))
    for (let round = 1; round <= 3; round++) {
      const lost = once(twin, 'disconnected')
      await hub.goAway()
      await lost
      // Desired patches are queued nowhere (trap 8).
      twins.patchDesired(key, { missed: round })
      twin.report({ round })
      const told = once(twin, 'desired')
      const settled = seenSettled(twin, () => reported()['round'] === round)
      await hub.comeBack()
      assert.deepEqual((await told)[0], { missed: round, ...(round > 1 ? { live: round - 1 } : {}) })
      await settled
      const live = seen(twin, 'desired', (document) => (document as Properties)['live'] === round)
      twins.patchDesired(key, { live: round })
      await live
      assert.equal((await hub.invokeMethod('causeway', 'ping')).payload, 'pong')
    }
  })

  it('trap 3: hears desired patches and answers again when edgeHub has lost the session', async () => {
    const twin = connect()
    await once(twin, 'desired')
    const back = once(hub, 'connect')
    await hub.loseSessions()
    assert.deepEqual(await back, [{ moduleId: 'causeway', sessionPresent: false }])
    await seenSubscriptions()
    const told = seen(twin, 'desired', (document) => (document as Properties)['after'] === true)
    twins.patchDesired(key, { after: true })
    await told
    twin.report({ alive: true })
    await seenSettled(twin, () => reported()['alive'] === true)
  })

  it('trap 4: asks again when a read of the twin is never answered', async () => {
    hub.ignoreTwin(2)
    const twin = connect({ requestTimeoutMs: 50 })
    await once(twin, 'desired')
    assert.ok(lines.filter((line) => line.includes('the twin could not be read')).length >= 2)
  })

  it('trap 4: takes a connection that answers nothing for deaf, and makes another', async () => {
    hub.ignoreTwin(3)
    const twin = connect({ requestTimeoutMs: 50 })
    await once(twin, 'disconnected')
    await once(twin, 'desired')
  })

  it('trap 4: sends a report again that is never answered', async () => {
    const twin = connect({ requestTimeoutMs: 50 })
    await once(twin, 'desired')
    hub.ignoreTwin(1)
    twin.report({ state: 'fine' })
    await once(twin, 'settled')
    assert.deepEqual(reported(), { state: 'fine' })
  })

  it('trap 4: asks again at once where a token was renewed under a read', async () => {
    hub.ignoreTwin(1)
    const twin = connect({ tokenValidSeconds: 3, tokenRenewalMarginSeconds: 2 })
    const asked = once(hub, 'twinRequest')
    const told = once(twin, 'desired')
    await asked
    await told
    assert.ok(!lines.some((line) => line.includes('no answer to twin')))
  })

  it('trap 5: survives an error with an empty body when it reads, and one that looks like an empty twin', async () => {
    hub.failTwin({ status: 500, emptyBody: true })
    hub.failTwin({ status: 429 })
    twins.patchDesired(key, { a: 1 })
    const twin = connect()
    assert.deepEqual(await once(twin, 'desired'), [{ a: 1 }, 2])
    assert.ok(lines.some((line) => line.includes('edgeHub answered twin with 500')))
    assert.ok(lines.some((line) => line.includes('edgeHub answered twin with 429')))
  })

  it('trap 5: takes a refused report for what it is, and sends it again', async () => {
    const twin = connect()
    await once(twin, 'desired')
    hub.failTwin({ status: 400, emptyBody: true, requests: 2, only: 'patch' })
    twin.report({ state: 'fine' })
    await once(twin, 'settled')
    assert.deepEqual(reported(), { state: 'fine' })
    assert.equal(lines.filter((line) => line.includes('edgeHub answered report with 400')).length, 2)
  })

  it('trap 8: reads the twin again when a patch got lost on the way', async () => {
    const twin = connect()
    await once(twin, 'desired')
    hub.loseDesired(1)
    twins.patchDesired(key, { lost: 1 })
    const told = once(twin, 'desired')
    twins.patchDesired(key, { heard: 2 })
    assert.deepEqual(await told, [{ lost: 1, heard: 2 }, 3])
  })

  it('trap 8: reads the twin every so often, for patches that nothing followed', async () => {
    const twin = connect({ refreshMs: 100 })
    await once(twin, 'desired')
    hub.loseDesired(1)
    const told = once(twin, 'desired')
    twins.patchDesired(key, { lost: 1 })
    assert.deepEqual(await told, [{ lost: 1 }, 2])
  })

  it('trap 8: reads the twin after its token was renewed, of which the SDK says nothing', async () => {
    const twin = connect({ tokenValidSeconds: 3, tokenRenewalMarginSeconds: 2 })
    await once(twin, 'desired')
    hub.loseDesired(1)
    twins.patchDesired(key, { lost: 1 })
    const renewed = once(hub, 'connect')
    const told = once(twin, 'desired')
    let disconnects = 0
    twin.on('disconnected', () => (disconnects += 1))
    assert.deepEqual(await renewed, [{ moduleId: 'causeway', sessionPresent: true }])
    assert.deepEqual(await told, [{ lost: 1 }, 2])
    assert.equal(disconnects, 0)
  })

  it('trap 3 and 8: begins anew where the session was lost while a token was renewed', async () => {
    const twin = connect({ tokenValidSeconds: 3, tokenRenewalMarginSeconds: 2 })
    await once(twin, 'desired')
    hub.once('disconnect', () => void hub.loseSessions())
    const [reason] = (await once(twin, 'disconnected')) as [Error]
    assert.match(reason.message, /lost the session/)
    await once(twin, 'connected')
  })

  it('comes back when its token ran out because nobody would sign a new one', async () => {
    const twin = connect({ tokenValidSeconds: 2, tokenRenewalMarginSeconds: 1, workloadTimeoutMs: 100 })
    await once(twin, 'desired')
    hub.stallWorkload(true)
    await once(twin, 'disconnected')
    await seenLine(/no trust bundle/)
    const back = once(twin, 'connected')
    hub.stallWorkload(false)
    await back
  })

  it('trap 9: refuses to report what edgeHub or the SDK would not carry, and says so', async () => {
    const twin = connect()
    twin.report({ state: 'fine' })
    await once(twin, 'settled')
    for (const [bad, why] of [
      [{ update: 1 }, /"update": the name update is taken/],
      [{ a: { 'b.c': 1 } }, /"a\.b\.c": a name with a dot/],
      [{ list: [null] }, /"list\.0": null/],
      [{ text: 'x'.repeat(5000) }, /4096 bytes/]
    ] as const)
      assert.throws(
        () => twin.report(bad),
        (error) => error instanceof TwinError && error.code === 'TWIN_REPORT_INVALID' && why.test(error.message)
      )
    assert.deepEqual(reported(), { state: 'fine' })
  })

  it('trap 11: answers every method: handlers that fail at once or later, that refuse, that nobody wrote', async () => {
    const twin = connect({ methodTimeoutMs: 50 })
    twin.onMethod('sync', (payload) => ({ status: 202, payload }))
    twin.onMethod('throws', () => {
      throw new Error('at once')
    })
    twin.onMethod('rejects', async () => {
      await Promise.resolve()
      throw new Error('later')
    })
    twin.onMethod('refuses', () => {
      throw new MethodRefusal('IMAGE_UNKNOWN', 'no such image')
    })
    twin.onMethod('hangs', () => new Promise(() => undefined))
    await once(twin, 'connected')
    const call = (name: string, payload?: unknown) => hub.invokeMethod('causeway', name, payload)
    assert.deepEqual(await call('sync', { image: 'a' }), { status: 202, payload: { image: 'a' } })
    assert.deepEqual(await call('throws'), { status: 500, payload: { code: 'METHOD_FAILED', message: 'at once' } })
    assert.deepEqual(await call('rejects'), { status: 500, payload: { code: 'METHOD_FAILED', message: 'later' } })
    assert.deepEqual(await call('refuses'), {
      status: 400,
      payload: { code: 'IMAGE_UNKNOWN', message: 'no such image' }
    })
    assert.equal((await call('hangs')).status, 504)
    assert.equal((await call('constructor')).status, 404)
  })

  it('trap 12: never holds two connections at once, however often it is thrown out', async () => {
    const twin = connect()
    let open = 0
    let most = 0
    hub.on('connect', () => (most = Math.max(most, (open += 1))))
    hub.on('disconnect', () => (open -= 1))
    await once(twin, 'desired')
    for (let round = 0; round < 5; round++) {
      const told = once(twin, 'connected')
      hub.dropConnections()
      await told
    }
    assert.equal(most, 1)
  })

  it('trap 12: waits for the old client to be gone before it makes another', async () => {
    const closing = Promise.withResolvers<undefined>()
    const sessions: Session[] = []
    let closed = 0
    let overlaps = 0
    link = connectTwin({
      variables: hub.moduleEnvironment('causeway'),
      log: new LineLog(() => undefined),
      signal: stop.signal,
      timing: quick,
      open: async (options) => {
        if (closed < sessions.length) overlaps += 1
        const session = await openSdkSession(options)
        sessions.push(session)
        return {
          ended: session.ended,
          getTwin: () => session.getTwin(),
          report: (patch) => session.report(patch),
          send: (...message) => session.send(...message),
          close: async () => {
            await session.close()
            await closing.promise
            closed += 1
          }
        }
      }
    })
    await once(link, 'desired')
    hub.dropConnections()
    await sessions[0]!.ended
    const again = once(link, 'connected')
    // Longer than the wait before the next attempt, which must not begin to count yet.
    setTimeout(() => closing.resolve(undefined), 200)
    await again
    assert.equal(overlaps, 0)
    assert.equal(closed, 1)
  })

  it('connects no more after its end, whatever is still asked of it', async () => {
    const { IOTEDGE_GATEWAYHOSTNAME: gatewayHostName, ...variables } = hub.moduleEnvironment('causeway')
    let connects = 0
    hub.on('connect', () => (connects += 1))
    const session = await openSdkSession({
      identity: { ...readModuleIdentity(variables), gatewayHostName },
      trustBundle: authority.certificate,
      log: new LineLog(() => undefined),
      signal: stop.signal,
      openTimeoutMs: 5_000,
      requestTimeoutMs: 5_000,
      tokenValidSeconds: 3_600,
      tokenRenewalMarginSeconds: 900,
      events: {
        desired: () => undefined,
        reconnected: () => undefined,
        method: () => Promise.resolve({ status: 200, payload: null })
      }
    })
    const asked = assert.rejects(session.getTwin(), TwinError)
    hub.dropConnections()
    await Promise.all([session.ended, asked])
    for (const request of [session.getTwin(), session.report({}), session.send('out', {}, {})])
      await assert.rejects(request, { code: 'TWIN_OFFLINE' })
    await session.close()
    await session.close()
    assert.equal(connects, 1)
  })

  it('sends messages to outputs, and says so where it cannot', async () => {
    const twin = connect()
    await assert.rejects(twin.send('events', {}), { code: 'TWIN_OFFLINE' })
    await once(twin, 'connected')
    await twin.send('events', { image: 'a' }, { kind: 'push' })
    const [message] = hub.messages
    assert.equal(message?.output, 'events')
    assert.deepEqual(JSON.parse(message.body.toString()), { image: 'a' })
    assert.deepEqual(message.properties, {
      '$.ct': 'application/json',
      '$.ce': 'utf-8',
      kind: 'push'
    })
  })

  it('goes on when a listener throws', async () => {
    const twin = connect()
    twin.once('desired', () => {
      throw new Error('in the listener')
    })
    await seenLine(/a listener of the twin's desired failed: in the listener/)
    twins.patchDesired(key, { a: 1 })
    assert.deepEqual(await once(twin, 'desired'), [{ a: 1 }, 2])
  })

  it('fetches the trust bundle', async () => {
    assert.equal(await connect().trustBundle(), authority.certificate)
  })

  it('stops at once in whatever state', async () => {
    await hub.goAway()
    const waiting = connect({ retryFirstMs: 60_000, reconnectMostMs: 60_000 })
    await seenLine(/no connection with edgeHub/)
    stop.abort()
    await waiting.closed
    assert.equal(waiting.online, false)
  })

  it('says which variable of IoT Edge is missing, without starting anything', () => {
    assert.throws(
      () => connect({}, { IOTEDGE_WORKLOADURI: '', IOTEDGE_MODULEID: ' ' }),
      (error) => error instanceof TwinError && /IOTEDGE_WORKLOADURI, IOTEDGE_MODULEID/.test(error.message)
    )
  })

  it('finds the classes of the SDK where it expects them', () => {
    assert.equal(typeof iot.ModuleClient.fromAuthenticationProvider, 'function')
    assert.equal(typeof iot.IotEdgeAuthenticationProvider, 'function')
  })

  /** Resolves when a line of the log matches: `lines` is looked at whenever one comes. */
  async function seenLine(pattern: RegExp): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const look = (line: string): void => {
      if (pattern.test(line)) resolve(undefined)
    }
    for (const line of lines) look(line)
    lines.push = (...more: string[]) => {
      for (const line of more) look(line)
      return Array.prototype.push.apply(lines, more)
    }
    await promise
  }

  /** Resolves when the module has subscribed to everything once more. */
  async function seenSubscriptions(): Promise<void> {
    await seen(hub, 'subscribe', (event) => (event as { filter: string }).filter.includes('/desired/'))
  }
})

/** Resolves when an event comes that satisfies `wanted`. */
function seen(emitter: object, name: string, wanted: (...values: unknown[]) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (...values: unknown[]): void => {
      if (!wanted(...values)) return
      ;(emitter as EventEmitter).off(name, look)
      resolve()
    }
    ;(emitter as EventEmitter).on(name, look)
  })
}

function seenSettled(twin: TwinLink, wanted: () => boolean): Promise<void> {
  return wanted() ? Promise.resolve() : seen(twin, 'settled', wanted)
}
