import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { request } from 'node:https'
import { request as plainRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { CertificateAuthority, type ServerCertificate } from '../../simulator/certificates.ts'
import { switchTls, type TlsSwitch } from './tls.ts'

describe('TLS on the port of an HTTP server', () => {
  let authority: CertificateAuthority
  let first: ServerCertificate
  let second: ServerCertificate
  let server: Server
  let tls: TlsSwitch
  let port: number
  /** The answer to `/held`, half of which was sent. */
  let held: PromiseWithResolvers<ServerResponse>

  before(async () => {
    authority = await CertificateAuthority.create()
    first = await authority.issue(['first.example', '127.0.0.1'])
    second = await authority.issue(['second.example', '127.0.0.1'])
  })
  beforeEach(async () => {
    held = Promise.withResolvers()
    server = createServer((asked, response) => {
      if (asked.url === '/held') {
        response.write('the first half')
        held.resolve(response)
        return
      }
      const encrypted = 'encrypted' in asked.socket
      void text(asked).then((body) => response.end(`${encrypted ? 'tls' : 'plain'} ${asked.url ?? ''} ${body.length}`))
    })
    tls = switchTls(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  afterEach(async () => {
    const closed = once(server, 'close')
    server.close()
    tls.close()
    server.closeAllConnections()
    await closed
  })

  const plain = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/x`, { headers: { connection: 'close' } })).text()
  const secure = async (body = ''): Promise<{ answer: string; name: string }> => {
    const sent = request({
      host: '127.0.0.1',
      port,
      path: '/x',
      method: 'POST',
      ca: authority.certificate,
      agent: false
    })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const peer = (
      response.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }
    ).getPeerCertificate()
    return { answer: await text(response), name: peer.subject.CN }
  }
  const use = ({ cert, key }: ServerCertificate): void => tls.use({ certificate: cert, key })

  it('prefers AES-128, unless the client puts ChaCha20 first', async () => {
    tls.use({ certificate: first.cert, key: first.key })
    const chosen = async (ciphers: string, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string> => {
      const socket = connectTls({ host: '127.0.0.1', port, ca: authority.certificate, ciphers, maxVersion })
      await once(socket, 'secureConnect')
      const { name } = socket.getCipher()
      socket.destroy()
      return name
    }
    const [aes256, aes128, chacha] = [
      'TLS_AES_256_GCM_SHA384',
      'TLS_AES_128_GCM_SHA256',
      'TLS_CHACHA20_POLY1305_SHA256'
    ]
    assert.equal(await chosen([aes256, chacha, aes128].join(':'), 'TLSv1.3'), aes128)
    assert.equal(await chosen([chacha, aes256, aes128].join(':'), 'TLSv1.3'), chacha)
    assert.equal(await chosen(aes256, 'TLSv1.3'), aes256)
    assert.equal(
      await chosen('ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256', 'TLSv1.2'),
      'ECDHE-ECDSA-AES128-GCM-SHA256'
    )
  })

  it('is not spoken at first', async () => {
    assert.equal(await plain(), 'plain /x 0')
    await assert.rejects(secure())
  })

  it('comes, changes its certificate and goes while the server serves, and plain HTTP stays', async () => {
    use(first)
    assert.deepEqual(await secure(), { answer: 'tls /x 0', name: 'first.example' })
    assert.deepEqual(await secure('y'.repeat(1_000_000)), { answer: 'tls /x 1000000', name: 'first.example' })
    assert.equal(await plain(), 'plain /x 0')
    use(second)
    assert.equal((await secure()).name, 'second.example')
    tls.use(undefined)
    await assert.rejects(secure())
    assert.equal(await plain(), 'plain /x 0')
  })

  it('keeps the certificate it had when it is given one that cannot be used', async () => {
    use(first)
    assert.throws(() => tls.use({ certificate: first.cert, key: second.key }), /key values mismatch/)
    assert.throws(() => tls.use({ certificate: 'no PEM', key: first.key }))
    assert.equal((await secure()).name, 'first.example')
  })

  it('keeps requests that come in pieces, and several on one connection, whole', async () => {
    use(first)
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.setNoDelay(true)
    for (const piece of ['P', 'OST /a HTTP/1.1\r\nHost: x\r\nContent-', 'Length: 5\r\n\r\nab'])
      await new Promise((written) => socket.write(piece, written))
    const answers = text(socket)
    socket.write('cdeGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const all = await answers
    assert.match(all, /plain \/a 5/)
    assert.match(all, /plain \/b 0/)
  })

  it('offers nothing older than TLS 1.2', async () => {
    use(first)
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      ca: authority.certificate,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1'
    })
    await assert.rejects(once(socket, 'secureConnect'))
  })

  for (const scheme of ['http', 'https'] as const)
    it(`lets what is under way over ${scheme} come to its end when it is closed`, async () => {
      use(first)
      const options = { host: '127.0.0.1', port, path: '/held', ca: authority.certificate, agent: false }
      const sent = (scheme === 'https' ? request : plainRequest)(options)
      sent.end()
      const [[answer], response] = await Promise.all([
        once(sent, 'response') as Promise<[IncomingMessage]>,
        held.promise
      ])
      const handshaking = connect(port, '127.0.0.1').on('error', () => undefined)
      handshaking.write(Buffer.from([0x16, 3, 1, 1]))
      const whole = text(answer)
      // Its handshake goes on, and no request can follow.
      await once(server, 'connection')
      server.close()
      tls.close()
      await once(handshaking.resume(), 'close')
      response.end(', and the second')
      assert.equal(await whole, 'the first half, and the second')
    })

  it('ends connections that say nothing, or nonsense, with the server', async () => {
    use(first)
    const silent = connect(port, '127.0.0.1')
    await once(silent, 'connect')
    const scanner = connect(port, '127.0.0.1').on('error', () => undefined)
    scanner.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]))
    scanner.resume()
    await once(scanner, 'close')
    assert.equal(await plain(), 'plain /x 0')
    const gone = Promise.all(
      [silent].map((socket: Socket) =>
        once(
          socket.resume().on('error', () => undefined),
          'close'
        )
      )
    )
    tls.close()
    await gone
  })
})
