import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyPassword } from '../../module/settings/password-hash.ts'
import type { GeneratorError } from '../errors.ts'
import { currentSlot, SecretStore, storedSlots } from './store.ts'

const registry = 'mycontainerregistry001.azurecr.io'
const password = { value: 'abc+/=def=', creationTime: '2026-01-01T00:00:00.000Z' }

describe('the secret store', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-secrets-'))
    path = join(folder, '.causeway', 'secrets.json')
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function withStore<Result>(use: (store: SecretStore) => Promise<Result>): Promise<Result> {
    const store = await SecretStore.open(path, registry, 'write')
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  }

  it('keeps a password with a hash that stays the same, in a file for its owner only', async () => {
    await withStore((store) => store.keep('Plant-Client', 'password1', password))
    const store = await SecretStore.open(path, registry, 'read')
    const record = store.slot('plant-client', 'password1')
    assert.ok(record?.state === 'stored')
    assert.equal(record.value, password.value)
    assert.ok(await verifyPassword(password.value, record.hash))
    assert.deepEqual(store.values(), [password.value])
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual((await readdir(join(folder, '.causeway'))).sort(), ['.gitignore', 'secrets.json'])
  })

  it('remembers that a password was asked for, in its slot only', async () => {
    await withStore(async (store) => {
      await store.keep('plant-client', 'password1', password)
      await store.intend('plant-client', 'password2', new Date('2026-02-01T00:00:00Z'))
    })
    const store = await SecretStore.open(path, registry, 'read')
    assert.deepEqual(store.slot('plant-client', 'password2'), { state: 'pending', since: '2026-02-01T00:00:00.000Z' })
    assert.equal(store.slot('plant-client', 'password1')?.state, 'stored')
    assert.equal(currentSlot(store, 'plant-client', new Date()), 'password1')
  })

  it('keeps registries apart', async () => {
    await withStore((store) => store.keep('plant-client', 'password1', password))
    const other = await SecretStore.open(path, 'another.azurecr.io', 'read')
    assert.equal(other.slot('plant-client', 'password1'), undefined)
  })

  it('does not count what has run out', async () => {
    await withStore((store) =>
      store.keep('plant-client', 'password1', { ...password, expiry: '2026-06-01T00:00:00.000Z' })
    )
    const store = await SecretStore.open(path, registry, 'read')
    assert.equal(storedSlots(store, 'plant-client', new Date('2026-05-31T00:00:00Z')).length, 1)
    assert.equal(currentSlot(store, 'plant-client', new Date('2026-06-01T00:00:00Z')), undefined)
  })

  it('is written by one at a time', async () => {
    await withStore(async () => {
      await assert.rejects(
        SecretStore.open(path, registry, 'write'),
        (error: GeneratorError) => error.code === 'SECRETS_LOCKED' && error.exitCode === 5
      )
    })
    await withStore((store) => store.intend('plant-client', 'password1', new Date()))
  })

  it('takes a lock over from a process that is gone, and not from another machine', async () => {
    await withStore((store) => store.intend('plant-client', 'password1', new Date()))
    const gone = spawnSync(process.execPath, ['-e', '']).pid
    await writeFile(`${path}.lock`, `${gone} ${hostname()}\n`)
    await withStore((store) => store.intend('plant-client', 'password1', new Date()))
    await writeFile(`${path}.lock`, `${gone} another-machine\n`)
    await assert.rejects(SecretStore.open(path, registry, 'write'), { code: 'SECRETS_LOCKED' })
  })

  it('says what is wrong with a file it cannot use, without quoting it, and lets go of the lock', async () => {
    await withStore((store) => store.keep('plant-client', 'password1', password))
    const good = await readFile(path, 'utf8')
    for (const bad of [good.slice(0, -40), good.replace('"version": 1', '"version": 2'), '[]']) {
      await writeFile(path, bad)
      await assert.rejects(SecretStore.open(path, registry, 'write'), (error: GeneratorError) => {
        assert.equal(error.code, 'SECRETS_INVALID')
        assert.equal(error.cause, undefined)
        return error.message.includes(path) && !error.message.includes(password.value)
      })
    }
    await assert.rejects(stat(`${path}.lock`), { code: 'ENOENT' })
  })

  it('knows what it kept before where a new record cannot be written', async () => {
    await withStore(async (store) => {
      await store.keep('plant-client', 'password1', password)
      await rm(path)
      await mkdir(path) // nothing can be renamed over a folder
      await assert.rejects(store.intend('plant-client', 'password1', new Date()), { code: 'OUTPUT_UNWRITABLE' })
      assert.equal(store.slot('plant-client', 'password1')?.state, 'stored')
    })
  })
})
