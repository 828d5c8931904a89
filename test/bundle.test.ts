import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Metafile } from 'esbuild'
import { digestOf } from '../module/oci/digest.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { bundle } from '../packaging/bundle.ts'
import { LoneModule } from './lone-module.ts'
import { mustRun, run, skip } from './real-tools.ts'
import { ask, pullPath, World } from './world.ts'

const root = join(import.meta.dirname, '..')
const user = 'bundle-client'
const password = 'a password for loopback alone'
const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const other = process.env['CAUSEWAY_NODE_22']

describe('the bundles', function () {
  this.timeout(90_000)
  let folder: string
  /** Where nothing of koffi is found. */
  let bare: string
  let device: Metafile
  let causeway: Metafile

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-bundle-'))
    bare = await mkdtemp(join(tmpdir(), 'causeway-bare-'))
    const bundles = [bundle('module', join(folder, 'module')), bundle('causeway', join(folder, 'causeway'))] as const
    ;[device, causeway] = await Promise.all(bundles)
    // What has a binary is found by its place, as in the image.
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    await cp(join(folder, 'module'), join(bare, 'module'), { recursive: true })
  })
  after(async () => {
    for (const place of [folder, bare]) await rm(place, { recursive: true, force: true })
  })

  for (const [name, node] of [
    ['this Node', process.execPath],
    ['Node 22', other]
  ] as const)
    describe(`on ${name}`, () => {
      before(async function () {
        if (node === undefined) skip(this, 'CAUSEWAY_NODE_22 names no Node 22')
        if (node === other) assert.match(await mustRun(node, ['--version']), /^v22\./, 'CAUSEWAY_NODE_22')
      })

      const built = (): { node: string; module: string; causeway: string } => ({
        node: node ?? '',
        module: join(folder, 'module/main.js'),
        causeway: join(folder, 'causeway/main.js')
      })

      it('walk the road: every SDK is found, by the command line and on the device', async () => {
        const world = await World.start(undefined, { built: built() })
        try {
          await world.mustRun('provision')
          await world.mustRun('images', 'import')
          await world.mustRun('deploy', '--device', 'gateway')
          await world.mustRun('status', '--device', 'gateway', '--wait')
          const caller = {
            origin: `http://${world.registry('gateway')}`,
            user: 'plant-client',
            password: await world.password('plant-client')
          }
          const digest = world.cloud.digestOf('hello-world', 'latest') ?? ''
          assert.equal((await pullPath(caller, 'hello-world', `manifests/${digest}`)).status, 200)
        } finally {
          await world.close()
        }
      })

      for (const [how, withKoffi] of [
        ['find their worker threads, and packages that are loaded later', true],
        ['serve without koffi, too', false]
      ] as const)
        it(how, async () => {
          const home = await mkdtemp(join(folder, 'lone-'))
          const module = new LoneModule(home, [built().node, join(withKoffi ? folder : bare, 'module/main.js')])
          const rights = ['content/read', 'content/write', 'metadata/read']
          await module.write({
            schemaVersion: '1.0',
            mode: 'ReadWrite',
            scopeMaps: { all: { actions: rights.map((right) => `repositories/*/${right}`) } },
            tokens: { [user]: { scopeMap: 'all', passwords: { password1: { hash: await hashPassword(password) } } } }
          })
          await module.start()
          try {
            // Large enough to be hashed on one thread and sent by another, and to be taken in past Node.
            const blob = Buffer.alloc(12 * 1024 * 1024, 'causeway')
            const path = `${module.origin}/v2/plant/app/blobs`
            const pushed = await fetch(`${path}/uploads/?digest=${digestOf(blob)}`, {
              method: 'POST',
              headers: { authorization, 'content-type': 'application/octet-stream' },
              body: blob
            })
            assert.equal(pushed.status, 201, await pushed.text())
            const pulled = await fetch(`${path}/${digestOf(blob)}`, { headers: { authorization } })
            assert.ok(blob.equals(Buffer.from(await pulled.arrayBuffer())))
            const maps = await readFile(`/proc/${module.pid}/maps`, 'utf8')
            assert.equal(maps.includes('koffi.node'), withKoffi)
            const metrics = await ask({ origin: module.origin }, '/metrics')
            assert.match(metrics.body.toString(), /^causeway_info\{version="\d+\.\d+\.\d+"\} 1$/m)
          } finally {
            assert.equal(await module.stop(), 0, module.log)
          }
        })
    })

  it('load for --version and validate no package but that of the command line', () => {
    for (const start of ['program', 'validate']) {
      const packages = loadedWith(causeway, new RegExp(`^${start}(-\\w+)?\\.js$`)).flatMap(
        (source) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []
      )
      assert.deepEqual([...new Set(packages)], start === 'program' ? ['commander'] : [], start)
    }
  })

  it('start a module without what its twin alone needs, and without what of Node no start has a use for', async () => {
    const sources = loadedWith(device, /^program-\w+\.js$/)
    assert.ok(sources.includes('module/settings/document.ts'))
    for (const later of [
      'module/settings/reported.ts',
      'module/methods.ts',
      'module/examination.ts',
      'module/known-settings.ts'
    ])
      assert.ok(!sources.includes(later), later)
    const home = await mkdtemp(join(folder, 'lone-'))
    const tell = `data:text/javascript,process.on('exit',()=>console.error('loaded,'+process.moduleLoadList))`
    const module = new LoneModule(home, [process.execPath, join(folder, 'module/main.js')])
    await module.write({ schemaVersion: '1.0' })
    await module.start({ NODE_OPTIONS: `--import=${tell}` })
    assert.equal(await module.stop(), 0, module.log)
    assert.doesNotMatch(module.log, /fault code=SettingsMissing/)
    // The thread that writes the index says so too.
    const lists = [...module.log.matchAll(/^loaded,(.*)$/gm)].map(([, list = '']) => list.split(','))
    const loaded = lists.find((list) => list.includes('NativeModule http')) ?? assert.fail(module.log)
    for (const name of ['tls', 'https', 'dns/promises']) assert.ok(!loaded.includes(`NativeModule ${name}`), name)
  })

  it('tell an older Node what is wanted, in one line', async () => {
    const older = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'22.12.0'})`
    for (const name of ['module', 'causeway']) {
      const { code, stderr } = await run(process.execPath, ['--import', older, join(folder, name, 'main.js')])
      assert.equal(code, 1)
      assert.match(stderr, /^NODE_TOO_OLD: this is Node 22\.12\.0, and .* needs 22\.13 or later: .*\n$/)
    }
  })

  it('bring along whose code they hold, and nothing of the machine they were made on', async () => {
    for (const [name, within] of [
      ['module', /^undici 7\.\S+ \(MIT\)$[\s\S]*Permission is hereby granted/m],
      ['causeway', /^@azure\/identity 4\.\S+ \(MIT\)$/m]
    ] as const) {
      assert.match(await readFile(join(folder, name, 'THIRD-PARTY-NOTICES'), 'utf8'), within)
      for (const file of globSync('*.js', { cwd: join(folder, name) }))
        assert.ok(!(await readFile(join(folder, name, file), 'utf8')).includes(root), file)
    }
  })

  it('are the same bytes each time', async () => {
    const again = join(folder, 'again')
    await bundle('module', again)
    const list = (place: string): Promise<string> =>
      mustRun('sh', ['-c', 'cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum', 'list', place])
    assert.equal(await list(again), await list(join(folder, 'module')))
  })
})

/** The sources that are run as soon as a file of a bundle is imported, and not those that it imports later. */
function loadedWith({ outputs }: Metafile, name: RegExp): string[] {
  const files = new Set(Object.keys(outputs).filter((file) => name.test(basename(file))))
  assert.equal(files.size, 1, `one file is called as ${name.source} says`)
  for (const file of files)
    for (const { path, kind } of outputs[file]?.imports ?? []) if (kind === 'import-statement') files.add(path)
  return [...files].flatMap((file) => Object.keys(outputs[file]?.inputs ?? {}))
}
