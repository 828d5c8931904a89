import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkOut, npmEnvironment } from './pipelines/packed.ts'
import { isInstalled, mustRun, run, skip } from './real-tools.ts'

const root = join(import.meta.dirname, '..')
const other = process.env['CAUSEWAY_NODE_22']

describe('npm pack', function () {
  this.timeout(60_000)
  let folder: string
  /** The installed command. */
  let command: string
  const environment = (): Record<string, string> => npmEnvironment(folder)

  before(async function () {
    if (!isInstalled('npm')) skip(this, 'npm is not installed')
    folder = await mkdtemp(join(tmpdir(), 'causeway-pack-'))
    const checkout = await checkOut(folder)
    const words = ['pack', '--prefix', checkout, '--pack-destination', folder, checkout]
    const name = (await mustRun('npm', words, environment())).split('\n').at(-1) ?? ''
    const ours = await readFile(join(root, 'package.json'), 'utf8')
    assert.equal(await readFile(join(checkout, 'package.json'), 'utf8'), ours, 'the checkout is as it was')
    const empty = join(folder, 'empty')
    await mkdir(empty)
    await mustRun('npm', ['install', '--offline', '--prefix', empty, join(folder, name)], environment())
    command = join(empty, 'node_modules/causeway/dist/causeway/main.js')
    assert.match(
      await mustRun(join(empty, 'node_modules/.bin/causeway'), ['--version'], environment()),
      /^\d+\.\d+\.\d+$/
    )
  })
  after(() => rm(folder, { recursive: true, force: true }))

  for (const [name, node] of [
    ['this Node', process.execPath],
    ['Node 22', other]
  ] as const)
    describe(`installed without a registry, on ${name}`, () => {
      before(function () {
        if (node === undefined) skip(this, 'CAUSEWAY_NODE_22 names no Node 22')
      })

      it('validates', async () => {
        const { code, stdout } = await run(node ?? '', [command, 'validate', join(root, 'deployment.template.json')])
        assert.equal(code, 0, stdout)
        const wrong = join(folder, 'wrong.json')
        await writeFile(wrong, '{"modulesContent": {}}')
        assert.equal((await run(node ?? '', [command, 'validate', wrong])).code, 3)
      })

      it('generates, with the template that comes along', async () => {
        const site = join(root, 'manifests/site.yaml')
        const words = ['generate', '--site', site, '--device', 'gateway', '--without-secrets', '--output', '-']
        const { code, stdout, stderr } = await run('sh', [
          '-c',
          'cd "$0" && exec "$@"',
          folder,
          node ?? '',
          command,
          ...words
        ])
        assert.equal(code, 0, stderr)
        assert.ok('modulesContent' in (JSON.parse(stdout) as object))
      })
    })
})
