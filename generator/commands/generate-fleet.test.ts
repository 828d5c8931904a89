import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { formatManifest, manifestMaker } from '../deployment/generate.ts'
import { readTemplate } from '../deployment/template.ts'
import { tokensOf } from '../rotation/plan.ts'
import { SecretStore } from '../secrets/store.ts'
import { parseSite } from '../site-file/read.ts'
import { FleetValidator } from '../validate/fleet.ts'
import { runCommand, siteText, testBackend, type CommandLine } from '../testing.ts'

const fleet = 300
const devices = `  ship-{001..${fleet}}: { connectedRegistry: { name: "ship{1}" } }
  ship-{010..019}: { logLevel: Debug }
  ship-007: { port: 9000 }`
const text = siteText(devices)
const site = parseSite(text, 'site.yaml')

describe(`causeway generate, for ${fleet} devices`, function () {
  this.timeout(30_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-fleet-'))
    await writeFile(join(folder, 'site.yaml'), text)
    const store = await SecretStore.open(await testBackend(join(folder, '.causeway')), site.loginServer, 'write')
    await Promise.all(
      tokensOf(site).map(({ name }) =>
        store.keep(
          name,
          'password1',
          { value: `password+of/${name}=`, creationTime: '2026-01-01T00:00:00.000Z' },
          // Of the right form: real ones take their time, and were made when the password was stored.
          `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${createHash('sha256').update(name).digest('base64').slice(0, 43)}`
        )
      )
    )
    await store.close()
  })
  after(() => rm(folder, { recursive: true }))

  const causeway = (...words: string[]): Promise<CommandLine> => runCommand(['generate', ...words], { folder })
  const filesOf = async (name: string): Promise<Map<string, string>> => {
    const files = (await readdir(join(folder, name))).sort()
    return new Map(
      await Promise.all(files.map(async (file) => [file, await readFile(join(folder, name, file), 'utf8')] as const))
    )
  }

  it('writes a file for each, the same bytes twice, each with a token of its own', async () => {
    assert.equal((await causeway('--device', '*', '--output', 'one')).code, 0)
    const { code, stderr } = await causeway('--device', '*', '--output', 'two')
    assert.equal(code, 0, stderr)
    assert.match(stderr, /wrote 300 files to two, which hold passwords\n/)
    const [one, two] = [await filesOf('one'), await filesOf('two')]
    assert.deepEqual(one, two)
    assert.equal(one.size, fleet)
    assert.equal((await stat(join(folder, 'one', 'deployment.ship-001.json'))).mode & 0o777, 0o600)
    const tokens = [...one].map(([file, content]) => {
      const [, token = '', password = ''] = /SyncTokenName=([^;]+);SyncTokenPassword=([^;]+);/.exec(content) ?? []
      assert.equal(file, `deployment.${token.replace(/^ship(\d+)-.*/, 'ship-$1')}.json`)
      assert.equal(password, `password+of/${token}=`)
      assert.match(content, /"hash": "\$scrypt\$/)
      return token
    })
    assert.equal(new Set(tokens).size, fleet)
  })

  it('writes the bytes that one device alone gets', async () => {
    for (const id of ['ship-001', 'ship-007', 'ship-010', 'ship-300']) {
      const { stdout } = await causeway('--device', id, '--output', '-')
      assert.equal((await filesOf('one')).get(`deployment.${id}.json`), stdout)
    }
  })

  it('gives lines of JSON where that is asked for, without secrets too', async () => {
    const { stdout } = await causeway(
      '--device',
      'ship-00*',
      '--device',
      'ship-300',
      '--output',
      '-',
      '--without-secrets'
    )
    const lines = stdout.trim().split('\n')
    const made = lines.map((line) => JSON.parse(line) as { device: string; manifest: { modulesContent: object } })
    assert.deepEqual(
      made.map(({ device }) => device),
      [...Array.from({ length: 9 }, (_, index) => `ship-00${index + 1}`), 'ship-300']
    )
    assert.ok(made.every(({ manifest }) => 'connected-registry' in manifest.modulesContent))
    assert.doesNotMatch(stdout, /password\+of/)
  })

  it('keeps nothing of a device once it is made: memory is flat, whatever the fleet', async () => {
    const template = await readTemplate('deployment.template.json', folder)
    const make = manifestMaker(site, template, { now: new Date(0) })
    const validator = new FleetValidator(site)
    const settings = new Set<unknown>()
    const made = Object.values(site.devices).map((device) => {
      const manifest = make(device)
      const own = { names: [device.id, device.registryName, device.syncToken], passwords: [] }
      validator.assertValid(formatManifest(manifest), 'made.json', own)
      settings.add(manifest.modulesContent['connected-registry']?.['properties.desired'])
      return new WeakRef(manifest)
    })
    assert.equal(settings.size, 2, 'those that are the same are shared')
    // What a WeakRef gave stays until the turn ends.
    await setImmediate()
    setFlagsFromString('--expose-gc')
    ;(runInNewContext('gc') as () => void)()
    const kept = made.filter((each) => each.deref() !== undefined).length
    assert.ok(kept <= 1, `${kept} of ${made.length} manifests are kept`)
  })

  it('tells each device that has no manifest, a few of many, and writes the others', async () => {
    await writeFile(
      join(folder, 'other.yaml'),
      siteText(`${devices}\n  "other-{01..40}": { connectedRegistry: { name: "other{1}" } }`)
    )
    const { code, stderr } = await causeway('--device', '*', '--output', 'some', '--site', 'other.yaml')
    assert.equal(code, 1)
    assert.equal(stderr.match(/no password is kept here for other\d\d-sync-token\/password1/g)?.length, 20)
    assert.match(stderr, /20 more devices have no manifest either/)
    assert.equal((await filesOf('some')).size, fleet)
    const none = await causeway('--device', 'other-*', '--output', 'none', '--site', 'other.yaml')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /wrote 0 files to none\n/)
  })

  it('writes none where git would take one of them', async () => {
    execFileSync('git', ['init', '--quiet', folder])
    await writeFile(join(folder, '.gitignore'), 'taken/deployment.ship-0*\n')
    const refused = await causeway('--device', '*', '--output', 'taken')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /OUTPUT_IN_GIT: .*deployment\.ship-100\.json would hold passwords, as would 200 more/)
    await assert.rejects(stat(join(folder, 'taken')), { code: 'ENOENT' })
    assert.equal((await causeway('--device', 'ship-0*', '--output', 'taken')).code, 0)
    assert.equal((await filesOf('taken')).size, 99)
  })
})
