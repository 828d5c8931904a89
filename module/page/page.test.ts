import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LineLog } from '../log/log.ts'
import { OciError } from '../oci/errors.ts'
import type { PageFacts, PageImage } from './facts.ts'
import { createPage, type Doorkeeper, type Page } from './page.ts'

const right = `Basic ${Buffer.from('plant-client:sesame').toString('base64')}`
const image = (name: string, more: Partial<PageImage> = {}): PageImage => ({ image: name, state: 'ready', ...more })

describe('the page for the person at the site', () => {
  let server: Server
  let page: Page
  let origin: string
  let facts: PageFacts
  let isOpen: boolean
  let isRevoked: boolean
  let logged: string
  const silent = new LineLog(() => undefined)

  const doorkeeper: Doorkeeper = {
    authorize(authorization) {
      if (authorization === 'Basic busy')
        return Promise.reject(new OciError('TOOMANYREQUESTS', 'later', { retryAfterSeconds: 7 }))
      if (authorization === 'Basic broken') return Promise.reject(new Error('secret detail'))
      if (authorization === 'Basic far') return Promise.resolve({ kind: 'denied', message: 'not over <plain> HTTP' })
      return Promise.resolve(
        authorization === right && !isRevoked
          ? {
              kind: 'allowed',
              caller: { may: (_action, repository) => repository.startsWith('plant/'), mayEverywhere: () => false }
            }
          : { kind: 'challenge', message: 'authentication required' }
      )
    }
  }

  beforeEach(async () => {
    logged = ''
    isOpen = false
    isRevoked = false
    facts = {
      name: 'ship-7',
      now: new Date('2026-11-21T10:00:00Z'),
      report: {
        schemaVersion: '1.0',
        runtime: { version: '1.2.3', startedAt: '2026-11-20T09:00:00Z' },
        connectionState: 'Online',
        progress: { imagesReady: 1, imagesTotal: 1, bytesDone: 10, bytesTotal: 10 },
        imageSets: { plant: { ready: 1, total: 1 } }
      },
      images: [image('plant/app:1.0', { imageSets: ['plant'] }), image('other/secret:1.0', { imageSets: ['plant'] })],
      events: []
    }
    page = createPage({
      facts: () => facts,
      isOpen: () => isOpen,
      doorkeeper,
      log: new LineLog((line) => void (logged += line))
    })
    server = createServer((request, response) => {
      response.once('close', () => server.emit('a reader left'))
      if (!page.handle(request, response, 'a-request-id')) response.writeHead(404).end('not the page')
    })
    // As the module's server has it: a reader that goes away ends nothing but their own side.
    Object.assign(server, { httpAllowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => {
    page.close()
    server.closeAllConnections()
    server.close()
  })

  const fetchPage = (path = '/acr/', init: RequestInit = {}): Promise<Response> =>
    fetch(origin + path, { redirect: 'manual', headers: { authorization: right }, ...init })
  const follow = async (): Promise<IncomingMessage> => {
    const request = get(`${origin}/acr/events`, { headers: { authorization: right } })
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    return answer.setEncoding('utf8')
  }
  const nextSections = async (answer: IncomingMessage): Promise<Record<string, string>> => {
    const [text] = (await once(answer, 'data')) as [string]
    assert.match(text, /^event: sections\ndata: .*\n\n$/)
    return JSON.parse(text.split('data: ')[1] ?? '') as Record<string, string>
  }

  it('is shown to a client token, with only what that may list', async () => {
    const answer = await fetchPage()
    const text = await answer.text()
    assert.equal(answer.status, 200)
    assert.match(text, /The one wanted image is here and verified\./)
    assert.match(text, /plant\/app:1\.0/)
    assert.doesNotMatch(text, /other\/secret/)
  })

  it('is shown whole to everybody where the settings open it', async () => {
    isOpen = true
    const text = await (await fetchPage('/acr/', { headers: {} })).text()
    assert.match(text, /other\/secret:1\.0/)
  })

  it('asks a browser for name and password, and says nothing before', async () => {
    const answer = await fetchPage('/acr/', { headers: {} })
    assert.equal(answer.status, 401)
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic realm=/)
    const text = await answer.text()
    for (const word of ['ship-7', 'plant', '1.2.3']) assert.doesNotMatch(text, new RegExp(word))
    assert.equal((await fetchPage('/acr/events', { headers: {} })).status, 401)
  })

  it('says what it was told where it turns somebody away, and no more where something broke', async () => {
    const as = (authorization: string): Promise<Response> => fetchPage('/acr/', { headers: { authorization } })
    const [far, busy, broken] = [await as('Basic far'), await as('Basic busy'), await as('Basic broken')]
    assert.deepEqual([far.status, busy.status, broken.status], [403, 429, 500])
    assert.match(await far.text(), /not over &lt;plain&gt; HTTP/)
    assert.equal(busy.headers.get('retry-after'), '7')
    assert.doesNotMatch(await broken.text(), /secret detail/)
    assert.match(logged, /secret detail/)
  })

  it('runs no script and fetches nothing but its own, and is kept by nobody', async () => {
    const answer = await fetchPage()
    const { headers } = answer
    const text = await answer.text()
    const policy = headers.get('content-security-policy') ?? ''
    for (const tag of ['style', 'script']) {
      const [, content = ''] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(text) ?? assert.fail()
      const hash = createHash('sha256').update(content).digest('base64')
      assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), `the policy lets ${tag} through`)
    }
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /script-src 'sha256-[^']+'(;|$)/)
    assert.doesNotMatch(policy, /unsafe/)
    assert.equal(headers.get('cache-control'), 'no-store')
  })

  it('shows names and reasons as text, whatever is in them', async () => {
    const reason = `<img src=x onerror=alert(1)> & "quoted"`
    facts = {
      ...facts,
      name: '<b>ship</b>',
      images: [image('plant/app:1.0', { state: 'failed', reason })],
      events: [{ at: '2026-11-21T09:00:00Z', text: reason }]
    }
    const text = await (await fetchPage()).text()
    assert.doesNotMatch(text, /<img|<b>ship/)
    assert.match(text, /&lt;img src=x onerror=alert\(1\)&gt; &amp; &quot;quoted&quot;/)
  })

  it('leads from /acr by a relative address, and leaves other paths alone', async () => {
    const answer = await fetchPage('/acr')
    assert.deepEqual([answer.status, answer.headers.get('location')], [308, 'acr/'])
    for (const path of ['/acr/oauth2/token', '/acrobat', '/v2/']) assert.equal((await fetchPage(path)).status, 404)
  })

  it('answers HEAD like GET, and nothing that would change something', async () => {
    const [head, whole] = [await fetchPage('/acr/', { method: 'HEAD' }), await fetchPage()]
    assert.equal(head.headers.get('content-length'), whole.headers.get('content-length'))
    assert.equal((await fetchPage('/acr/', { method: 'POST', body: 'x' })).status, 405)
  })

  it('tells open pages of what changed, and of nothing else', async () => {
    const answer = await follow()
    assert.equal(answer.headers['content-type'], 'text/event-stream')
    assert.equal(answer.headers['x-accel-buffering'], 'no')
    const first = await nextSections(answer)
    assert.match(first['state'] ?? '', /here and verified/)
    facts = { ...facts, report: { ...facts.report, connectionState: 'Offline' } }
    page.changed()
    const second = await nextSections(answer)
    assert.deepEqual(Object.keys(second), ['state', 'age'])
    assert.match(second['state'] ?? '', /The parent is not reached/)
    answer.destroy()
  })

  it('gives signs of life that scripts see, with the time as of then', async () => {
    const restless = createPage({ facts: () => facts, isOpen: () => true, doorkeeper, log: silent, heartbeatMs: 5 })
    server.removeAllListeners('request')
    server.on('request', (request, response) => restless.handle(request, response, 'a-request-id'))
    const answer = await follow()
    try {
      facts = { ...facts, now: new Date('2026-11-21T10:07:00Z') }
      let told = ''
      for await (const text of answer as AsyncIterable<string>) {
        told += text
        // Alone, for nothing else changed.
        if (/^event: sections\ndata: \{"age":"[^\n]*10:07 UTC/m.test(told)) break
      }
      assert.match(told, /10:07 UTC/)
    } finally {
      answer.destroy()
      restless.close()
    }
  })

  it('ends an open page whose reader may not see it any more', async () => {
    const answer = await follow()
    await nextSections(answer)
    isRevoked = true
    page.changed()
    await once(answer.resume(), 'end')
  })

  it('is open for so many at once, and says so to the next one', async () => {
    const open = await Promise.all(Array.from({ length: 24 }, follow))
    const refused = await fetchPage('/acr/events')
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '60'])
    assert.equal((await fetchPage()).status, 200)
    const left = once(server, 'a reader left')
    open[0]?.destroy()
    await left
    ;(await follow()).destroy()
    for (const each of open) each.destroy()
  })
})
