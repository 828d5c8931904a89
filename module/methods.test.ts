import assert from 'node:assert/strict'
import { LineLog } from './log/log.ts'
import { createMethods } from './methods.ts'
import type { ImageNews, Pause } from './status/events.ts'
import { createStatus } from './status/status.ts'
import { answerMethod } from './twin/method.ts'

interface Refusal {
  readonly code: string
  readonly message: string
}

describe('direct methods', () => {
  const log = new LineLog(() => undefined)
  log.secrets = ['the-sync-token-password']
  let current: Pause | undefined
  let syncs: number
  let cleaning: boolean
  let hasSettings: boolean
  const status = createStatus({ version: '0.1.0', startedAt: new Date() })
  const methods = createMethods({
    status,
    pause: {
      get current() {
        return current
      },
      pause: (reason) => {
        current = { since: '2026-11-21T10:00:00.000Z', ...(reason === undefined ? {} : { reason }) }
        return Promise.resolve(current)
      },
      resume: () => {
        const was = current !== undefined
        current = undefined
        return Promise.resolve(was)
      }
    },
    cleaner: { collectGarbage: () => !cleaning, scrub: () => !cleaning },
    examine: () => Promise.resolve([{ check: 'disk', outcome: 'ok', message: 'free' }]),
    probeProxy: ({ host, port }) =>
      Promise.resolve({ url: `https://${host}:${port}/v2/`, status: 401, registry: true }),
    recent: log.recent,
    upward: () => [
      ...Array.from({ length: 5000 }, (_, at) => ({
        what: `push plant/app:${at}`,
        state: 'waiting' as const,
        bytes: at
      })),
      {
        what: 'push plant/app:old',
        state: 'expired',
        reason: 'the parent was not reached',
        at: '2026-11-21T10:00:00.000Z'
      }
    ],
    syncNow: () => {
      syncs += hasSettings ? 1 : 0
      return hasSettings
    }
  })

  beforeEach(() => {
    current = undefined
    syncs = 0
    cleaning = false
    hasSettings = true
  })

  /** As edgeHub calls it: bytes in, and an answer whatever happens. */
  const call = (name: string, payload: unknown = null): ReturnType<typeof answerMethod> =>
    answerMethod(name, methods.get(name), Buffer.from(JSON.stringify(payload)), { timeoutMs: 5000, log })

  it('looks through the API proxy by its module’s name, and at nothing that is no module’s', async () => {
    const ask = (payload: unknown) =>
      answerMethod('probeProxy', methods.get('probeProxy'), Buffer.from(JSON.stringify(payload)), {
        timeoutMs: 1000,
        log
      })
    assert.deepEqual(await ask(null), {
      status: 200,
      payload: { url: 'https://IoTEdgeAPIProxy:8000/v2/', status: 401, registry: true }
    })
    assert.deepEqual((await ask({ proxy: 'Proxy', port: 443 })).payload, {
      url: 'https://Proxy:443/v2/',
      status: 401,
      registry: true
    })
    for (const proxy of ['10.0.0.1', 'registry.example', 'a/b', '[::1]'])
      assert.equal((await ask({ proxy })).status, 400, proxy)
  })

  it('tell what waits for the parent, page by page, and what became of the rest', async () => {
    const names = async (query: object) => {
      const { payload } = await call('upward', query)
      const { entries, total } = payload as { entries: { what: string }[]; total: number }
      return [total, entries.length, entries[0]?.what]
    }
    assert.deepEqual(await names({}), [5001, 200, 'push plant/app:0'])
    assert.deepEqual(await names({ state: 'waiting', skip: 4999, limit: 10 }), [5000, 1, 'push plant/app:4999'])
    assert.deepEqual(await names({ state: 'expired' }), [1, 1, 'push plant/app:old'])
    assert.equal((await call('upward', { state: 'delivered' })).status, 400)
  })

  it('tell what the doctor finds', async () => {
    assert.deepEqual(await call('doctor'), {
      status: 200,
      payload: { findings: [{ check: 'disk', outcome: 'ok', message: 'free' }] }
    })
  })

  it('refuse what their schema does not know, and say where', async () => {
    const cases: readonly [string, unknown, RegExp][] = [
      ['syncNow', { now: true }, /now/],
      ['syncNow', 'at once', /object/],
      ['images', { state: 'lost' }, /^state: .*failed.*ready/],
      ['images', { limit: 100_000 }, /^limit: /],
      ['images', { limit: 0, repository: 7 }, /repository: .*; limit: /],
      ['pause', { reason: 'x'.repeat(301) }, /^reason: /],
      ['resume', [], /object/],
      ['collectGarbage', { hard: true }, /hard/],
      ['scrub', 1, /object/],
      ['logs', { level: 'None' }, /^level: /],
      ['logs', { lines: '10' }, /^lines: /]
    ]
    for (const [name, payload, why] of cases) {
      const { status: code, payload: answer } = await call(name, payload)
      assert.equal(code, 400, name)
      assert.equal((answer as Refusal).code, 'PAYLOAD_INVALID')
      assert.match((answer as Refusal).message, why, name)
    }
    assert.deepEqual([syncs, current], [0, undefined])
  })

  describe('syncNow', () => {
    it('begins a sync, with no payload, an empty one, or none of JSON', async () => {
      for (const payload of [null, {}, '']) assert.equal((await call('syncNow', payload)).status, 202)
      assert.equal(syncs, 3)
    })

    it('says what to do first where sync is paused, or has no settings', async () => {
      await call('pause')
      const paused = await call('syncNow')
      assert.deepEqual([paused.status, (paused.payload as Refusal).code], [409, 'SYNC_PAUSED'])
      assert.match((paused.payload as Refusal).message, /resume/)
      await call('resume')
      hasSettings = false
      assert.equal(((await call('syncNow')).payload as Refusal).code, 'SETTINGS_MISSING')
      assert.equal(syncs, 0)
    })
  })

  describe('images', () => {
    interface Page {
      readonly images: readonly ImageNews[]
      readonly total: number
      readonly next?: string
    }
    const page = async (query: object): Promise<Page> => {
      const { status: code, payload } = await call('images', query)
      assert.equal(code, 200, JSON.stringify(payload))
      assert.ok(Buffer.byteLength(JSON.stringify(payload)) <= 128 * 1024)
      return payload as Page
    }

    before(() => {
      const images = Array.from({ length: 5000 }, (_, at): ImageNews => {
        const failed = at % 10 === 0
        return {
          image: `samples/app-${at % 50}:${'v'.repeat(80)}${at}`,
          imageSets: [at % 2 === 0 ? 'even' : 'odd'],
          state: failed ? 'failed' : 'ready',
          digest: `sha256:${'a'.repeat(64)}`,
          ...(failed ? { reason: '"'.repeat(400) } : {})
        }
      })
      status.observe({ kind: 'planned', images })
    })

    it('come in pages that together are all of them, each once, below the limit of an answer', async () => {
      const seen: string[] = []
      let after: string | undefined
      do {
        const { images, total, next } = await page({ limit: 1000, ...(after === undefined ? {} : { after }) })
        assert.equal(total, 5000)
        assert.ok(images.length > 0)
        seen.push(...images.map(({ image }) => image))
        after = next
      } while (after !== undefined)
      assert.equal(seen.length, 5000)
      assert.equal(new Set(seen).size, 5000)
    })

    it('are filtered by state, repository and set', async () => {
      assert.equal((await page({ state: 'failed' })).total, 500)
      assert.equal((await page({ repository: 'samples/app-7' })).total, 100)
      assert.equal((await page({ imageSet: 'odd', state: 'failed' })).total, 0)
      const { images, next } = await page({ repository: 'samples/app-7', limit: 100 })
      assert.deepEqual([images.length, next], [100, undefined])
      assert.deepEqual(await page({ after: 'zzz' }), { images: [], total: 5000 })
    })
  })

  it('pause and resume, and say how it was', async () => {
    assert.deepEqual((await call('pause', { reason: 'at sea' })).payload, {
      paused: { since: '2026-11-21T10:00:00.000Z', reason: 'at sea' }
    })
    assert.deepEqual((await call('resume')).payload, { wasPaused: true })
    assert.deepEqual((await call('resume')).payload, { wasPaused: false })
  })

  it('begin garbage collection and a scrub once at a time', async () => {
    for (const name of ['collectGarbage', 'scrub']) {
      cleaning = false
      assert.equal((await call(name)).status, 202)
      cleaning = true
      const { status: code, payload } = await call(name)
      assert.deepEqual([code, (payload as Refusal).code], [409, 'ALREADY_RUNNING'])
    }
  })

  describe('logs', () => {
    const read = async (query: object): Promise<{ readonly lines: readonly string[]; readonly omitted: number }> =>
      (await call('logs', query)).payload as { lines: string[]; omitted: number }

    it('give the last lines without secrets', async () => {
      log.warn('refused', { header: 'Bearer abcdefghijklmnop', password: 'the-sync-token-password' })
      log.info('fine')
      const { lines } = await read({ lines: 2 })
      assert.match(lines[0] ?? '', /refused/)
      assert.match(lines[1] ?? '', /fine/)
      assert.doesNotMatch(lines.join(), /abcdefgh|sync-token-password/)
      assert.equal(
        (await read({ lines: 2000, level: 'Warning' })).lines.filter((line) => line.includes('fine')).length,
        0
      )
    })

    it('give the newest that fit into an answer', async () => {
      for (let line = 0; line < 2000; line += 1) log.info(`${line} ${'"'.repeat(200)}`)
      const { lines, omitted } = await read({ lines: 2000 })
      assert.equal(lines.length + omitted, 2000)
      assert.ok(omitted > 0 && lines.at(-1)?.includes(' 1999 '))
    })
  })
})
