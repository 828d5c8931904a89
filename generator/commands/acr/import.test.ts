import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AcrWorld, registry, type Asked } from './world.test.ts'

/** The one exception to az's options: a password is never an argument. */
describe('causeway acr import from a registry that asks for a login', () => {
  const source = 'smallregistry.azurecr.io/private/tool:v1'
  let world: AcrWorld
  let password: string

  before(async () => {
    world = await AcrWorld.start(false)
    const other = world.cloud.registry('smallregistry')
    await other.pushImage('private/tool', 'v1')
    password = other.addToken('puller', ['repositories/private/tool/content/read']).password
  })
  after(() => world.close())

  async function importAs(tag: string, words: readonly string[], asked: Asked = {}): Promise<string> {
    const target = ['import', '-n', registry, '--source', source, '-t', `tool:${tag}`, '-u', 'puller']
    const { code, stdout, stderr } = await world.run([...target, ...words], asked)
    assert.ok(!`${stdout}${stderr}`.includes(password), 'the password was printed')
    if (code === 0) assert.ok(world.registry.tags('tool').includes(tag))
    return code === 0 ? 'done' : stderr
  }

  it('takes the password from a file, from stdin, and from the environment', async () => {
    await writeFile(join(world.folder, 'password.txt'), `${password}\n`, { mode: 0o600 })
    assert.equal(await importAs('file', ['--password', '@password.txt']), 'done')
    assert.equal(await importAs('stdin', ['--password', '@-'], { piped: password }), 'done')
    assert.equal(await importAs('variable', [], { env: { CAUSEWAY_IMPORT_PASSWORD: password } }), 'done')
  })

  for (const [how, words] of [
    ['as the option’s word', (secret: string) => ['--password', secret]],
    ['joined to it', (secret: string) => [`-p${secret}`]],
    ['after an equals sign', (secret: string) => [`--password=${secret}`]]
  ] as const)
    it(`refuses a password ${how}, before anybody is asked, and says what to do`, async () => {
      world.calls()
      const told = await importAs('literal', words(password))
      assert.match(told, /^error SECRET_IN_ARGUMENTS: .*--password @FILE, --password @- for stdin, or set CAUSEWAY_/m)
      assert.deepEqual(world.calls(), [])
    })

  it('says where it looked in vain', async () => {
    assert.match(await importAs('none', []), /USAGE: .*--username needs a password: --password @FILE/)
    assert.match(await importAs('none', ['-p', '@none.txt']), /SECRET_MISSING: --password @none\.txt: .*\(ENOENT\)/)
    await writeFile(join(world.folder, 'empty.txt'), '\n')
    assert.match(await importAs('none', ['-p', '@empty.txt']), /SECRET_MISSING: --password @empty\.txt is empty/)
    assert.match(await importAs('none', ['-p', '@-']), /SECRET_MISSING: --password @-: nothing comes in/)
  })
})

describe('causeway acr import and conflicts', () => {
  let world: AcrWorld

  before(async () => {
    world = await AcrWorld.start(false)
    await world.cloud.registry('smallregistry').pushImage('tool', 'v1')
  })
  after(() => world.close())

  const importTool = (): ReturnType<AcrWorld['run']> =>
    world.run(['import', '-n', registry, '--source', 'smallregistry.azurecr.io/tool:v1', '-t', 'tool:v1'])

  it('says of a tag that is there that --force moves it, and of a lock what that is', async () => {
    const refuse = (code: string, message: string): void => {
      world.cloud.arm.faults.push({ method: 'POST', path: /importImage/, status: 409, code, message, times: 1 })
    }
    refuse('ScopeLocked', 'The scope is locked.')
    const locked = await importTool()
    assert.match(locked.stderr, /AZURE_CONFLICT: .*ScopeLocked.*az lock list/)
    assert.doesNotMatch(locked.stderr, /--force/)
    refuse('Conflict', 'Another request changed the registry.')
    assert.doesNotMatch((await importTool()).stderr, /--force/)
    assert.equal((await importTool()).code, 0)
    assert.match((await importTool()).stderr, /AZURE_CONFLICT: tool:v1 is there already; --force moves what is there/)
  })
})
