import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { parseRepository } from '../oci/name.ts'
import { settingsSchema, type SettingsInput } from '../settings/document.ts'
import { hashPassword, verifyPassword } from '../settings/password-hash.ts'
import { createAccess, type Access, type Client, type TokenCredentials } from './access.ts'
import type { Need } from './authorize.ts'

const app = parseRepository('samples/app')
const other = parseRepository('other')
const pull: Need = { kind: 'repository', repository: app, action: 'pull' }
const client: Client = { address: '127.0.0.1', encrypted: false, correlationId: 'login-1' }
const pullScope = 'repository:samples/app:pull'

describe('access', () => {
  let folder: string
  let access: Access
  let now: number
  let derivations: number
  let lines: string[]
  const hashes: Record<'one' | 'two' | 'three', string> = { one: '', two: '', three: '' }

  before(async () => {
    for (const password of ['one', 'two', 'three'] as const) hashes[password] = await hashPassword(password)
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-access-'))
    now = Date.parse('2026-11-01T12:00:00Z')
    lines = []
    derivations = 0
    access = await create()
    configure({})
  })
  afterEach(async () => {
    await access.close()
    await rm(folder, { recursive: true })
  })

  const create = (): Promise<Access> =>
    createAccess({
      folder,
      log: new LineLog((line) => lines.push(line)),
      now: () => now,
      verifyPassword: (password, hash) => {
        derivations += 1
        return verifyPassword(password, hash)
      }
    })

  const settings = (changes: Partial<SettingsInput>): SettingsInput => ({
    schemaVersion: '1.0',
    scopeMaps: {
      reader: { actions: ['repositories/samples/*/content/read', 'repositories/samples/*/metadata/read'] },
      puller: { actions: ['repositories/other/content/read'] },
      writer: { actions: ['repositories/samples/app/content/write', 'repositories/samples/app/content/delete'] }
    },
    tokens: {
      reader: { scopeMap: 'reader', passwords: { password1: { hash: hashes.one }, password2: { hash: hashes.two } } },
      puller: { name: 'Line-Puller', scopeMap: 'puller', passwords: { password1: { hash: hashes.one } } }
    },
    ...changes
  })
  const configure = (changes: Partial<SettingsInput>): void => access.configure(settingsSchema.parse(settings(changes)))
  const reader = (changes: object): void =>
    configure({
      tokens: { reader: { scopeMap: 'reader', passwords: { password1: { hash: hashes.one } }, ...changes } }
    })
  const basic = (name: string, password: string): string =>
    `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
  const kind = async (authorization: string | undefined, need: Need = pull): Promise<string> => {
    const decision = await access.authorize(authorization, need, client)
    return decision.kind === 'challenge' ? (decision.error ?? 'challenge') : decision.kind
  }
  const issue = (scopes: string[], credentials?: TokenCredentials, offline = false) =>
    access.issue({ client, service: '127.0.0.1:8080', scopes, offline, ...(credentials ? { credentials } : {}) })
  const asReader: TokenCredentials = { kind: 'password', name: 'reader', password: 'one' }
  const bearer = async (scopes: string[], credentials = asReader): Promise<string> =>
    `Bearer ${(await issue(scopes, credentials)).token}`

  describe('passwords', () => {
    it('takes either password of a token, under its name in ACR, in any case', async () => {
      assert.equal(await kind(basic('reader', 'one')), 'allowed')
      assert.equal(await kind(basic('reader', 'two')), 'allowed')
      assert.equal(await kind(basic('READER', 'two')), 'allowed')
      const need: Need = { kind: 'repository', repository: other, action: 'pull' }
      assert.equal(await kind(basic('line-puller', 'one'), need), 'allowed')
      assert.equal(await kind(basic('puller', 'one'), need), 'challenge')
    })

    it('refuses everything else alike, and at the same cost', async () => {
      for (const [name, password] of [
        ['reader', 'three'],
        ['nobody', 'one'],
        ['reader', ''],
        ['', ''],
        ['line-puller', 'two']
      ] as const) {
        derivations = 0
        assert.deepEqual(await access.authorize(basic(name, password), pull, client), {
          kind: 'challenge',
          message: 'the token name or the password is not right'
        })
        assert.equal(derivations, 2, `${name}:${password}`)
      }
    })

    it('asks for a login where there is no or no known kind of authorization', async () => {
      assert.equal(await kind(undefined), 'challenge')
      for (const text of ['', 'Basic', 'Digest x', 'Bearer', 'Bearer x.y.z'])
        assert.equal(await kind(text), 'invalid_token')
    })

    it('derives a password once, right or wrong, however often it comes and however many at once', async () => {
      await Promise.all(Array.from({ length: 20 }, () => kind(basic('reader', 'one'))))
      assert.equal(await kind(basic('reader', 'one')), 'allowed')
      assert.equal(derivations, 1)
      for (let round = 0; round < 5; round++) assert.equal(await kind(basic('reader', 'wrong')), 'challenge')
      assert.equal(derivations, 3)
    })

    it('takes a password that was wrong once it is in the settings', async () => {
      assert.equal(await kind(basic('reader', 'three')), 'challenge')
      reader({ passwords: { password1: { hash: hashes.three } } })
      assert.equal(await kind(basic('reader', 'three')), 'allowed')
      assert.equal(await kind(basic('reader', 'one')), 'challenge')
    })

    it('forgets nothing when settings come again that change nothing', async () => {
      await kind(basic('reader', 'one'))
      configure({})
      await kind(basic('reader', 'one'))
      assert.equal(derivations, 1)
    })

    it('turns away what is too much, and still takes a password that it knows', async () => {
      assert.equal(await kind(basic('reader', 'one')), 'allowed')
      const flood = await Promise.allSettled(
        Array.from({ length: 100 }, (_, guess) => access.authorize(basic('line-puller', `guess${guess}`), pull, client))
      )
      const refused = flood.filter((result) => result.status === 'rejected')
      assert.equal(flood.length - refused.length, 2 + 8)
      for (const { reason } of refused) assert.equal((reason as { code: string }).code, 'TOOMANYREQUESTS')
      assert.equal(await kind(basic('reader', 'one')), 'allowed')
    })

    it('lets others in while one name is being guessed at', async () => {
      const flood = Array.from({ length: 100 }, (_, guess) =>
        access.authorize(basic('line-puller', `guess${guess}`), pull, client).catch(() => undefined)
      )
      assert.equal(await kind(basic('reader', 'two')), 'allowed')
      await Promise.all(flood)
    })

    it('follows expiry and status at once', async () => {
      reader({ passwords: { password1: { hash: hashes.one, expiry: '2026-11-01T12:05:00Z' } } })
      assert.equal(await kind(basic('reader', 'one')), 'allowed')
      now += 5 * 60_000
      assert.equal(await kind(basic('reader', 'one')), 'challenge')
      reader({})
      assert.equal(await kind(basic('reader', 'one')), 'allowed')
      reader({ status: 'disabled' })
      assert.equal(await kind(basic('reader', 'one')), 'challenge')
    })

    it('does not let a password in that was removed while it was being derived', async () => {
      const decision = kind(basic('reader', 'one'))
      reader({ passwords: { password1: { hash: hashes.two } } })
      assert.equal(await decision, 'challenge')
    })

    it('says in the log who was refused and why, and never a password', async () => {
      await kind(basic('reader', 'sesame-sesame'))
      await kind(basic('nobody\nforged', 'sesame-sesame'))
      assert.equal(lines.length, 2)
      assert.match(lines[0]!, /name=reader reason="wrong password"/)
      assert.match(lines[1]!, /reason="no such token" correlationId=login-1\n$/)
      assert.doesNotMatch(lines.join(''), /sesame/)
    })

    it('knows nobody before there are settings', async () => {
      const fresh = await create()
      assert.equal((await fresh.authorize(basic('reader', 'one'), pull, client)).kind, 'challenge')
    })
  })

  describe('scope maps', () => {
    const on = (action: 'pull' | 'push' | 'delete' | 'list', repository = app): Need => {
      return { kind: 'repository', repository, action }
    }

    it('maps content and metadata actions', async () => {
      const asked = async (who: string, actions: ReturnType<typeof on>[]): Promise<string[]> =>
        Promise.all(actions.map((need) => kind(who, need)))
      const all = [on('pull'), on('push'), on('delete'), on('list')]
      assert.deepEqual(await asked(basic('reader', 'one'), all), ['allowed', 'denied', 'denied', 'allowed'])
      assert.deepEqual(await asked(basic('reader', 'one'), [on('pull', other)]), ['denied'])
      const others = [on('pull', other), on('list', other)]
      assert.deepEqual(await asked(basic('line-puller', 'one'), others), ['allowed', 'denied'])
      reader({ scopeMap: 'writer' })
      assert.deepEqual(await asked(basic('reader', 'one'), all), ['denied', 'allowed', 'allowed', 'denied'])
    })

    it('shows in the catalog what can be pulled and listed', async () => {
      const decision = await access.authorize(basic('line-puller', 'one'), { kind: 'catalog' }, client)
      assert.ok(decision.kind === 'allowed')
      assert.equal(decision.caller.name, 'Line-Puller')
      assert.deepEqual(decision.caller.catalog, [])
      const second = await access.authorize(basic('reader', 'one'), { kind: 'catalog' }, client)
      assert.ok(second.kind === 'allowed')
      assert.deepEqual(second.caller.catalog, [{ prefix: 'samples/' }])
    })
  })

  describe('bearer tokens', () => {
    it('hold what was asked and is allowed', async () => {
      const token = await bearer([`${pullScope},push repository:other:pull`, 'repository:samples/b:*', 'nonsense', ''])
      const payload = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
      assert.deepEqual(payload.access, [
        { type: 'repository', name: 'samples/app', actions: ['pull'] },
        { type: 'repository', name: 'samples/b', actions: ['pull', 'metadata_read'] }
      ])
      assert.equal(payload.aud, '127.0.0.1:8080')
      assert.equal(await kind(token), 'allowed')
    })

    it("answer in every client's words", async () => {
      const reply = await issue([pullScope], asReader, true)
      assert.equal(reply.token, reply.access_token)
      assert.equal(reply.expires_in, 600)
      assert.equal(reply.issued_at, '2026-11-01T12:00:00.000Z')
      assert.ok(reply.refresh_token)
      assert.equal((await issue([pullScope], asReader)).refresh_token, undefined)
    })

    it('ask for more where the token was not given what its holder may have, and deny what nobody gave', async () => {
      assert.equal(await kind(await bearer([])), 'insufficient_scope')
      const token = await bearer([pullScope])
      assert.equal(
        await kind(token, { kind: 'repository', repository: parseRepository('samples/b'), action: 'pull' }),
        'insufficient_scope'
      )
      assert.equal(await kind(token, { kind: 'repository', repository: app, action: 'push' }), 'denied')
      assert.equal(await kind(token, { kind: 'catalog' }), 'insufficient_scope')
      assert.equal(await kind(await bearer(['registry:catalog:*']), { kind: 'catalog' }), 'allowed')
    })

    it("list tags with the scope of a pull, as clients ask for it, and with ACR's", async () => {
      const list: Need = { kind: 'repository', repository: app, action: 'list' }
      assert.equal(await kind(await bearer([pullScope]), list), 'allowed')
      assert.equal(await kind(await bearer(['repository:samples/app:metadata_read']), list), 'allowed')
      assert.equal(await kind(await bearer(['repository:samples/app:metadata_read'])), 'insufficient_scope')
    })

    it('expire', async () => {
      const token = await bearer([pullScope])
      now += 599_000
      assert.equal(await kind(token), 'allowed')
      now += 1_000
      assert.equal(await kind(token), 'invalid_token')
    })

    it('do not outlive the password they came from', async () => {
      reader({ passwords: { password1: { hash: hashes.one, expiry: '2026-11-01T12:01:00Z' } } })
      assert.equal((await issue([pullScope], asReader)).expires_in, 60)
      const token = await bearer([pullScope])
      now += 60_000
      assert.equal(await kind(token), 'invalid_token')
    })

    for (const [what, change] of [
      ['disabled', () => reader({ status: 'disabled' })],
      ['removed', () => configure({ tokens: {} })],
      ['given another password', () => reader({ passwords: { password1: { hash: hashes.three } } })]
    ] as const)
      it(`stop working at once when their client token is ${what}`, async () => {
        const { token, refresh_token } = await issue([pullScope], asReader, true)
        assert.equal(await kind(`Bearer ${token}`), 'allowed')
        change()
        assert.equal(await kind(`Bearer ${token}`), 'invalid_token')
        await assert.rejects(issue([pullScope], { kind: 'refresh', token: refresh_token! }), { code: 'UNAUTHORIZED' })
      })

    it('follow the scope map in force', async () => {
      const token = await bearer([pullScope])
      reader({ scopeMap: 'puller' })
      assert.equal(await kind(token), 'denied')
    })

    it('stay when the other password is rotated', async () => {
      const token = await bearer([pullScope])
      reader({ passwords: { password1: { hash: hashes.one }, password2: { hash: hashes.three } } })
      assert.equal(await kind(token), 'allowed')
    })

    it('come from refresh tokens, which are no access tokens and outlive them', async () => {
      const { refresh_token, token } = await issue([pullScope], asReader, true)
      assert.equal(await kind(`Bearer ${refresh_token}`), 'invalid_token')
      await assert.rejects(issue([], { kind: 'refresh', token }), { code: 'UNAUTHORIZED' })
      now += 400 * 86_400_000
      const next = await issue([pullScope], { kind: 'refresh', token: refresh_token! })
      assert.equal(await kind(`Bearer ${next.token}`), 'allowed')
    })

    it('are not given to strangers', async () => {
      await assert.rejects(issue([pullScope]), { code: 'UNAUTHORIZED', message: /anonymous/ })
      await assert.rejects(issue([pullScope], { kind: 'password', name: 'reader', password: 'x' }), {
        code: 'UNAUTHORIZED'
      })
    })

    it('survive a restart, and not a forger', async () => {
      const token = await bearer([pullScope])
      access = await create()
      configure({})
      assert.equal(await kind(token), 'allowed')
      const [header, payload, signature] = token.split('.') as [string, string, string]
      const forged = payload.slice(0, -4) + (payload.endsWith('AAAA') ? 'BBBB' : 'AAAA')
      assert.equal(await kind(`${header}.${forged}.${signature}`), 'invalid_token')
      const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
      assert.equal(await kind(`Bearer ${none}.${payload}.`), 'invalid_token')
      assert.equal(await kind(`Bearer ${'x'.repeat(15_000)}`), 'invalid_token')
    })

    it('are signed with a key that is kept privately and made anew where it is damaged', async () => {
      assert.deepEqual(await readdir(folder), ['token-signing-key'])
      const path = join(folder, 'token-signing-key')
      assert.equal((await stat(path)).mode & 0o777, 0o600)
      const token = await bearer([pullScope])
      await writeFile(path, 'torn')
      access = await create()
      configure({})
      assert.equal(await kind(token), 'invalid_token')
      assert.equal(await kind(await bearer([pullScope])), 'allowed')
      assert.match(lines.join(''), /damaged/)
    })

    it('grants no more than a header carries', async () => {
      const scopes = Array.from(
        { length: 500 },
        (_, position) => `repository:samples/${'long'.repeat(50)}-${position}:pull`
      )
      const token = await bearer([pullScope, ...scopes])
      assert.ok(token.length < 12_000)
      assert.equal(await kind(token), 'allowed')
    })
  })

  it('keeps the first of two tokens with one name', async () => {
    const token = (hash: string) => ({ name: 'Same-Name', scopeMap: 'reader', passwords: { password1: { hash } } })
    configure({ tokens: { first: token(hashes.one), second: token(hashes.two) } })
    assert.equal(await kind(basic('same-name', 'one')), 'allowed')
    assert.equal(await kind(basic('same-name', 'two')), 'challenge')
    assert.match(lines[0]!, /two client tokens bear one name/)
  })
})
