import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { hashPassword, verifyPassword } from '../../module/settings/password-hash.ts'
import type { GeneratorError } from '../errors.ts'
import { testBackend, testSecretsKey } from '../testing.ts'
import { openBackend } from './open.ts'
import { currentSlot, SecretStore, storedSlots, type SecretsBackend } from './store.ts'

const registry = 'mycontainerregistry001.azurecr.io'
const password = { value: 'abc+/=def=', creationTime: '2026-01-01T00:00:00.000Z' }

describe('the secret store', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-secrets-'))
    path = join(folder, '.causeway', 'secrets.jwe')
  })
  afterEach(() => rm(folder, { recursive: true }))

  const backend = (key?: string): Promise<SecretsBackend> => testBackend(join(folder, '.causeway'), key)
  const read = async (of = registry): Promise<SecretStore> => SecretStore.open(await backend(), of, 'read')

  async function withStore<Result>(use: (store: SecretStore) => Promise<Result>): Promise<Result> {
    const store = await SecretStore.open(await backend(), registry, 'write')
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  }

  /** As a command finds its store, by its options and environment. */
  function opened(
    env: Record<string, string>,
    named?: string
  ): { backend: Promise<SecretsBackend>; said: () => string } {
    const output = new PassThrough()
    let said = ''
    output.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const io = { stdout: output, stderr: output, env, workingFolder: folder, signal: new AbortController().signal }
    const vault = (url: string): Promise<never> => Promise.reject(new Error(url))
    const at = { folder: join(folder, '.causeway'), loginServer: registry, keyVault: undefined }
    return { backend: openBackend({ named, ...at, io, vault }), said: () => said }
  }

  it('keeps a password with a hash that stays the same, in an encrypted file for its owner only', async () => {
    await withStore((store) => store.keep('Plant-Client', 'password1', password))
    const store = await read()
    const record = store.slot('plant-client', 'password1')
    assert.ok(record?.state === 'stored')
    assert.equal(record.value, password.value)
    assert.ok(await verifyPassword(password.value, record.hash))
    assert.deepEqual(store.values(), [password.value])
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const text = await readFile(path, 'utf8')
    for (const secret of [password.value, record.hash, 'plant-client', registry]) assert.ok(!text.includes(secret))
    assert.deepEqual((await readdir(join(folder, '.causeway'))).sort(), ['.gitignore', 'secrets.jwe'])
  })

  it('writes once for many who ask in the same breath, and each has what it asked for', async () => {
    const inner = await backend()
    let writes = 0
    const counted: SecretsBackend = {
      place: inner.place,
      read: (of) => inner.read(of),
      lock: () => inner.lock(),
      write: (of, records) => {
        writes += 1
        return inner.write(of, records)
      }
    }
    const names = Array.from({ length: 50 }, (_, index) => `client-${index}`)
    const store = await SecretStore.open(counted, registry, 'write')
    await Promise.all(names.map((name) => store.intend(name, 'password1', new Date('2026-02-01T00:00:00Z'))))
    await store.close()
    assert.equal(writes, 1)
    assert.deepEqual([...(await read()).tokens()].sort(), [...names].sort())
  })

  it('keeps both passwords of a token that come in the same breath', async () => {
    const hash = await hashPassword(password.value)
    await withStore((store) =>
      Promise.all([
        store.keep('plant-client', 'password1', password, hash),
        store.keep('plant-client', 'password2', { ...password, value: 'ghi+/=jkl=' }, hash),
        store.noteRevoked('plant-client', new Date())
      ])
    )
    const store = await read()
    assert.deepEqual(store.values(), [password.value, 'ghi+/=jkl='])
    assert.ok(store.isRevoked('plant-client'))
  })

  it('remembers that a password was asked for, in its slot only', async () => {
    await withStore(async (store) => {
      await store.keep('plant-client', 'password1', password)
      await store.intend('plant-client', 'password2', new Date('2026-02-01T00:00:00Z'))
    })
    const store = await read()
    assert.deepEqual(store.slot('plant-client', 'password2'), { state: 'pending', since: '2026-02-01T00:00:00.000Z' })
    assert.equal(store.slot('plant-client', 'password1')?.state, 'stored')
    assert.equal(currentSlot(store, 'plant-client', new Date()), 'password1')
  })

  it('keeps registries apart', async () => {
    await withStore((store) => store.keep('plant-client', 'password1', password))
    assert.equal((await read('another.azurecr.io')).slot('plant-client', 'password1'), undefined)
  })

  it('does not count what has run out', async () => {
    await withStore((store) =>
      store.keep('plant-client', 'password1', { ...password, expiry: '2026-06-01T00:00:00.000Z' })
    )
    const store = await read()
    assert.equal(storedSlots(store, 'plant-client', new Date('2026-05-31T00:00:00Z')).length, 1)
    assert.equal(currentSlot(store, 'plant-client', new Date('2026-06-01T00:00:00Z')), undefined)
  })

  it('gives devices the password before a new one until that is proved', async () => {
    await withStore(async (store) => {
      await store.keep('plant-client', 'password1', password)
      const startedAt = '2026-02-01T00:00:00.000Z'
      await store.beginRotation('plant-client', { to: 'password2', startedAt })
      await store.keep('plant-client', 'password2', { value: 'the-newer-one', creationTime: startedAt })
      assert.equal(currentSlot(store, 'plant-client', new Date()), 'password1')
      await store.noteRotation('plant-client', { to: 'password2', startedAt, provedAt: startedAt })
      assert.equal(currentSlot(store, 'plant-client', new Date()), 'password2')
      await store.endRotation('plant-client', 'password1')
    })
    const store = await read()
    assert.equal(store.rotation('plant-client'), undefined)
    assert.equal(store.slot('plant-client', 'password1'), undefined)
  })

  it('is written by one at a time', async () => {
    await withStore(async () => {
      await assert.rejects(
        SecretStore.open(await backend(), registry, 'write'),
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
    await assert.rejects(SecretStore.open(await backend(), registry, 'write'), { code: 'SECRETS_LOCKED' })
  })

  it('says what is wrong with a file it cannot use, changes nothing, and lets go of the lock', async () => {
    await withStore((store) => store.keep('plant-client', 'password1', password))
    const good = await readFile(path, 'utf8')
    const [header = '', , iv = '', ...rest] = good.split('.')
    const flipped = `${header}..${iv.startsWith('A') ? 'B' : 'A'}${iv.slice(1)}.${rest.join('.')}`
    for (const bad of [good.slice(0, -40), flipped, good.slice(9), '[]']) {
      await writeFile(path, bad)
      await assert.rejects(SecretStore.open(await backend(), registry, 'write'), (error: GeneratorError) => {
        assert.equal(error.code, 'SECRETS_INVALID')
        assert.equal(error.cause, undefined)
        return error.message.includes(path)
      })
      assert.equal(await readFile(path, 'utf8'), bad)
    }
    await assert.rejects(stat(`${path}.lock`), { code: 'ENOENT' })
  })

  it('tells a wrong key from a damaged file, and loses nothing', async () => {
    await withStore((store) => store.keep('plant-client', 'password1', password))
    const good = await readFile(path, 'utf8')
    const another = Buffer.alloc(32, 9).toString('base64')
    await assert.rejects(
      SecretStore.open(await backend(another), registry, 'write'),
      (error: GeneratorError) =>
        error.code === 'SECRETS_KEY_WRONG' &&
        /CAUSEWAY_SECRETS_KEY holds [0-9a-f]{16}/.test(error.message) &&
        !error.message.includes(another)
    )
    assert.equal(await readFile(path, 'utf8'), good)
    assert.equal((await read()).slot('plant-client', 'password1')?.state, 'stored')
  })

  it('refuses a key that is none, and one that a short word would be', async () => {
    for (const key of ['hunter2', Buffer.alloc(16).toString('base64'), `${testSecretsKey}\nmore`])
      await assert.rejects(
        SecretStore.open(await backend(key), registry, 'write'),
        (error: GeneratorError) => error.code === 'SECRETS_KEY_INVALID' && !error.message.includes(key)
      )
  })

  it('makes a key for a person once, and none in a CI or beside a file that has one already', async () => {
    const env = { HOME: folder }
    const first = opened(env)
    const store = await SecretStore.open(await first.backend, registry, 'write')
    await store.keep('plant-client', 'password1', password)
    await store.close()
    const keyPath = join(folder, '.config', 'causeway', 'secrets.key')
    assert.match(first.said(), new RegExp(`made a key for stored passwords in ${keyPath}`))
    assert.equal((await stat(keyPath)).mode & 0o777, 0o600)
    const again = await SecretStore.open(await opened(env).backend, registry, 'read')
    assert.equal(again.slot('plant-client', 'password1')?.state, 'stored')
    await rm(keyPath)
    for (const wrong of [env, { CI: 'true' }])
      await assert.rejects(SecretStore.open(await opened(wrong).backend, registry, 'write'), {
        code: 'SECRETS_KEY_MISSING'
      })
    await rm(path)
    await assert.rejects(SecretStore.open(await opened({ ...env, CI: 'true' }).backend, registry, 'write'), {
      code: 'SECRETS_KEY_MISSING'
    })
    await assert.rejects(stat(keyPath), { code: 'ENOENT' })
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

  describe('and plain files and the environment, which are only read', () => {
    const hash = `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'B'.repeat(43)}`
    const stored = { state: 'stored', value: password.value, hash, creationTime: password.creationTime }
    const plain = JSON.stringify({
      version: 1,
      registries: { [registry]: { tokens: { 'plant-client': { password1: stored } } } }
    })

    it('takes the file of an earlier release over with the first write, hashes and all', async () => {
      const old = join(folder, '.causeway', 'secrets.json')
      await mkdir(join(folder, '.causeway'))
      await writeFile(old, plain)
      assert.deepEqual((await read()).slot('plant-client', 'password1'), stored)
      assert.equal(await readFile(old, 'utf8'), plain, 'reading changes nothing')
      await withStore((store) => store.intend('other-token', 'password1', new Date()))
      await assert.rejects(stat(old), { code: 'ENOENT' })
      assert.deepEqual((await read()).slot('plant-client', 'password1'), stored)
    })

    it('reads a plain file that is named, and never writes one', async () => {
      await writeFile(join(folder, 'given.json'), plain)
      const given = await opened({}, 'given.json').backend
      assert.deepEqual((await SecretStore.open(given, registry, 'read')).slot('plant-client', 'password1'), stored)
      await assert.rejects(
        SecretStore.open(given, registry, 'write'),
        (error: GeneratorError) => error.code === 'SECRETS_READ_ONLY' && error.message.includes('secrets import')
      )
    })

    it('gives what has no hash the same one each time', async () => {
      await writeFile(join(folder, 'map.json'), '{ "plant-client": "abc+/=def=" }')
      const env = { CAUSEWAY_PASSWORD_PLANT_CLIENT: 'abc+/=def=', CAUSEWAY_PASSWORD_PLANT_CLIENT__PASSWORD2: 'second' }
      const hashes: string[] = []
      for (const place of ['map.json', 'environment', 'environment']) {
        const store = await SecretStore.open(await opened(env, place).backend, registry, 'read')
        const record = store.slot('plant-client', 'password1')
        assert.ok(record?.state === 'stored')
        assert.ok(await verifyPassword(password.value, record.hash))
        hashes.push(record.hash)
      }
      assert.equal(new Set(hashes).size, 1)
      const store = await SecretStore.open(await opened(env, 'environment').backend, registry, 'read')
      assert.equal(storedSlots(store, 'plant-client', new Date()).length, 2)
      await assert.rejects(SecretStore.open(await opened(env, 'environment').backend, registry, 'write'), {
        code: 'SECRETS_READ_ONLY'
      })
    })

    it('does not quote what it cannot read', async () => {
      for (const bad of [
        '{ "plant-client": "a-secret-value',
        '{ "plant-client": { "password9": "a-secret-value" } }'
      ]) {
        await writeFile(join(folder, 'bad.json'), bad)
        await assert.rejects(
          SecretStore.open(await opened({}, 'bad.json').backend, registry, 'read'),
          (error: GeneratorError) => error.code === 'SECRETS_INVALID' && !error.message.includes('a-secret-value')
        )
      }
    })
  })
})
