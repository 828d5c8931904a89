import assert from 'node:assert/strict'
import { testIdentity, keysOf, type Answer } from '../cloud-fixture.ts'
import { accept, basic, claimsOf, RegistryFixture, server, tokenIn, type User } from './registry-fixture.ts'

describe('tokens and challenges of the pretend cloud registry', () => {
  let fixture: RegistryFixture

  beforeEach(async () => {
    fixture = await RegistryFixture.start()
  })
  afterEach(() => fixture.close())

  describe('challenges', () => {
    it('answers /v2/ with the recorded body of 149 bytes and the recorded headers', async () => {
      const { status, text, headers, rawHeaders } = await fixture.send('GET', '/v2/')
      assert.equal(status, 401)
      assert.equal(Buffer.byteLength(text), 149)
      assert.deepEqual(JSON.parse(text), {
        errors: [
          {
            code: 'UNAUTHORIZED',
            message: 'authentication required, visit https://aka.ms/acr/authorization for more information.',
            detail: null
          }
        ]
      })
      assert.equal(headers['www-authenticate'], `Bearer realm="https://${server}/oauth2/token",service="${server}"`)
      assert.equal(headers['docker-distribution-api-version'], 'registry/2.0')
      const sent = (name: string): number => rawHeaders.filter((header) => header.toLowerCase() === name).length
      assert.equal(sent('strict-transport-security'), 2)
      assert.equal(sent('access-control-expose-headers'), 4)
    })

    const rows = [
      ['GET', '/v2/app/web/manifests/1', 'app/web', 'pull', 'pull'],
      ['GET', '/v2/app/web/tags/list', 'app/web', 'metadata_read', 'metadata_read'],
      ['POST', '/v2/app/web/blobs/uploads/', 'app/web', 'push', 'pull,push'],
      ['DELETE', '/v2/app/web/manifests/1', 'app/web', 'delete', 'delete'],
      ['GET', '/v2/a/blobs/b/manifests/1', 'a/blobs/b', 'pull', 'pull']
    ] as const
    for (const [method, path, name, action, scope] of rows)
      it(`names ${scope} on ${method} ${path}`, async () => {
        const { status, headers, json } = await fixture.send(method, path)
        assert.equal(status, 401)
        assert.equal(
          headers['www-authenticate'],
          `Bearer realm="https://${server}/oauth2/token",service="${server}",scope="repository:${name}:${scope}",error="invalid_token"`
        )
        assert.deepEqual(json.errors[0].detail, [{ Type: 'repository', Name: name, Action: action }])
      })

    it('asks for registry:catalog:* on the catalogue, which no scope map gives', async () => {
      const headers = await fixture.bearer(
        ['repositories/*/content/read', 'repositories/*/metadata/read'],
        'registry:catalog:*'
      )
      const answer = await fixture.send('GET', '/v2/_catalog', { headers })
      assert.equal(answer.status, 401)
      assert.match(answer.headers['www-authenticate'] ?? '', /scope="registry:catalog:\*",error="insufficient_scope"/)
    })

    it('takes no Basic on its own routes, and has no gateway', async () => {
      const user = fixture.registry.addToken('reader-1', ['repositories/*/content/read'])
      assert.equal((await fixture.send('GET', '/v2/', { headers: { authorization: basic(user) } })).status, 401)
      assert.equal((await fixture.send('GET', '/connectedRegistries/x/config')).status, 404)
      assert.equal((await fixture.send('GET', `https://${fixture.registry.dataEndpoint}/v2/`)).status, 404)
    })
  })

  describe('the token endpoint', () => {
    it('answers with an access token alone, whose claims say what was granted', async () => {
      const user = fixture.registry.addToken('Reader-1', [
        'repositories/app/*/content/read',
        'repositories/lib/Metadata/read'
      ])
      const query = new URLSearchParams([
        ['service', server],
        ['scope', 'repository:app/web:pull,push repository:app:pull'],
        ['scope', 'repository:lib:pull,metadata_read']
      ])
      const answer = await fixture.send('GET', `/oauth2/token?${query.toString()}`, {
        headers: { authorization: basic({ ...user, username: 'reader-1' }) }
      })
      assert.deepEqual(keysOf(answer.json), ['access_token'])
      assert.equal(answer.headers['x-ms-ratelimit-remaining-calls-per-second'], '166.63')
      assert.match(String(answer.headers['x-ms-correlation-request-id']), /^[0-9a-f-]{36}$/)
      const claims = claimsOf(tokenIn(answer))
      assert.equal(claims.aud, server)
      assert.equal(claims.exp, Math.floor(fixture.clock / 1000) + 75 * 60)
      assert.deepEqual(claims.access, [
        { type: 'repository', name: 'app/web', actions: ['pull'] },
        { type: 'repository', name: 'lib', actions: ['metadata_read'] }
      ])
    })

    it('takes a password by POST too', async () => {
      const user = fixture.registry.addToken('reader-1', ['repositories/*/content/read'])
      const form = { grant_type: 'password', service: server, scope: 'repository:a:pull', ...user }
      const answer = await fixture.send('POST', '/oauth2/token', { body: new URLSearchParams(form) })
      assert.deepEqual(claimsOf(tokenIn(answer)).access, [{ type: 'repository', name: 'a', actions: ['pull'] }])
    })

    it('trades a token of the directory for a refresh token, and that for access to everything', async () => {
      const exchange = await fixture.send('POST', '/oauth2/exchange', {
        body: new URLSearchParams({
          grant_type: 'access_token',
          service: server,
          tenant: testIdentity.tenantId,
          access_token: await fixture.base.entraToken()
        })
      })
      assert.deepEqual(keysOf(exchange.json), ['refresh_token'])
      const { refresh_token } = exchange.json as { refresh_token: string }
      const scope = 'registry:catalog:*'
      const body = new URLSearchParams({ grant_type: 'refresh_token', service: server, scope, refresh_token })
      const granted = await fixture.send('POST', '/oauth2/token', { body })
      const headers = { authorization: `Bearer ${tokenIn(granted)}` }
      await fixture.registry.pushImage('app/web', '1')
      assert.deepEqual((await fixture.send('GET', '/v2/_catalog', { headers })).json, { repositories: ['app/web'] })
      const nullGuid = '00000000-0000-0000-0000-000000000000'
      await fixture.accessToken({ username: nullGuid, password: refresh_token }, 'repository:a:pull')
    })

    const refused: readonly (readonly [string, (user: User) => Promise<Answer>])[] = [
      ['a wrong password', (user) => ask({ ...user, password: 'wrong' })],
      ['an unknown name', (user) => ask({ ...user, username: 'nobody' })],
      ['a missing credential where nobody is let in', () => ask(undefined)],
      [
        'a token that is no refresh token',
        () =>
          fixture.send('POST', '/oauth2/token', {
            body: new URLSearchParams({ grant_type: 'refresh_token', service: server, refresh_token: 'x.y.z' })
          })
      ],
      [
        'a directory token for another service',
        async () =>
          fixture.send('POST', '/oauth2/exchange', {
            body: new URLSearchParams({
              grant_type: 'access_token',
              service: server,
              access_token: await fixture.base.entraToken('https://iothubs.azure.net/.default')
            })
          })
      ]
    ]
    const ask = (user: User | undefined): Promise<Answer> =>
      fixture.send('GET', `/oauth2/token?service=${server}&scope=repository:a:pull`, {
        headers: user === undefined ? {} : { authorization: basic(user) }
      })
    for (const [name, attempt] of refused)
      it(`refuses ${name}`, async () => {
        const answer = await attempt(fixture.registry.addToken('reader-1', ['repositories/*/content/read']))
        assert.equal(answer.status, 401)
        assert.equal(answer.json.errors[0].code, 'UNAUTHORIZED')
      })

    it('is throttled as everything else is', async () => {
      fixture.registry.knobs.rate = { capacity: 1, perSecond: 1 }
      const user = fixture.registry.addToken('reader-1', [])
      assert.equal((await ask(user)).status, 200)
      const refused = await ask(user)
      assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '1'])
      fixture.clock += 1000
      assert.equal((await ask(user)).status, 200)
    })

    it('refuses another service and what is no scope with 400', async () => {
      assert.equal((await fixture.send('GET', '/oauth2/token?service=other.azurecr.io')).status, 400)
      const user = fixture.registry.addToken('reader-1', [])
      const headers = { authorization: basic(user) }
      assert.equal(
        (await fixture.send('GET', `/oauth2/token?service=${server}&scope=nonsense`, { headers })).status,
        400
      )
    })
  })

  describe('tokens over time', () => {
    it('expire, by the clock of the cloud and the lifetime that is set', async () => {
      await fixture.registry.pushImage('app', '1')
      fixture.registry.knobs.accessTokenSeconds = 60
      const headers = await fixture.bearer(['repositories/app/content/read'], 'repository:app:pull')
      assert.equal((await fixture.send('GET', '/v2/app/manifests/1', { headers })).status, 200)
      fixture.clock += 61_000
      const late = await fixture.send('GET', '/v2/app/manifests/1', { headers })
      assert.equal(late.status, 401)
      assert.match(late.headers['www-authenticate'] ?? '', /error="invalid_token"/)
    })

    it('stop when they are disabled, or at their end where that is set', async () => {
      const headers = await fixture.bearer([], 'repository:app:pull')
      fixture.registry.setTokenStatus('reader-1', 'disabled')
      assert.equal((await fixture.send('GET', '/v2/', { headers })).status, 401)
      fixture.registry.knobs.revokeAtOnce = false
      assert.equal((await fixture.send('GET', '/v2/', { headers })).status, 200)
    })

    it('do not reach beyond what was granted', async () => {
      await fixture.registry.pushImage('app', '1')
      const headers = await fixture.bearer(['repositories/app/content/read'], 'repository:app:pull,push,metadata_read')
      assert.equal((await fixture.send('GET', '/v2/app/manifests/1', { headers })).status, 200)
      const list = await fixture.send('GET', '/v2/app/tags/list', { headers })
      assert.equal(list.status, 401)
      assert.match(list.headers['www-authenticate'] ?? '', /metadata_read",error="insufficient_scope"/)
      assert.equal((await fixture.send('POST', '/v2/app/blobs/uploads/', { headers })).status, 401)
      assert.equal((await fixture.send('GET', '/v2/other/manifests/1', { headers })).status, 401)
    })
  })

  it('lets anybody read where anonymous pull is enabled, and write nowhere', async () => {
    await fixture.close()
    fixture = await RegistryFixture.start({
      registries: [{ name: 'contoso', region: 'x', anonymousPullEnabled: true }]
    })
    await fixture.registry.pushImage('app', '1')
    assert.equal((await fixture.send('GET', '/v2/')).status, 401)
    const answer = await fixture.send('GET', `/oauth2/token?service=${server}&scope=repository:app:pull,push`)
    const token = tokenIn(answer)
    assert.deepEqual(claimsOf(token).access, [{ type: 'repository', name: 'app', actions: ['pull'] }])
    const headers = { authorization: `Bearer ${token}`, ...accept }
    assert.equal((await fixture.send('GET', '/v2/app/manifests/1', { headers })).status, 200)
    // As the Azure SDK asks: by the grant `password`, with an empty refresh token.
    const form = { grant_type: 'password', service: server, scope: 'repository:app:metadata_read', refresh_token: '' }
    const posted = await fixture.send('POST', '/oauth2/token', { body: new URLSearchParams(form) })
    assert.deepEqual(claimsOf(tokenIn(posted)).access, [
      { type: 'repository', name: 'app', actions: ['metadata_read'] }
    ])
  })
})
