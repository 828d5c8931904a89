import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { parseRepository } from '../oci/name.ts'
import { settingsSchema, type SettingsInput } from '../settings/document.ts'
import { hashPassword } from '../settings/password-hash.ts'
import { createAccess, type Access, type Client } from './access.ts'
import type { Need } from './authorize.ts'
import { Networks } from './networks.ts'

const app = parseRepository('samples/app')
const other = parseRepository('other')
const near: Client = { address: '127.0.0.1', encrypted: false, correlationId: 'login-1' }
const far: Client = { ...near, address: '192.0.2.7' }
const secure: Client = { ...far, encrypted: true }
const on = (action: 'pull' | 'push' | 'delete' | 'list', repository = app): Need => {
  return { kind: 'repository', repository, action }
}

describe('access without a name', () => {
  let folder: string
  let access: Access
  let hash: string
  let insecure: string[]
  const lines: string[] = []

  before(async () => (hash = await hashPassword('secret')))
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-anonymous-'))
    insecure = []
    access = await createAccess({
      folder,
      log: new LineLog((line) => lines.push(line)),
      networks: new Networks({ readContainerNetworks: () => ['172.18.0.2/16'] }),
      onInsecureCredentials: (address) => insecure.push(address)
    })
  })
  afterEach(async () => {
    await access.close()
    await rm(folder, { recursive: true })
  })

  const configure = (changes: Partial<SettingsInput>): void =>
    access.configure(
      settingsSchema.parse({
        schemaVersion: '1.0',
        scopeMaps: {
          public: {
            actions: [
              'repositories/samples/*/content/read',
              'repositories/samples/*/metadata/read',
              'repositories/samples/*/content/write',
              'repositories/samples/*/content/delete'
            ]
          },
          private: { actions: ['repositories/other/content/read'] }
        },
        tokens: { reader: { scopeMap: 'private', passwords: { password1: { hash } } } },
        ...changes
      })
    )
  const kind = async (authorization: string | undefined, need: Need, client = near): Promise<string> => {
    const decision = await access.authorize(authorization, need, client)
    return decision.kind === 'challenge' ? (decision.error ?? 'challenge') : decision.kind
  }
  const anonymous = async (scope: string, client = near): Promise<string> =>
    `Bearer ${(await access.issue({ client, service: 'x', scopes: [scope], offline: true })).token}`
  const basic = (password: string): string => `Basic ${Buffer.from(`reader:${password}`).toString('base64')}`
  const enabled = { anonymousPull: { enabled: true } }
  const limited = { anonymousPull: { enabled: true, scopeMap: 'public' } }

  describe('anonymous pull', () => {
    it('is off unless it is asked for', async () => {
      configure({})
      assert.equal(await kind(undefined, on('pull')), 'challenge')
      await assert.rejects(anonymous('repository:samples/app:pull'), { code: 'UNAUTHORIZED' })
    })

    it('reads every repository, with a token and without, and nothing else', async () => {
      configure(enabled)
      for (const need of [on('pull'), on('list'), on('pull', other)])
        assert.equal(await kind(undefined, need), 'allowed')
      for (const need of [on('push'), on('delete'), { kind: 'login' } as const, { kind: 'catalog' } as const])
        assert.equal(await kind(undefined, need), 'challenge')
      const token = await anonymous('repository:samples/app:pull,push,delete registry:catalog:*')
      const { access: granted } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
      assert.deepEqual(granted, [
        { type: 'registry', name: 'catalog', actions: ['*'] },
        { type: 'repository', name: 'samples/app', actions: ['pull'] }
      ])
      assert.equal(await kind(token, on('pull')), 'allowed')
      assert.equal(await kind(token, { kind: 'login' }), 'allowed')
      assert.equal(await kind(token, { kind: 'catalog' }), 'allowed')
      for (const need of [on('push'), on('delete'), on('pull', other)])
        assert.equal(await kind(token, need), 'insufficient_scope')
    })

    it('can be limited to a scope map, of which only reading counts', async () => {
      configure(limited)
      assert.equal(await kind(undefined, on('pull')), 'allowed')
      assert.equal(await kind(undefined, on('push')), 'challenge')
      assert.equal(await kind(undefined, on('pull', other)), 'challenge')
      const token = await anonymous('repository:samples/app:pull,push repository:other:pull')
      assert.equal(await kind(token, on('pull', other)), 'insufficient_scope')
      assert.equal(await kind(token, on('push')), 'insufficient_scope')
      const decision = await access.authorize(token, { kind: 'login' }, near)
      assert.ok(decision.kind === 'allowed')
      assert.equal(decision.caller.name, '')
      assert.deepEqual(decision.caller.catalog, [{ prefix: 'samples/' }])
      assert.deepEqual([decision.caller.may('pull', app), decision.caller.may('push', app)], [true, false])
    })

    it('gives no refresh token', async () => {
      configure(enabled)
      const reply = await access.issue({ client: near, service: 'x', scopes: [], offline: true })
      assert.equal(reply.refresh_token, undefined)
      assert.ok(reply.expires_in > 500)
    })

    it('does not take wrong or stale credentials for none', async () => {
      configure(enabled)
      const { token } = await access.issue({
        client: near,
        service: 'x',
        scopes: ['repository:other:pull'],
        offline: false,
        credentials: { kind: 'password', name: 'reader', password: 'secret' }
      })
      assert.equal(await kind(basic('wrong'), on('pull')), 'challenge')
      await assert.rejects(
        access.issue({
          client: near,
          service: 'x',
          scopes: ['repository:samples/app:pull'],
          offline: false,
          credentials: { kind: 'password', name: 'reader', password: 'wrong' }
        }),
        { code: 'UNAUTHORIZED' }
      )
      configure({ ...enabled, tokens: {} })
      assert.equal(await kind(basic('secret'), on('pull')), 'challenge')
      assert.equal(await kind(`Bearer ${token}`, on('pull')), 'invalid_token')
      assert.equal(await kind('Bearer nonsense', on('pull')), 'invalid_token')
    })

    it('binds whoever logs in to their own scope map', async () => {
      configure(enabled)
      assert.equal(await kind(basic('secret'), on('pull')), 'denied')
    })

    it('ends at once, tokens that were given included', async () => {
      configure(enabled)
      const token = await anonymous('repository:samples/app:pull')
      configure({})
      assert.equal(await kind(token, on('pull')), 'invalid_token')
    })

    it('is throttled by address, and never at the cost of those who log in', async () => {
      configure(enabled)
      const flood = async (): Promise<void> => {
        for (let request = 0; request < 1100; request++) await access.authorize(undefined, on('pull'), far)
      }
      await assert.rejects(flood(), { code: 'TOOMANYREQUESTS', retryAfterSeconds: 1 })
      await assert.rejects(anonymous('repository:samples/app:pull', far), { code: 'TOOMANYREQUESTS' })
      assert.equal(await kind(undefined, on('pull'), { ...far, address: '192.0.2.8' }), 'allowed')
      assert.equal(await kind(basic('secret'), on('pull', other), secure), 'allowed')
    })

    it('has one larger bucket for what comes through a proxy', async () => {
      configure({ ...enabled, registry: { trustedProxies: ['192.0.2.7'] } })
      for (let request = 0; request < 1500; request++) await access.authorize(undefined, on('pull'), far)
      for (let request = 0; request < 1500; request++) await access.authorize(undefined, on('pull'), near)
    })
  })

  describe('credentials over plain HTTP', () => {
    const login = { kind: 'login' } as const

    it('are taken on loopback, in the container networks, and over TLS', async () => {
      configure({})
      for (const client of [near, { ...near, address: '172.18.0.9' }, secure])
        assert.equal(await kind(basic('secret'), login, client), 'allowed')
      assert.deepEqual(insecure, [])
    })

    it('are refused from anywhere else, with what to do, and reported', async () => {
      configure({ registry: { trustedProxies: ['192.0.2.0/24'] } })
      const decision = await access.authorize(basic('secret'), login, far)
      assert.ok(decision.kind === 'denied')
      assert.match(decision.message, /over plain HTTP .* 192\.0\.2\.7.*registry\.tls.*registry\.plainHttpCredentials/)
      for (const credentials of [
        { kind: 'password', name: 'reader', password: 'secret' },
        { kind: 'refresh', token: 'x' }
      ] as const)
        await assert.rejects(access.issue({ client: far, service: 'x', scopes: [], offline: false, credentials }), {
          code: 'DENIED'
        })
      const { token } = await access.issue({
        client: secure,
        service: 'x',
        scopes: [],
        offline: false,
        credentials: { kind: 'password', name: 'reader', password: 'secret' }
      })
      assert.equal(await kind(`Bearer ${token}`, login, far), 'denied')
      assert.equal(await kind(`Bearer ${token}`, login, secure), 'allowed')
      assert.equal(insecure.length, 4)
      assert.doesNotMatch(lines.join(''), /secret/)
    })

    it('are not even asked for', async () => {
      configure({})
      assert.equal(await kind(undefined, login, far), 'denied')
      assert.deepEqual(insecure, [])
      configure(enabled)
      assert.equal(await kind(undefined, login, far), 'challenge')
      assert.equal(await kind(await anonymous('repository:samples/app:pull', far), on('pull'), far), 'allowed')
    })

    it('are taken where the settings allow it', async () => {
      configure({ registry: { plainHttpCredentials: 'allowed' } })
      assert.equal(await kind(undefined, login, far), 'challenge')
      assert.equal(await kind(basic('secret'), login, far), 'allowed')
    })
  })

  it('tells a mount what else may be read by the scope map, whatever the bearer token was asked for', async () => {
    configure({ tokens: { reader: { scopeMap: 'public', passwords: { password1: { hash } } } } })
    const { token } = await access.issue({
      client: near,
      service: 'x',
      scopes: ['repository:samples/app:pull,push'],
      offline: false,
      credentials: { kind: 'password', name: 'reader', password: 'secret' }
    })
    for (const authorization of [basic('secret'), `Bearer ${token}`]) {
      const decision = await access.authorize(authorization, on('push'), near)
      assert.ok(decision.kind === 'allowed')
      const { caller } = decision
      assert.deepEqual(
        [app, parseRepository('samples/second'), other].map((repository) => caller.may('pull', repository)),
        [true, true, false]
      )
    }
  })
})
