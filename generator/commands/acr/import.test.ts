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
