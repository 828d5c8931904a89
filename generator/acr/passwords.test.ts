import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { SecretStore } from '../secrets/store.ts'
import { FakeAcr, testBackend } from '../testing.ts'
import { provisionPassword } from './passwords.ts'
import type { TokenState } from './acr.ts'

const token = 'plant-client'

describe('passwords that Azure shows once', () => {
  let folder: string
  let store: SecretStore
  let acr: FakeAcr
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-passwords-'))
    store = await SecretStore.open(await testBackend(folder), 'r.azurecr.io', 'write')
    acr = new FakeAcr()
    acr.tokens.set(token, { scopeMap: 'plant-readers', status: 'enabled', passwords: {} })
  })
  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })

  const passwordsInAzure = (passwords: TokenState['passwords']): void =>
    void acr.tokens.set(token, { scopeMap: 'plant-readers', status: 'enabled', passwords })
  const valueIn = (slot: 'password1' | 'password2'): string | undefined => {
    const record = store.slot(token, slot)
    return record?.state === 'stored' ? record.value : undefined
  }

  it('are made once', async () => {
    assert.deepEqual(await provisionPassword(acr, store, token, []), [
      { kind: 'password', name: 'plant-client/password1', outcome: 'created' }
    ])
    const value = valueIn('password1')
    assert.deepEqual(await provisionPassword(acr, store, token, []), [
      { kind: 'password', name: 'plant-client/password1', outcome: 'unchanged' }
    ])
    assert.equal(valueIn('password1'), value)
    assert.deepEqual(acr.writes, ['password plant-client/password1'])
  })

  it('are made again in the same slot where the reply was lost', async () => {
    acr.failure = { error: new GeneratorError('AZURE_UNREACHABLE', 'the cable'), made: true }
    await assert.rejects(provisionPassword(acr, store, token, []), { code: 'AZURE_UNREACHABLE' })
    assert.equal(store.slot(token, 'password1')?.state, 'pending')
    const [outcome] = await provisionPassword(acr, store, token, [])
    assert.equal(outcome?.detail, 'the reply to an earlier run was lost')
    assert.deepEqual(acr.writes, ['password plant-client/password1', 'password plant-client/password1'])
    assert.match(valueIn('password1') ?? '', /^password-no-2/)
  })

  it('that are kept survive a refusal to make another', async () => {
    await provisionPassword(acr, store, token, [])
    const value = valueIn('password1')
    acr.failure = { error: new GeneratorError('AZURE_FORBIDDEN', 'no role'), made: false }
    await assert.rejects(provisionPassword(acr, store, token, ['password1']), { code: 'AZURE_FORBIDDEN' })
    assert.equal(valueIn('password1'), value)
  })

  it('go into the other slot where Azure has one that is not kept here', async () => {
    passwordsInAzure({ password1: '2025-01-01T00:00:00.000Z' })
    const [outcome] = await provisionPassword(acr, store, token, [])
    assert.equal(outcome?.name, 'plant-client/password2')
    assert.equal(acr.tokens.get(token)?.passwords.password1, '2025-01-01T00:00:00.000Z')
  })

  it('are never taken from others unasked', async () => {
    passwordsInAzure({ password1: '2025-01-01T00:00:00.000Z', password2: '2025-01-01T00:00:00.000Z' })
    await assert.rejects(provisionPassword(acr, store, token, []), (error: GeneratorError) => {
      assert.equal(error.code, 'PASSWORD_HELD_ELSEWHERE')
      return error.message.includes('--regenerate plant-client/password2')
    })
    assert.deepEqual(acr.writes, [])
    await provisionPassword(acr, store, token, ['password2'])
    assert.ok(valueIn('password2'))
  })

  it('that somebody else made anew are told, not made again', async () => {
    await provisionPassword(acr, store, token, [])
    passwordsInAzure({ password1: '2026-11-01T00:00:00.000Z' })
    await assert.rejects(provisionPassword(acr, store, token, []), { code: 'PASSWORD_SUPERSEDED' })
  })

  it('that have run out are told as such, and left for rotate to replace', async () => {
    await store.keep(token, 'password1', {
      value: 'made-for-a-year',
      creationTime: '2025-01-01T00:00:00.000Z',
      expiry: '2026-01-01T00:00:00.000Z'
    })
    passwordsInAzure({ password1: '2025-01-01T00:00:00.000Z' })
    assert.deepEqual(await provisionPassword(acr, store, token, []), [
      {
        kind: 'password',
        name: 'plant-client/password1',
        outcome: 'unchanged',
        detail: 'expired on 2026-01-01T00:00:00.000Z; make another with causeway rotate plant-client'
      }
    ])
    assert.deepEqual(acr.writes, [])
  })

  it('are made again where the token itself was made anew', async () => {
    await provisionPassword(acr, store, token, [])
    passwordsInAzure({})
    const [outcome] = await provisionPassword(acr, store, token, [])
    assert.deepEqual([outcome?.outcome, outcome?.detail], ['updated', 'Azure no longer had it'])
  })
})
