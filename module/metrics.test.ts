import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerHealth } from './health.ts'
import { LineLog } from './log/log.ts'
import { createMetrics } from './metrics.ts'
import { createHttpServer } from './registry/server.ts'
import { RequestCounter } from './request-count.ts'
import type { StatusNews } from './status/events.ts'
import { createStatus } from './status/status.ts'

describe('metrics', () => {
  const log = new LineLog(() => undefined)
  const status = createStatus({ version: '0.1.0', startedAt: new Date() })
  const requests = new RequestCounter()
  let twinOnline: boolean | undefined = true
  const metrics = createMetrics({
    version: '0.1.0',
    figures: () => status.figures(),
    requests: () => requests.counts,
    twinOnline: () => twinOnline,
    waitingNotifications: () => new Map([['webhook', 3]]),
    clockSkewSeconds: () => -600,
    upward: () => ({
      waiting: 3,
      bytes: 5000,
      oldestAt: '2026-11-21T10:00:00.000Z',
      parked: 1,
      delivered: 7,
      conflicts: 2,
      expired: 4,
      troubles: [],
      bytesSent: 1234
    }),
    log
  })
  let server: Server

  const call = async (path: string, method = 'GET'): Promise<{ status: number; type: string; body: string }> => {
    const made = httpRequest({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      path,
      method,
      agent: false
    }).end()
    const [response] = (await once(made, 'response')) as [IncomingMessage]
    let body = ''
    for await (const chunk of response) body += String(chunk)
    return { status: response.statusCode ?? 0, type: String(response.headers['content-type']), body }
  }
  /** Samples by their name and labels, as Prometheus reads the text form. */
  const scrape = async (): Promise<Map<string, number>> => {
    const { status: code, type, body } = await call('/metrics')
    assert.equal(code, 200)
    assert.match(type, /^text\/plain; version=0\.0\.4/)
    const samples = new Map<string, number>()
    for (const line of body.split('\n')) {
      if (line === '' || line.startsWith('#')) continue
      const [, name = '', value] = /^([a-z_]+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? assert.fail(`no sample: ${line}`)
      samples.set(name, Number(value))
    }
    return samples
  }

  before(async () => {
    server = createHttpServer([requests.handle, metrics.handle, answerHealth(status)], log)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })

  after(() => {
    server.close()
    server.closeAllConnections()
  })

  it('tell of images, sync, faults, disk and twin', async () => {
    const news: StatusNews[] = [
      { kind: 'parent', answers: true },
      {
        kind: 'planned',
        images: [
          { image: 'secret/project:1', state: 'ready', imageSets: ['hidden-set'] },
          { image: 'app:2', state: 'pending' }
        ]
      },
      { kind: 'progress', bytesDone: 70, bytesTotal: 100 },
      { kind: 'content', works: false, code: 'DISK_FULL', message: 'full' }
    ]
    for (const each of news) status.observe(each)
    const ended = {
      kind: 'passEnded',
      bytesFetched: 70,
      result: {
        trigger: 'InitialSync',
        state: 'Succeeded',
        startedAt: '2026-11-21T10:00:00.000Z',
        endedAt: '2026-11-21T10:01:00.000Z',
        succeededAt: '2026-11-21T10:01:00.000Z'
      }
    } as const
    for (let pass = 0; pass < 2; pass += 1) {
      status.observe(ended)
      metrics.observe(ended)
    }
    status.setDisk({ freeBytes: 5, totalBytes: 10, reserveBytes: 1 })
    const samples = await scrape()
    const expected: readonly [string, number][] = [
      ['causeway_info{version="0.1.0"}', 1],
      ['causeway_images{state="ready"}', 1],
      ['causeway_images{state="pending"}', 1],
      ['causeway_images{state="failed"}', 0],
      ['causeway_images_quarantined', 0],
      ['causeway_content_present_bytes', 70],
      ['causeway_content_wanted_bytes', 100],
      ['causeway_sync_passes_total{trigger="InitialSync",state="Succeeded"}', 2],
      ['causeway_sync_fetched_bytes_total', 140],
      ['causeway_sync_last_success_timestamp_seconds', Date.parse('2026-11-21T10:01:00.000Z') / 1000],
      ['causeway_sync_paused', 0],
      ['causeway_fault{code="DiskFull"}', 1],
      ['causeway_fault{code="ParentUnreachable"}', 0],
      ['causeway_connection_state{state="Unhealthy"}', 1],
      ['causeway_connection_state{state="Online"}', 0],
      ['causeway_disk_free_bytes', 5],
      ['causeway_twin_connected', 1],
      ['causeway_notifications_waiting{target="webhook"}', 3],
      ['causeway_upward_waiting{state="waiting"}', 2],
      ['causeway_upward_waiting{state="parked"}', 1],
      ['causeway_upward_waiting_bytes', 5000],
      ['causeway_upward_oldest_timestamp_seconds', Date.parse('2026-11-21T10:00:00.000Z') / 1000],
      ['causeway_upward_ended_total{outcome="delivered"}', 7],
      ['causeway_upward_ended_total{outcome="conflict"}', 2],
      ['causeway_upward_ended_total{outcome="expired"}', 4],
      ['causeway_upward_sent_bytes_total', 1234]
    ]
    for (const [name, value] of expected) assert.equal(samples.get(name), value, name)
    assert.ok((samples.get('process_resident_memory_bytes') ?? 0) > 1e6)
  })

  it('name no image and no image set: whoever is on the network may look', async () => {
    assert.doesNotMatch((await call('/metrics')).body, /secret|hidden/)
  })

  it('leave out what there is not', async () => {
    twinOnline = undefined
    assert.equal((await scrape()).has('causeway_twin_connected'), false)
  })

  it('count what garbage collection has freed', async () => {
    for (const tags of [1, 2]) metrics.collected({ tags, manifests: 3, blobs: 4, bytes: 500 })
    const samples = await scrape()
    assert.equal(samples.get('causeway_garbage_freed_bytes_total'), 1000)
    assert.equal(samples.get('causeway_garbage_removed_total{kind="tag"}'), 3)
    assert.equal(samples.get('causeway_garbage_removed_total{kind="blob"}'), 8)
  })

  it('count requests by method and status', async () => {
    const count = async (name: string): Promise<number> =>
      (await scrape()).get(`causeway_http_requests_total{${name}}`) ?? 0
    const before = await count('method="GET",status="404"')
    await call('/nowhere')
    await call('/nowhere', 'BREW').catch(() => undefined)
    await call('/nowhere', 'PROPFIND')
    assert.equal(await count('method="GET",status="404"'), before + 1)
    assert.equal(await count('method="other",status="404"'), 1)
    assert.ok((await count('method="GET",status="200"')) > 0)
  })

  it('answer HEAD without a body, and nothing else but GET', async () => {
    assert.deepEqual([(await call('/metrics', 'HEAD')).status, (await call('/metrics', 'HEAD')).body], [200, ''])
    assert.equal((await call('/metrics', 'POST')).status, 405)
    assert.equal((await call('/metricsx')).status, 404)
  })
})
