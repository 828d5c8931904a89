import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { parseRepository } from '../oci/name.ts'
import { settingsSchema, type SettingsInput } from '../settings/document.ts'
import { hashPassword } from '../settings/password-hash.ts'
import { createAccess, type Access, type Client } from './access.ts'
import type { ParentVerifier } from './parent-tokens.ts'
import type { Granted } from './scopes.ts'

const client: Client = { address: '127.0.0.1', encrypted: false, correlationId: 'login-1' }
const app = parseRepository('samples/app')
const minute = 60_000

describe('tokens that only the parent knows', () => {
  let folder: string
  let access: Access
  let now: number
  let asked: { name: string; scopes: readonly string[] }[]
  let parent: {
    origin: string
    reachable: boolean
    password: string
    grants: (repository: string) => readonly string[]
  }
  const lines: string[] = []
  let hash: string

  before(async () => (hash = await hashPassword('local')))
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-parent-tokens-'))
    now = Date.parse('2026-11-01T12:00:00Z')
    asked = []
    lines.length = 0
    parent = { origin: 'https://plant.azurecr.io', reachable: true, password: 'right', grants: () => ['pull'] }
    access = await create()
  })
  afterEach(async () => {
    await access.close()
    await rm(folder, { recursive: true })
  })

  const verifier = (): ParentVerifier => ({
    origin: parent.origin,
    verify(name, password, scopes) {
      asked.push({ name, scopes })
      if (!parent.reachable) return Promise.reject(new Error('the parent does not answer'))
      if (name !== 'visitor' || password !== parent.password) return Promise.resolve(undefined)
      return Promise.resolve(
        scopes.map((scope): Granted => {
          const repository = scope.split(':')[1]!
          return { type: 'repository', name: repository, actions: parent.grants(repository) }
        })
      )
    }
  })
  async function create(changes: Partial<SettingsInput> = {}): Promise<Access> {
    const created = await createAccess({
      folder,
      log: new LineLog((line) => lines.push(line)),
      now: () => now,
      parent: verifier
    })
    created.configure(settings(changes))
    return created
  }
  const settings = (changes: Partial<SettingsInput>) =>
    settingsSchema.parse({
      schemaVersion: '1.0',
      scopeMaps: { all: { actions: ['repositories/*/content/read'] } },
      tokens: { local: { scopeMap: 'all', passwords: { password1: { hash } } } },
      parentTokens: { enabled: true, offlineHours: 2 },
      ...changes
    })
  const kind = async (
    password = 'right',
    action: 'pull' | 'push' | 'list' = 'pull',
    repository = app,
    name = 'visitor'
  ) => {
    const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    const decision = await access.authorize(authorization, { kind: 'repository', repository, action }, client)
    return decision.kind
  }
  const issue = (password = 'right', scopes = ['repository:samples/app:pull,push']) =>
    access.issue({
      client,
      service: 'x',
      scopes,
      offline: true,
      credentials: { kind: 'password', name: 'visitor', password }
    })

  it('are unknown unless the settings allow it', async () => {
    access.configure(settings({ parentTokens: { enabled: false } }))
    assert.equal(await kind(), 'challenge')
    assert.deepEqual(asked, [])
  })

  it('may read what the parent grants them, and nothing else', async () => {
    parent.grants = (repository) => (repository === 'samples/app' ? ['pull', 'push', 'delete'] : [])
    assert.equal(await kind(), 'allowed')
    assert.deepEqual(asked, [{ name: 'visitor', scopes: ['repository:samples/app:pull,metadata_read'] }])
    assert.equal(await kind('right', 'push'), 'denied')
    assert.equal(await kind('right', 'list'), 'denied')
    assert.equal(await kind('right', 'pull', parseRepository('other')), 'denied')
    const { token } = await issue()
    const { access: granted } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    assert.deepEqual(granted, [{ type: 'repository', name: 'samples/app', actions: ['pull'] }])
    const decision = await access.authorize(
      `Bearer ${token}`,
      { kind: 'repository', repository: app, action: 'pull' },
      client
    )
    assert.equal(decision.kind, 'allowed')
  })

  it('are asked about once in a while only', async () => {
    for (let times = 0; times < 5; times++) assert.equal(await kind(), 'allowed')
    assert.equal(asked.length, 1)
    now += 10 * minute
    assert.equal(await kind(), 'allowed')
    assert.equal(asked.length, 2)
  })

  it('are known offline, over a restart, for as long as the settings say', async () => {
    assert.equal(await kind(), 'allowed')
    parent.reachable = false
    now += 60 * minute
    await access.close()
    access = await create()
    assert.equal(await kind(), 'allowed')
    assert.equal(await kind('wrong'), 'challenge')
    assert.equal(await kind('right', 'pull', parseRepository('never/asked')), 'denied')
    now += 61 * minute
    assert.equal(await kind(), 'challenge')
    parent.reachable = true
    assert.equal(await kind(), 'allowed')
  })

  it('end at once when the settings or the parent change', async () => {
    const { token } = await issue()
    const pull = { kind: 'repository', repository: app, action: 'pull' } as const
    const withToken = async () => (await access.authorize(`Bearer ${token}`, pull, client)).kind
    assert.equal(await withToken(), 'allowed')
    parent.origin = 'https://other.azurecr.io'
    assert.equal(await withToken(), 'challenge')
    parent.origin = 'https://plant.azurecr.io'
    access.configure(settings({ parentTokens: { enabled: false } }))
    assert.equal(await withToken(), 'challenge')
  })

  it('end when the parent does not take them any more, or takes another password', async () => {
    const { token } = await issue()
    parent.password = 'rotated'
    now += 9 * minute
    assert.equal(await kind(), 'allowed')
    now += minute
    assert.equal(await kind(), 'challenge')
    parent.reachable = false
    assert.equal(await kind(), 'challenge')
    const pull = { kind: 'repository', repository: app, action: 'pull' } as const
    assert.equal((await access.authorize(`Bearer ${token}`, pull, client)).kind, 'challenge')
    parent.reachable = true
    assert.equal(await kind('rotated'), 'allowed')
  })

  it('never stand in for a token that the settings know', async () => {
    assert.equal(await kind('local', 'pull', app, 'local'), 'allowed')
    assert.equal(await kind('right', 'pull', app, 'local'), 'challenge')
    access.configure(
      settings({ tokens: { visitor: { scopeMap: 'all', status: 'disabled', passwords: { password1: { hash } } } } })
    )
    assert.equal(await kind('right'), 'challenge')
    assert.deepEqual(asked, [])
  })

  it('do not become a way to guess at the parent', async () => {
    assert.equal(await kind('wrong'), 'challenge')
    assert.equal(await kind('wrong'), 'challenge')
    assert.equal(asked.length, 1, 'a refused password is not shown again')
    assert.equal(await kind('right', 'pull', app, 'not a token name'), 'challenge')
    assert.equal(asked.length, 1)
    assert.equal(await kind('right'), 'allowed')
    const guesses = await Promise.allSettled(Array.from({ length: 200 }, (_, guess) => kind(`guess${guess}`)))
    const refused = guesses.filter(({ status }) => status === 'rejected').length
    assert.ok(refused >= 100, `${refused} of 200 turned away`)
    const names = asked.map(({ name }) => name)
    assert.ok(names.length <= 70, `${names.length} shown to the parent`)
    assert.equal(await kind('right'), 'allowed', 'who is known goes on')
  })

  it('are kept privately, as salted hashes', async () => {
    await issue('right')
    await access.close()
    const path = join(folder, 'parent-tokens.json')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const text = await readFile(path, 'utf8')
    assert.match(text, /"hash":"\$scrypt\$/)
    assert.doesNotMatch(text + lines.join(''), /right/)
  })
})
