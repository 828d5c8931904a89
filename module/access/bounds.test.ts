import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { parseRepository, type Repository } from '../oci/name.ts'
import { settingsSchema } from '../settings/document.ts'
import { hashPassword, verifyPassword } from '../settings/password-hash.ts'
import { createAccess, type Access, type Client } from './access.ts'

const app = parseRepository('samples/app')
const client: Client = { address: '127.0.0.1', encrypted: false, correlationId: 'login-1' }
const minute = 60_000

/** What nobody notices while all goes well: that a right ends, and that no stranger makes this device work. */
describe('access: what ends, and what is held within bounds', () => {
  let folder: string
  let access: Access
  let now: number
  /** What every derivation comes to, where it is not made. */
  let derived: Promise<boolean> | undefined
  let derivations: number
  let reachable: boolean
  const hashes = { one: '', two: '', three: '' }

  before(async () => {
    for (const password of ['one', 'two', 'three'] as const) hashes[password] = await hashPassword(password)
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-bounds-'))
    now = Date.parse('2026-11-01T12:00:00Z')
    derived = undefined
    derivations = 0
    reachable = true
    access = await createAccess({
      folder,
      log: new LineLog(() => undefined),
      now: () => now,
      parent: () => ({
        origin: 'https://plant.azurecr.io',
        verify: (_name, _password, scopes) =>
          reachable
            ? Promise.resolve(
                scopes.map((scope) => ({ type: 'repository', name: scope.split(':')[1]!, actions: ['pull'] }))
              )
            : Promise.reject(new Error('the parent does not answer'))
      }),
      verifyPassword: (password, hash) => {
        derivations += 1
        return derived ?? verifyPassword(password, hash)
      }
    })
    configure('one', 'two')
  })
  afterEach(async () => {
    await access.close()
    await rm(folder, { recursive: true })
  })

  function configure(password1: keyof typeof hashes, password2: keyof typeof hashes, parentTokens = false): void {
    const passwords = { password1: { hash: hashes[password1] }, password2: { hash: hashes[password2] } }
    access.configure(
      settingsSchema.parse({
        schemaVersion: '1.0',
        scopeMaps: { reader: { actions: ['repositories/samples/*/content/read'] } },
        tokens: { reader: { scopeMap: 'reader', passwords } },
        parentTokens: { enabled: parentTokens, offlineHours: 2 }
      })
    )
  }

  async function pull(name: string, password: string, repository: Repository = app): Promise<string> {
    const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    return (await access.authorize(authorization, { kind: 'repository', repository, action: 'pull' }, client)).kind
  }

  it('takes no password that was rotated away, however often it was right before', async () => {
    assert.equal(await pull('reader', 'one'), 'allowed')
    assert.equal(await pull('reader', 'one'), 'allowed')
    configure('three', 'two')
    assert.equal(await pull('reader', 'one'), 'challenge')
    assert.equal(await pull('reader', 'three'), 'allowed')
    configure('one', 'two')
    assert.equal(await pull('reader', 'one'), 'allowed')
  })

  it('makes names that nobody has wait in one lane, however many there are', async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    derived = promise
    const strangers = Array.from({ length: 100 }, (_, number) => pull(`stranger-${number}`, 'guess'))
    resolve(false)
    const answers = await Promise.allSettled(strangers)
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 2 + 8)
  })

  it('derives nothing from what is too long for a password', async () => {
    assert.equal(await pull('reader', 'x'.repeat(1025)), 'challenge')
    assert.equal(derivations, 0)
    assert.equal(await pull('reader', 'x'.repeat(1024)), 'challenge')
    assert.equal(derivations, 2)
  })

  it('lets a right that the parent gave end by its own age, whatever else it was asked since', async () => {
    configure('one', 'two', true)
    const other = parseRepository('samples/other')
    assert.equal(await pull('visitor', 'one'), 'allowed')
    now += 90 * minute
    assert.equal(await pull('visitor', 'one', other), 'allowed')
    reachable = false
    now += 29 * minute
    assert.equal(await pull('visitor', 'one'), 'allowed')
    now += 2 * minute
    assert.equal(await pull('visitor', 'one'), 'denied')
    assert.equal(await pull('visitor', 'one', other), 'allowed')
  })
})
