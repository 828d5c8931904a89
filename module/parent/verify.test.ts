import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LineLog } from '../log/log.ts'
import { createParent, type Parent } from './parent.ts'

interface Given {
  readonly status: number
  readonly body: unknown
}

describe('parent: verify', () => {
  let server: Server
  let parent: Parent
  let challenge: string
  let token: Given
  const asked: { url: string; authorization: string | undefined }[] = []
  const lines: string[] = []

  before(async () => {
    server = createServer((request, response) => {
      asked.push({ url: request.url ?? '', authorization: request.headers.authorization })
      if (request.url === '/v2/') response.writeHead(401, { 'www-authenticate': challenge }).end()
      else
        response
          .writeHead(token.status, { 'content-type': 'application/json' })
          .end(typeof token.body === 'string' ? token.body : JSON.stringify(token.body))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    parent = createParent({
      origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      tokenName: 'sync',
      password: 'sync-password',
      userAgent: 'test',
      log: new LineLog((line) => lines.push(line))
    })
  })
  beforeEach(() => {
    asked.length = 0
    challenge = `Bearer realm="${parent.origin}/oauth2/token",service="plant.azurecr.io"`
  })
  after(async () => {
    await parent.close()
    server.close()
    server.closeAllConnections()
  })

  const jwt = (payload: object): string =>
    ['{}', JSON.stringify(payload), 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.')
  const verify = (scopes = ['repository:samples/app:pull'], signal = AbortSignal.timeout(5_000)) =>
    parent.verify('visitor', 'sesame', scopes, signal)

  it("asks the token endpoint in the client's name, and tells what it grants", async () => {
    const grants = [{ type: 'repository', name: 'samples/app', actions: ['pull'] }]
    token = { status: 200, body: { access_token: jwt({ access: [...grants, null, { type: 'plugin' }] }) } }
    assert.deepEqual(await verify(), grants)
    assert.equal(asked[0]?.authorization, undefined)
    const url = '/oauth2/token?service=plant.azurecr.io&scope=repository%3Asamples%2Fapp%3Apull'
    const authorization = `Basic ${Buffer.from('visitor:sesame').toString('base64')}`
    assert.deepEqual(asked[1], { url, authorization })
  })

  it('knows a refusal, and a token that grants nothing', async () => {
    for (const status of [401, 403]) {
      token = { status, body: {} }
      assert.equal(await verify(), undefined)
    }
    token = { status: 200, body: { token: jwt({}) } }
    assert.deepEqual(await verify([]), [])
  })

  for (const [what, body] of [
    ['no JSON', 'sesame'],
    ['no token', {}],
    ['a token that is none of JWT', { token: 'opaque' }],
    ['no list', { token: ['', Buffer.from('{"access":7}').toString('base64url'), ''].join('.') }]
  ] as const)
    it(`does not guess at ${what}`, async () => {
      token = { status: 200, body }
      await assert.rejects(verify(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'PARENT_PROTOCOL')
        assert.doesNotMatch(error.message, /sesame|opaque/)
        return true
      })
    })

  it('says that the parent cannot be asked', async () => {
    for (const [status, code] of [
      [429, 'PARENT_THROTTLED'],
      [503, 'PARENT_FAILED']
    ] as const) {
      const message = `asked with sesame, ${Buffer.from('visitor:sesame').toString('base64')}`
      token = { status, body: { errors: [{ code: 'UNKNOWN', message }] } }
      await assert.rejects(verify(), { code, message: /"asked with \[hidden\], \[hidden\]"/ })
    }
    challenge = 'Basic realm="x"'
    await assert.rejects(verify(), { code: 'PARENT_PROTOCOL', message: /no token endpoint/ })
    challenge = 'Bearer realm="http://elsewhere.example/token"'
    await assert.rejects(verify(), { code: 'PARENT_PROTOCOL', message: /in the clear/ })
    const aborted = AbortSignal.abort(new Error('given up'))
    await assert.rejects(verify([], aborted), { message: 'given up' })
    assert.doesNotMatch(lines.join(''), /sesame/)
  })
})
