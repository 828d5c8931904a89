import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { OciError } from '../oci/errors.ts'
import { readTokenForm } from './token-form.ts'
import { codeOf, portOf, useWorld } from './world.test.ts'

describe('registry: tokens', () => {
  const world = useWorld()

  it('answers GET with Basic at both paths', async () => {
    for (const path of ['/acr/oauth2/token', '/oauth2/token']) {
      const answer = await world.get(
        `${path}?service=x&scope=repository:samples/app:pull&account=reader&client_id=docker`
      )
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['cache-control'], 'no-store')
      const reply = JSON.parse(answer.body.toString())
      assert.equal(reply.token, reply.access_token)
      assert.equal(reply.refresh_token, undefined)
      const pulled = await world.send('GET', '/v2/samples/app/manifests/1.0', {
        authorization: `Bearer ${reply.token}`
      })
      assert.equal(pulled.status, 200)
    }
    const offline = await world.get('/oauth2/token?offline_token=true')
    assert.ok(JSON.parse(offline.body.toString()).refresh_token)
  })

  it('answers a form with a password, then one with the refresh token', async () => {
    const scope = 'repository:samples/app:pull'
    const first = await world.form('/oauth2/token', {
      grant_type: 'password',
      username: 'reader',
      password: 'secret',
      service: 'x',
      scope
    })
    assert.equal(first.status, 200)
    const { refresh_token } = JSON.parse(first.body.toString())
    const second = await world.form('/acr/oauth2/token', {
      grant_type: 'refresh_token',
      refresh_token,
      service: 'x',
      scope
    })
    const authorization = `Bearer ${JSON.parse(second.body.toString()).access_token as string}`
    assert.equal((await world.send('HEAD', '/v2/samples/app/manifests/1.0', { authorization })).status, 200)
  })

  it('refuses strangers, other grants and overlong forms, without breaking the connection', async () => {
    for (const answer of [
      await world.token('service=x'),
      await world.token('service=x', `Basic ${Buffer.from('reader:wrong').toString('base64')}`),
      await world.form('/oauth2/token', { grant_type: 'password', username: '', service: 'x', refresh_token: '' }),
      await world.form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: 'nonsense' })
    ]) {
      assert.equal(answer.status, 401)
      assert.equal(codeOf(answer), 'UNAUTHORIZED')
      assert.match(String(answer.headers['www-authenticate']), /^Basic realm=/)
    }
    assert.equal((await world.form('/oauth2/token', { grant_type: 'authorization_code' })).status, 405)
    assert.equal((await world.send('PUT', '/oauth2/token', {})).status, 405)
    assert.equal(
      (await world.form('/oauth2/token', { grant_type: 'password', username: 'x'.repeat(70_000) })).status,
      400
    )
  })

  describe('whose form', () => {
    const head = 'POST /oauth2/token HTTP/1.1\r\nHost: a\r\n'

    it('is too long, or no HTTP, or ends half-way get an answer', async () => {
      const long = `username=${'x'.repeat(70_000)}`
      for (const [request, status] of [
        [`${head}Content-Length: ${long.length}\r\n\r\n${long}`, '400'],
        [`${head}Content-Length: 100\r\n\r\ngrant_type=pass`, '400'],
        [`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, '400'],
        [`${head}Content-Length: 23\r\n\r\ngrant_type=access_token`, '405']
      ] as const) {
        const answer = await text(connect(portOf(world.server), '127.0.0.1').end(request))
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [^]*\\{"errors":\\[`), request.slice(0, 120))
      }
    })

    it('breaks off are no news for the log', async () => {
      const answered = once(world.server, 'request')
      const socket = connect(portOf(world.server), '127.0.0.1')
      socket.write(`${head}Content-Length: 100\r\n\r\ngrant_type=pass`)
      const [, response] = (await answered) as [unknown, NodeJS.EventEmitter]
      const gone = once(response, 'close')
      socket.resetAndDestroy()
      await gone
      await world.get('/v2/')
      assert.doesNotMatch(world.lines.join(''), /\[ERR\]/)
    })

    it('does not come is given up, with an answer', async () => {
      const given = Promise.withResolvers<OciError>()
      const server = createServer((request, response) => {
        readTokenForm(request, response, 20).then(
          () => given.reject(new Error('half a form was taken')),
          (error: unknown) => {
            given.resolve(error as OciError)
            response.end()
          }
        )
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const socket = connect(portOf(server), '127.0.0.1')
      socket.write(`${head}Content-Length: 100\r\n\r\ngrant_type=pass`)
      const { code, status } = await given.promise
      assert.deepEqual({ code, status }, { code: 'UNSUPPORTED', status: 408 })
      socket.destroy()
      server.close()
    })
  })
})
