import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { settingsSchema } from '../settings/document.ts'
import { hashPassword, verifyPassword } from '../settings/password-hash.ts'
import { createAccess, type Access } from './access.ts'
import { LoginHints } from './login-hints.ts'

describe('login hints', () => {
  let folder: string
  const key = Buffer.alloc(32, 7)
  const lines: string[] = []
  const log = new LineLog((line) => lines.push(line))

  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-hints-'))))
  afterEach(() => rm(folder, { recursive: true }))

  it('know over a restart what was right before, and little else', async () => {
    const hints = await LoginHints.load(folder, key, log)
    hints.add('Reader', 'secret')
    await hints.saved()
    const again = await LoginHints.load(folder, key, log)
    assert.equal(again.has('reader', 'secret'), true)
    assert.equal(again.has('other', 'secret'), false)
    const passed = Array.from({ length: 20_000 }, (_, guess) => again.has('reader', `guess${guess}`)).filter(Boolean)
    assert.ok(passed.length < 10, `${passed.length} of 20,000 guesses pass`)
    const path = join(folder, 'login-hints.json')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.match(await readFile(path, 'utf8'), /^\{"reader":\["[0-9a-f]{4}"\]\}$/)
  })

  it('keep the latest few of a name', async () => {
    const hints = await LoginHints.load(folder, key, log)
    for (const password of ['one', 'two', 'three', 'four', 'five']) hints.add('reader', password)
    assert.deepEqual(
      ['one', 'two', 'five'].map((password) => hints.has('reader', password)),
      [false, true, true]
    )
    await hints.saved()
  })

  it('are made anew where they are damaged', async () => {
    await writeFile(join(folder, 'login-hints.json'), '{"reader":')
    assert.equal((await LoginHints.load(folder, key, log)).has('reader', 'secret'), false)
    assert.match(lines.join(''), /made anew/)
  })

  it('let a right password pass a crowd of wrong ones at its own name, right after a restart', async () => {
    const hash = await hashPassword('secret')
    const create = async (verify = verifyPassword): Promise<Access> => {
      const access = await createAccess({ folder, log, verifyPassword: verify })
      access.configure(
        settingsSchema.parse({
          schemaVersion: '1.0',
          scopeMaps: { reader: { actions: ['repositories/*/content/read'] } },
          tokens: { reader: { scopeMap: 'reader', passwords: { password1: { hash } } } }
        })
      )
      return access
    }
    const login = async (access: Access, password: string): Promise<string> => {
      const authorization = `Basic ${Buffer.from(`reader:${password}`).toString('base64')}`
      const client = { address: '127.0.0.1', encrypted: false, correlationId: 'login-1' }
      return (await access.authorize(authorization, { kind: 'login' }, client)).kind
    }
    const first = await create()
    assert.equal(await login(first, 'secret'), 'allowed')
    await first.close()
    const held = Promise.withResolvers<undefined>()
    const second = await create(async (password, wanted) => {
      if (password !== 'secret') await held.promise
      return verifyPassword(password, wanted)
    })
    const crowd = Array.from({ length: 30 }, (_, guess) => login(second, `guess${guess}`).catch(() => 'refused'))
    assert.equal(await login(second, 'secret'), 'allowed')
    held.resolve(undefined)
    const answers = await Promise.all(crowd)
    assert.equal(answers.filter((answer) => answer === 'refused').length, 20)
    assert.equal(answers.filter((answer) => answer === 'challenge').length, 10)
    await second.close()
  })
})
