import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { buffer, text } from 'node:stream/consumers'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { digestOf } from '../oci/digest.ts'
import { basic, bigLayer, codeOf, config, indexOf, layer, manifest, portOf, useWorld, writer } from './world.test.ts'

describe('registry', () => {
  const world = useWorld()

  describe('GET /v2/', () => {
    it('challenges everybody with the address they used', async () => {
      const host = `127.0.0.1:${portOf(world.server)}`
      for (const path of ['/v2/', '/v2']) {
        const answer = await world.send('GET', path, {})
        assert.equal(answer.status, 401)
        assert.equal(codeOf(answer), 'UNAUTHORIZED')
        assert.equal(
          answer.headers['www-authenticate'],
          `Bearer realm="http://${host}/acr/oauth2/token",service="${host}"`
        )
        assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
      }
    })

    it("takes the API proxy's word for the address, and repeats nothing that is no host", async () => {
      const proxied = { 'x-forwarded-host': 'gateway.local:8000', 'x-forwarded-proto': 'https', host: 'registry:8080' }
      assert.equal(
        (await world.send('GET', '/v2/', proxied)).headers['www-authenticate'],
        'Bearer realm="https://gateway.local:8000/acr/oauth2/token",service="gateway.local:8000"'
      )
      const forged = { 'x-forwarded-host': 'a",error="x', host: 'registry:8080' }
      assert.match(
        String((await world.send('GET', '/v2/', forged)).headers['www-authenticate']),
        /service="registry:8080"$/
      )
    })

    it('challenges for Basic by setting', async () => {
      const relayed = await world.start({ challenge: () => 'Basic' })
      const answer = await world.send('GET', '/v2/', {}, undefined, portOf(relayed))
      assert.equal(answer.headers['www-authenticate'], `Basic realm="127.0.0.1:${portOf(relayed)}", charset="UTF-8"`)
      assert.equal((await world.send('GET', '/v2/', { authorization: basic }, undefined, portOf(relayed))).status, 200)
    })

    it('lets in with Basic, and with a bearer token', async () => {
      const answer = await world.get('/v2/')
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
      assert.equal((await world.send('GET', '/v2/', { authorization: await world.bearer('') })).status, 200)
    })
  })

  it('says with every answer whether it still lacks what it is to have', async () => {
    let incomplete = true
    const server = await world.start({ incomplete: () => incomplete })
    const said = async (path: string): Promise<unknown> =>
      (await world.send('GET', path, { authorization: basic }, undefined, portOf(server))).headers[
        'causeway-incomplete'
      ]
    for (const path of ['/v2/', '/v2/samples/none/tags/list']) assert.equal(await said(path), '1')
    incomplete = false
    assert.equal(await said('/v2/'), undefined)
  })

  describe('permission', () => {
    it('tells what scope would do', async () => {
      const scope = async (path: string, method = 'GET'): Promise<string | undefined> => {
        const answer = await world.send(method, path, {})
        assert.equal(answer.status, 401)
        return /scope="([^"]*)"/.exec(String(answer.headers['www-authenticate']))?.[1]
      }
      assert.equal(await scope('/v2/samples/app/manifests/1.0'), 'repository:samples/app:pull')
      assert.equal(await scope(`/v2/samples/app/blobs/${digestOf(layer)}`), 'repository:samples/app:pull')
      assert.equal(await scope('/v2/samples/app/tags/list'), 'repository:samples/app:metadata_read')
      assert.equal(await scope('/v2/_catalog'), 'registry:catalog:*')
      assert.equal(await scope('/v2/samples/app/blobs/uploads/', 'POST'), 'repository:samples/app:pull,push')
      assert.equal(await scope('/v2/samples/app/manifests/1.0', 'DELETE'), 'repository:samples/app:delete')
    })

    it('asks for another token where that helps, and denies where it does not', async () => {
      const authorization = await world.bearer('repository:samples/other:pull')
      const insufficient = await world.send('GET', '/v2/samples/app/manifests/1.0', { authorization })
      assert.equal(insufficient.status, 401)
      assert.match(
        String(insufficient.headers['www-authenticate']),
        /scope="repository:samples\/app:pull",error="insufficient_scope"$/
      )
      for (const way of [basic, authorization]) {
        const denied = await world.send('GET', `/v2/private/app/blobs/${digestOf(config)}`, { authorization: way })
        assert.equal(denied.status, 403)
        assert.equal(codeOf(denied), 'DENIED')
        assert.equal(denied.headers['www-authenticate'], undefined)
      }
      const invalid = await world.send('GET', '/v2/', { authorization: 'Bearer x' })
      assert.match(String(invalid.headers['www-authenticate']), /error="invalid_token"$/)
    })

    it('answers 429 with Retry-After when too much is being checked', async () => {
      const flood = await Promise.all(
        Array.from({ length: 30 }, (_, guess) =>
          fetch(`http://127.0.0.1:${portOf(world.server)}/v2/`, {
            headers: { authorization: `Basic ${Buffer.from(`reader:${guess}`).toString('base64')}` }
          })
        )
      )
      const refused = flood.filter(({ status }) => status === 429)
      assert.ok(refused.length > 0)
      for (const { headers } of refused) assert.ok(Number(headers.get('retry-after')) > 0)
      for (const response of flood) await response.body?.cancel()
    })
  })

  describe('pushes', () => {
    const writes = [
      ['POST', '/v2/samples/app/blobs/uploads/'],
      ['POST', '/v2/samples/app/blobs/uploads'],
      ['POST', `/v2/samples/app/blobs/uploads/?mount=${digestOf(layer)}&from=samples/x`],
      ['PATCH', '/v2/samples/app/blobs/uploads/some-id'],
      ['PUT', `/v2/samples/app/blobs/uploads/some-id?digest=${digestOf(layer)}`],
      ['GET', '/v2/samples/app/blobs/uploads/some-id'],
      ['DELETE', '/v2/samples/app/blobs/uploads/some-id'],
      ['PUT', '/v2/samples/app/manifests/1.0'],
      ['DELETE', '/v2/samples/app/manifests/1.0'],
      ['DELETE', `/v2/samples/app/blobs/${digestOf(layer)}`]
    ] as const

    it('are refused with the reason, whatever was pushed, and the connection goes on', async () => {
      for (const [method, path] of writes) {
        const answer = await world.send(
          method,
          path,
          { authorization: basic },
          method.startsWith('P') ? randomBytes(300_000) : undefined
        )
        const [status, code, reason] =
          method === 'DELETE'
            ? [405, 'UNSUPPORTED', /ReadOnly: delete in its parent/]
            : [403, 'DENIED', /ReadOnly: push to its parent/]
        assert.equal(answer.status, status, `${method} ${path}`)
        assert.equal(codeOf(answer), code)
        assert.match(answer.body.toString(), reason)
        assert.equal(answer.headers['allow'], method === 'DELETE' ? 'GET, HEAD' : undefined)
        assert.notEqual(answer.headers['connection'], 'close')
        assert.equal((await world.get('/v2/')).status, 200)
      }
      world.mode = 'ReadWrite'
      for (const [method, path] of writes) {
        const answer = await world.send(
          method,
          path,
          { authorization: basic },
          method.startsWith('P') ? 'x' : undefined
        )
        assert.equal(answer.status, 403, `${method} ${path}`)
        assert.equal(codeOf(answer), 'DENIED')
      }
      assert.equal((await world.get('/v2/samples/app/manifests/1.0')).status, 200)
    })

    it('of strangers are asked for a login first', async () => {
      for (const [method, path] of writes) assert.equal((await world.send(method, path, {})).status, 401)
    })

    it('that wait for a word are refused before their body is sent', async () => {
      const sent = httpRequest({
        host: '127.0.0.1',
        port: portOf(world.server),
        method: 'PUT',
        path: '/v2/samples/app/manifests/1.0',
        headers: { authorization: basic, expect: '100-continue', 'content-length': '1000000' }
      })
      sent.on('continue', () => assert.fail('the body was asked for'))
      sent.flushHeaders()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      assert.equal(response.statusCode, 403)
      assert.equal(response.headers.connection, 'close')
      await buffer(response)
      sent.destroy()
    })

    it('to what can only be read are refused too', async () => {
      for (const path of [
        '/v2/',
        '/v2/_catalog',
        '/v2/samples/app/tags/list',
        `/v2/samples/app/referrers/${digestOf('x')}`
      ]) {
        const answer = await world.send('POST', path)
        assert.equal(answer.status, 405)
        assert.match(answer.body.toString(), /can only be read/)
      }
    })
  })

  describe('other paths', () => {
    it("below /v2 are 404 in the registry's form", async () => {
      for (const path of [
        '/v2/x',
        '/v2/samples/app',
        '/v2//',
        '/v2/samples/app/tags/list/',
        '/v2/samples/app/manifests/1.0/'
      ])
        assert.ok([400, 404].includes((await world.get(path)).status), path)
      assert.equal(codeOf(await world.get('/v2/samples/app')), 'NAME_UNKNOWN')
    })

    it('are left to other handlers, and what nobody knows is 404', async () => {
      assert.equal((await world.send('GET', '/healthz', {})).body.toString(), 'fine')
      for (const path of ['/', '/v2x', '/oauth2/exchange', '/acr/v1/_catalog']) {
        const answer = await world.get(path)
        assert.equal(answer.status, 404)
        codeOf(answer)
      }
    })

    it('that fail tell nothing of their insides', async () => {
      const answer = await world.get('/boom')
      assert.equal(answer.status, 500)
      assert.doesNotMatch(answer.body.toString(), /insides/)
      assert.match(world.lines.join(''), /secret insides/)
    })
  })

  it('answers in its own form what Node would refuse, and what is said to a proxy', async () => {
    const ask = (request: string): Promise<string> =>
      text(connect(portOf(world.server), '127.0.0.1').end(`${request}\r\n\r\n`))
    for (const [request, status] of [
      ['GET /v2/ HTTP/1.1', 400],
      ['PUT /v2/samples/app/manifests/a HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 2', 417],
      ['CONNECT a:80 HTTP/1.1\r\nHost: a:80', 405],
      ['GET ftp://a/v2/ HTTP/1.1\r\nHost: a', 404]
    ] as const) {
      const answer = await ask(request)
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\n\r\n\\{"errors":\\[\\{"code":"[A-Z_]+"`), request)
    }
    for (const [request, host] of [
      ['GET http://b.example:8080/v2/ HTTP/1.1\r\nHost: a', 'b.example:8080'],
      ['GET HTTPS://b.example/v2/ HTTP/1.1\r\nHost: a', 'b.example'],
      ['GET /v2/ HTTP/1.0', `127.0.0.1:${portOf(world.server)}`]
    ] as const)
      assert.match(await ask(request), new RegExp(`^HTTP/1\\.1 401 [^]*service="${host}"`), request)
    assert.match(
      await ask(`GET http://a/v2/samples/app/manifests/1.0?x HTTP/1.1\r\nHost: a\r\nAuthorization: ${basic}`),
      /^HTTP\/1\.1 200 /
    )
  })

  it('answers who ends their side when they have asked', async () => {
    world.mode = 'ReadWrite'
    const large = Buffer.alloc(9 * 1024 * 1024)
    for (const [request, body, expected] of [
      ['GET /v2/', '', '{}'],
      ['GET /v2/samples/app/manifests/1.0', '', manifest],
      [`GET /v2/samples/app/blobs/${digestOf(config)}`, '', config],
      [`GET /v2/samples/app/blobs/${digestOf(bigLayer)}`, '', bigLayer],
      ['POST /oauth2/token', 'grant_type=refresh_token', /UNAUTHORIZED/],
      ['PUT /v2/samples/app/manifests/half', manifest, ''],
      [`POST /v2/samples/app/blobs/uploads/?digest=${digestOf(large)}`, large, '']
    ] as const) {
      const socket = connect(portOf(world.server), '127.0.0.1')
      socket.write(
        `${request} HTTP/1.1\r\nHost: a\r\nAuthorization: ${writer}\r\nContent-Length: ${body.length}\r\n\r\n`
      )
      socket.end(body)
      const answer = await buffer(socket)
      const at = answer.indexOf('\r\n\r\n') + 4
      const status = answer.subarray(9, 12).toString()
      if (expected instanceof RegExp) assert.match(answer.subarray(at).toString(), expected)
      else {
        assert.equal(status, request.startsWith('GET') ? '200' : '201', request)
        assert.ok(answer.subarray(at).equals(Buffer.from(expected)), request)
      }
    }
  })

  it('answers 500 where storage fails, and says nothing of why', async () => {
    const broken = await world.start({
      content: {
        blobs: world.storage.blobs,
        index: { ...indexOf(world.storage), tag: () => Promise.reject(new Error('EIO: secret')) }
      }
    })
    const answer = await world.send(
      'GET',
      '/v2/samples/app/manifests/1.0',
      { authorization: basic },
      undefined,
      portOf(broken)
    )
    assert.equal(answer.status, 500)
    assert.equal(codeOf(answer), 'UNKNOWN')
    assert.doesNotMatch(answer.body.toString(), /EIO/)
  })
})
