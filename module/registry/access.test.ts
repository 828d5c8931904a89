import assert from 'node:assert/strict'
import type { Server } from 'node:http'
import { settingsSchema, type SettingsInput } from '../settings/document.ts'
import { hashPassword } from '../settings/password-hash.ts'
import { codeOf, manifest, portOf, useWorld, type Answer } from './world.test.ts'

/* Access as clients meet it, over HTTP. */
describe('registry: access', () => {
  const world = useWorld()
  let trusting: Server
  let distrusting: Server
  let hash: string

  before(async () => {
    hash = await hashPassword('secret')
    trusting = world.server
    distrusting = await world.start({ trustsProxy: () => false })
  })

  const configure = (changes: Partial<SettingsInput>): void =>
    world.access.configure(
      settingsSchema.parse({
        schemaVersion: '1.0',
        scopeMaps: {
          reader: { actions: ['repositories/samples/*/content/read', 'repositories/samples/*/metadata/read'] },
          config: { actions: ['repositories/private/*/content/read'] }
        },
        tokens: { reader: { scopeMap: 'reader', passwords: { password1: { hash } } } },
        ...changes
      })
    )
  const get = (path: string, headers: Record<string, string> = {}, server = world.server): Promise<Answer> =>
    world.send('GET', path, headers, undefined, portOf(server))
  const wrong = `Basic ${Buffer.from('reader:stale').toString('base64')}`

  describe('anonymous pull', () => {
    it('leads docker from the challenge by an anonymous token to the image', async () => {
      configure({ anonymousPull: { enabled: true } })
      const ping = await get('/v2/')
      assert.equal(ping.status, 401)
      assert.match(String(ping.headers['www-authenticate']), /^Bearer realm=/)
      const { status, body } = await get('/acr/oauth2/token?service=x&scope=repository:samples/app:pull')
      assert.equal(status, 200)
      const authorization = `Bearer ${JSON.parse(body.toString()).token as string}`
      const pulled = await get('/v2/samples/app/manifests/1.0', { authorization })
      assert.deepEqual([pulled.status, pulled.body.equals(manifest)], [200, true])
    })

    it("answers ACR's SDK, which asks with an empty form", async () => {
      configure({ anonymousPull: { enabled: true } })
      const fields = { grant_type: 'password', service: 'x', scope: 'repository:samples/app:pull', refresh_token: '' }
      const { status, body } = await world.form('/oauth2/token', fields)
      assert.equal(status, 200)
      const authorization = `Bearer ${JSON.parse(body.toString()).access_token as string}`
      assert.equal((await get('/v2/samples/app/tags/list', { authorization })).status, 200)
    })

    it('answers who asks without any token, where everybody may read', async () => {
      configure({ anonymousPull: { enabled: true, scopeMap: 'reader' } })
      assert.equal((await get('/v2/samples/app/manifests/1.0')).status, 200)
      assert.equal((await get('/v2/samples/app/tags/list')).status, 200)
      const refused = await get('/v2/private/app/manifests/1.0')
      assert.equal(refused.status, 401)
      assert.match(String(refused.headers['www-authenticate']), /scope="repository:private\/app:pull"/)
      assert.equal((await world.send('PUT', '/v2/samples/app/manifests/x', {}, '{}')).status, 401)
      assert.equal((await world.send('POST', '/v2/samples/app/blobs/uploads/', {})).status, 401)
    })

    it('shows in the catalog what everybody may read, to who asks with an anonymous token', async () => {
      configure({ anonymousPull: { enabled: true, scopeMap: 'reader' } })
      assert.equal((await get('/v2/_catalog')).status, 401)
      const { body } = await get('/oauth2/token?service=x&scope=registry:catalog:*')
      const authorization = `Bearer ${JSON.parse(body.toString()).token as string}`
      const catalog = await get('/v2/_catalog', { authorization })
      assert.deepEqual(JSON.parse(catalog.body.toString()), { repositories: ['samples/app', 'samples/blobs/uploads'] })
    })

    it('answers 401 to stale credentials: who has them logs out first', async () => {
      configure({ anonymousPull: { enabled: true } })
      for (const path of ['/v2/', '/v2/samples/app/manifests/1.0', '/acr/oauth2/token?service=x']) {
        const answer = await get(path, { authorization: wrong })
        assert.equal(answer.status, 401, path)
        assert.equal(codeOf(answer), 'UNAUTHORIZED')
      }
    })

    it('says 429 with a time when it is too much, in the form of the registry', async () => {
      configure({ anonymousPull: { enabled: true } })
      const drain = async (): Promise<never> => {
        for (;;)
          await world.access.authorize(
            undefined,
            { kind: 'repository', repository: 'samples/app' as never, action: 'pull' },
            { address: '127.0.0.1', encrypted: false, correlationId: 'login-1' }
          )
      }
      await assert.rejects(drain(), { code: 'TOOMANYREQUESTS' })
      const answers: Answer[] = []
      while (answers.at(-1)?.status !== 429) answers.push(await get('/v2/samples/app/manifests/1.0'))
      const refused = answers.at(-1)!
      assert.equal(codeOf(refused), 'TOOMANYREQUESTS')
      assert.ok(Number(refused.headers['retry-after']) >= 1)
      const authorization = `Basic ${Buffer.from('reader:secret').toString('base64')}`
      assert.equal((await get('/v2/samples/app/manifests/1.0', { authorization })).status, 200)
    })
  })

  describe('forwarded headers', () => {
    const forwarded = { 'x-forwarded-host': 'gateway.example:8000', 'x-forwarded-proto': 'https' }

    it('count from a trusted proxy', async () => {
      const { headers } = await get('/v2/', forwarded, trusting)
      assert.match(String(headers['www-authenticate']), /realm="https:\/\/gateway\.example:8000\/acr\/oauth2\/token"/)
    })

    it('are passed over from anybody else', async () => {
      const port = portOf(distrusting)
      const { headers } = await get('/v2/', forwarded, distrusting)
      const realm = `Bearer realm="http://127.0.0.1:${port}/acr/oauth2/token"`
      assert.ok(String(headers['www-authenticate']).startsWith(realm), headers['www-authenticate'])
    })
  })
})
