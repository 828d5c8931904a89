import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { Webhook } from './webhook.ts'

describe('Webhook', () => {
  const received: { readonly headers: Record<string, unknown>; readonly body: string }[] = []
  const told = new EventEmitter()
  const unending = new AbortController().signal
  let status: number
  let server: Server
  let authority: CertificateAuthority
  let url: URL
  let webhook: Webhook

  before(async () => {
    authority = await CertificateAuthority.create('test')
    const { cert, key } = await authority.issue(['localhost', '127.0.0.1'])
    server = createHttps({ cert, key }, (request, response) => {
      let body = ''
      request.on('data', (chunk) => (body += String(chunk)))
      request.on('end', () => {
        received.push({ headers: request.headers, body })
        response.writeHead(status).end('thanks')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/in?code=secret-key`)
  })

  beforeEach(() => {
    received.length = 0
    status = 200
    webhook = new Webhook({})
    webhook.setTrustBundle(authority.certificate)
  })

  afterEach(() => webhook.close())
  after(() => {
    server.close()
    server.closeAllConnections()
  })

  it('posts a JSON array as Event Grid does', async () => {
    await webhook.post(url, [{ id: '1' }], unending)
    assert.equal(received[0]?.body, '[{"id":"1"}]')
    assert.equal(received[0].headers['aeg-event-type'], 'Notification')
    assert.match(String(received[0].headers['content-type']), /^application\/json/)
  })

  it('logs in with the name and password of its address, and with none where that has none', async () => {
    for (const [credentials, sent] of [
      ['plant:p%40ss%3Aw%C3%B6rd', 'plant:p@ss:wörd'],
      ['plant', 'plant:'],
      [':only-password', ':only-password'],
      ['100%:pass', '100%:pass'],
      ['', undefined]
    ] as const) {
      received.length = 0
      await webhook.post(new URL(url.href.replace('//', `//${credentials}@`)), [], unending)
      assert.equal(
        received[0]?.headers['authorization'],
        sent && `Basic ${Buffer.from(sent).toString('base64')}`,
        credentials
      )
    }
    status = 401
    await assert.rejects(
      () => webhook.post(new URL(url.href.replace('//', '//plant:sesame@')), [], unending),
      (error: Error) => error.message === `${url.host} answered 401`
    )
  })

  it('takes anything but a 2xx for a refusal, and never repeats the key', async () => {
    for (status of [302, 400, 503])
      await assert.rejects(
        () => webhook.post(url, [], unending),
        (error: Error) => error.message.includes(String(status)) && !error.message.includes('secret-key')
      )
  })

  it('trusts the device’s own authorities only once it knows them', async () => {
    const strict = new Webhook({})
    await assert.rejects(() => strict.post(url, [], unending))
    await strict.close()
    assert.equal(received.length, 0)
  })

  it('goes through the outbound proxy, with its credentials', async () => {
    const tunnels: (string | undefined)[] = []
    const proxy = createHttp().on('connect', (request, socket, head) => {
      tunnels.push(`${request.url} ${request.headers['proxy-authorization']}`)
      const upstream = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.write(head)
        upstream.pipe(socket).pipe(upstream)
      })
      for (const each of [socket, upstream]) each.on('error', () => told.emit('over'))
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const through = new Webhook({ https_proxy: `http://me:pa55@127.0.0.1:${(proxy.address() as AddressInfo).port}` })
    through.setTrustBundle(authority.certificate)
    try {
      await through.post(url, [], unending)
      assert.deepEqual(tunnels, [`${url.host} Basic ${Buffer.from('me:pa55').toString('base64')}`])
      assert.equal(received.length, 1)
    } finally {
      await through.close()
      proxy.close()
      proxy.closeAllConnections()
    }
  })
})
