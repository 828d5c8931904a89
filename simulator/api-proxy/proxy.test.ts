import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { CertificateAuthority } from '../certificates.ts'
import { Network } from '../network.ts'
import { startApiProxy, type ApiProxy } from './proxy.ts'
import { goesOn, readRouting, type Routing } from './routing.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

describe('the routing of the API proxy', () => {
  const rows: readonly [string, Record<string, string>, Routing][] = [
    ['nothing on a top device', {}, { kind: 'none' }],
    ['a connected registry', { CONNECTED_ACR_ROUTE_ADDRESS: 'r:8080' }, { kind: 'registry', address: 'r:8080' }],
    ['a parent', { IOTEDGE_PARENTHOSTNAME: 'up.example' }, { kind: 'relay', host: 'up.example', port: 8000 }],
    [
      'a parent on the port of its own',
      { IOTEDGE_PARENTHOSTNAME: 'up.example', NGINX_DEFAULT_PORT: '443' },
      { kind: 'relay', host: 'up.example', port: 443 }
    ],
    [
      'a registry of its own below a parent',
      { IOTEDGE_PARENTHOSTNAME: 'up.example', CONNECTED_ACR_ROUTE_ADDRESS: 'r:8080' },
      { kind: 'registry', address: 'r:8080' }
    ],
    ['a variable that says 0', { CONNECTED_ACR_ROUTE_ADDRESS: '0' }, { kind: 'none' }]
  ]
  for (const [name, environment, expected] of rows) it(name, () => assert.deepEqual(readRouting(environment), expected))

  it('sends /acr to a connected registry only, and /oauth2 nowhere', () => {
    const registry: Routing = { kind: 'registry', address: 'r:8080' }
    const relay: Routing = { kind: 'relay', host: 'up.example', port: 8000 }
    const paths = ['/v2/', '/acr/oauth2/token', '/oauth2/token', '/']
    assert.deepEqual(
      paths.map((path) => goesOn(registry, path)),
      [true, true, false, false]
    )
    assert.deepEqual(
      paths.map((path) => goesOn(relay, path)),
      [true, false, false, false]
    )
    assert.deepEqual(
      paths.map((path) => goesOn({ kind: 'none' }, path)),
      [false, false, false, false]
    )
  })
})

describe('the pretend API proxy', () => {
  let edge: CertificateAuthority
  let network: Network
  let registry: Server
  let seen: { url: string | undefined; headers: IncomingMessage['headers']; body: string }[]
  const open: ApiProxy[] = []

  before(async () => {
    edge = await CertificateAuthority.create('edge')
  })

  beforeEach(async () => {
    network = await Network.start()
    seen = []
    registry = createServer((incoming, response) => {
      void text(incoming).then((body) => {
        seen.push({ url: incoming.url, headers: incoming.headers, body })
        response.writeHead(201, { location: '/v2/a/blobs/uploads/1', 'x-answer': 'yes' }).end('done')
      })
    })
    registry.listen(0, '127.0.0.1')
    await once(registry, 'listening')
  })

  afterEach(async () => {
    await Promise.all(open.splice(0).map((proxy) => proxy.close()))
    if (registry.listening) await stopRegistry()
    await network.close()
  })

  async function stopRegistry(): Promise<void> {
    registry.close()
    registry.closeAllConnections()
    await once(registry, 'close')
  }

  async function start(routing: Routing, host: string, authority = edge): Promise<ApiProxy> {
    const { port } = registry.address() as AddressInfo
    const proxy = await startApiProxy(
      {
        routing,
        names: { 'connected-registry:8080': port },
        certificate: await authority.issue([host]),
        trustBundle: edge.certificate,
        proxyUrl: network.proxyUrl,
        log: () => undefined
      },
      { host: '127.0.0.1', port: 0 }
    )
    open.push(proxy)
    network.route(`${host}:8000`, proxy.port)
    return proxy
  }

  async function ask(proxy: ApiProxy, host: string, path: string, body = ''): Promise<Answer> {
    const outgoing = request({
      host: '127.0.0.1',
      port: proxy.port,
      servername: host,
      ca: edge.certificate,
      method: body === '' ? 'GET' : 'PUT',
      path,
      headers: { host: `${host}:8000`, authorization: 'Bearer token' },
      agent: false
    })
    outgoing.end(body)
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) }
  }

  const toRegistry: Routing = { kind: 'registry', address: 'connected-registry:8080' }

  it('tells the registry whom the client asked, and not by Host', async () => {
    const proxy = await start(toRegistry, 'gateway.example')
    const answer = await ask(proxy, 'gateway.example', '/v2/a/blobs/uploads/?digest=x', 'bytes')
    assert.deepEqual([answer.status, answer.body, answer.headers['x-answer']], [201, 'done', 'yes'])
    const [{ url, headers, body }] = seen as [(typeof seen)[0]]
    assert.deepEqual([url, body], ['/v2/a/blobs/uploads/?digest=x', 'bytes'])
    assert.equal(headers.host, 'connected-registry:8080')
    assert.equal(headers['x-forwarded-host'], 'gateway.example:8000')
    assert.equal(headers['x-forwarded-proto'], 'https')
    assert.equal(headers['x-forwarded-for'], undefined)
    assert.equal(headers.authorization, 'Bearer token')
  })

  it('answers 404 where it has no route', async () => {
    const top = await start({ kind: 'none' }, 'gateway.example')
    assert.equal((await ask(top, 'gateway.example', '/v2/')).status, 404)
    const proxy = await start(toRegistry, 'gateway.example')
    assert.equal((await ask(proxy, 'gateway.example', '/oauth2/token')).status, 404)
  })

  it('does not start for a name it cannot resolve', async () => {
    const routing: Routing = { kind: 'registry', address: 'connectedRegistry:8080' }
    await assert.rejects(start(routing, 'gateway.example'), /host not found in upstream "connectedRegistry:8080"/)
  })

  it('answers 502 once the registry has moved', async () => {
    const proxy = await start(toRegistry, 'gateway.example')
    await stopRegistry()
    assert.equal((await ask(proxy, 'gateway.example', '/v2/')).status, 502)
  })

  it('relays /v2 to the parent, which sees its own name, and /acr nowhere', async () => {
    await start(toRegistry, 'gateway.example')
    const child = await start({ kind: 'relay', host: 'gateway.example', port: 8000 }, 'child.example')
    assert.equal((await ask(child, 'child.example', '/v2/a/manifests/1')).status, 201)
    assert.equal(seen[0]?.headers['x-forwarded-host'], 'gateway.example:8000')
    assert.equal((await ask(child, 'child.example', '/acr/oauth2/token')).status, 404)
  })

  it('answers 502 while the parent is out of reach, or has a certificate of somebody else', async () => {
    await start(toRegistry, 'gateway.example')
    const child = await start({ kind: 'relay', host: 'gateway.example', port: 8000 }, 'child.example')
    network.sever(/gateway/)
    assert.equal((await ask(child, 'child.example', '/v2/')).status, 502)
    network.restore()
    await start(toRegistry, 'gateway.example', await CertificateAuthority.create('another'))
    assert.equal((await ask(child, 'child.example', '/v2/')).status, 502)
  })
})
