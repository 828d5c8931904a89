import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { GeneratorError } from './errors.ts'
import { FakeAcr, FakeHub, runCommand, siteText, type CommandLine } from './testing.ts'

describe('the command line', () => {
  let folder: string
  let acr: FakeAcr
  let hub: FakeHub
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-program-'))
    acr = new FakeAcr()
    hub = new FakeHub()
    await writeFile(join(folder, 'site.yaml'), siteText())
    await copyFile(join(import.meta.dirname, '../deployment.template.json'), join(folder, 'deployment.template.json'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const causeway = (words: string, more: Partial<Parameters<typeof runCommand>[1]> = {}): Promise<CommandLine> =>
    runCommand(words.split(' '), { folder, acr, hub, ...more })

  it('prints help and version on stdout, and what is wrong on stderr', async () => {
    const help = await causeway('--help')
    assert.deepEqual([help.code, help.stderr], [0, ''])
    assert.match(help.stdout, /provision .*\n[^]*IOTHUB_CONNECTION_STRING/)
    assert.match((await causeway('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
    for (const wrong of [
      'provison',
      'provision --sight x',
      'status --interval soon',
      'schema sites',
      'status --output yaml'
    ]) {
      const { code, stdout, stderr } = await causeway(wrong)
      assert.deepEqual([code, stdout], [1, ''], wrong)
      assert.match(stderr, /^error: /, wrong)
    }
  })

  it('says of each command that ends with 2 when it does', async () => {
    for (const command of ['plan', 'check', 'rotate', 'revoke'])
      assert.match((await causeway(`${command} --help`)).stdout, /^Exit codes: .*\b2 \w+/m, command)
    assert.match(
      (await causeway('--help')).stdout,
      /2 differences \(plan, check\) or something left to do \(rotate, revoke\)/
    )
  })

  it('gives findings of the site file, one a line, and its own exit code', async () => {
    await writeFile(join(folder, 'other.yaml'), siteText().replace('registry:', 'regestry:'))
    const { code, stderr } = await causeway('generate', { env: { CAUSEWAY_SITE: 'other.yaml' } })
    assert.equal(code, 3)
    assert.match(stderr, /^other\.yaml:5:3: SITE_INVALID azure\.regestry: unknown; did you mean registry\?$/m)
    assert.match(stderr, /^error SITE_INVALID: other\.yaml has 2 mistakes$/m)
  })

  it('prints schemas for editors', async () => {
    for (const name of ['site', 'settings']) {
      const { stdout } = await causeway(`schema ${name}`)
      const schema = JSON.parse(stdout) as { required: string[]; additionalProperties: boolean }
      assert.ok(schema.required.includes('schemaVersion'))
      assert.equal(schema.additionalProperties, false)
    }
    for (const name of ['deployment', 'template']) {
      const { stdout } = await causeway(`schema ${name}`)
      const schema = JSON.parse(stdout) as { $schema: string; properties: Record<string, unknown> }
      assert.match(schema.$schema, /draft-07/)
      assert.equal(Object.hasOwn(schema.properties, '$schema-template'), name === 'template')
    }
  })

  it('leaves what it had done where Azure stops it, lets go of the lock, and goes on the next time', async () => {
    acr.failure = { error: new GeneratorError('AZURE_UNREACHABLE', 'the cable'), made: true }
    const first = await causeway('provision')
    assert.equal(first.code, 1)
    assert.match(first.stdout, /^created +token crimagepulltoken$/m)
    assert.match(first.stderr, /^error AZURE_UNREACHABLE: the cable$/m)
    const second = await causeway('provision')
    assert.equal(second.code, 0, second.stderr)
    assert.match(
      second.stdout,
      /^updated +password crimagepulltoken\/password1 \(the reply to an earlier run was lost\)$/m
    )
  })

  for (const [words, told] of [
    ['generate --template absent.json', /^error TEMPLATE_UNREADABLE: .*absent\.json.*ENOENT/],
    ['generate --template .', /^error TEMPLATE_UNREADABLE: .*EISDIR/],
    ['secrets import absent.json', /^error IMPORT_UNREADABLE: absent\.json cannot be read \(ENOENT\)$/m]
  ] as const)
    it(`says of a file that it cannot read which one, and why: ${words}`, async () => {
      const { code, stdout, stderr } = await causeway(words)
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, told)
    })

  it('stops reading at Ctrl-C where nothing comes in', async () => {
    for (const words of ['validate -', 'secrets import']) {
      const stopping = new AbortController()
      const silent = new Readable({
        read: () => {
          stopping.abort()
        }
      })
      const { code, stderr } = await causeway(words, { stdin: silent, signal: stopping.signal })
      assert.equal(code, 130, stderr)
      assert.match(stderr, /^error CANCELLED: [^\n]*\n$/, words)
    }
  })

  it('says why it stopped before it lets go of anything', async () => {
    const failing = Object.assign(new FakeHub(), {
      twin: () => Promise.reject(new GeneratorError('AZURE_UNREACHABLE', 'the cable')),
      close: () => {
        throw new Error('it does not let go')
      }
    })
    const { code, stderr } = await causeway('status', { hub: failing })
    assert.equal(code, 1)
    assert.match(stderr, /^error AZURE_UNREACHABLE: the cable\nerror UNEXPECTED: it does not let go/)
  })

  it('makes a password anew when told to, and only for tokens of the site', async () => {
    await causeway('provision')
    const before = (await causeway('secrets show plant-client')).stdout
    const again = await causeway('provision --regenerate Plant-Client/password2')
    assert.match(again.stdout, /^created +password plant-client\/password2 \(asked for\)$/m)
    assert.notEqual((await causeway('secrets show plant-client')).stdout, before)
    assert.equal((await causeway('secrets show plant-client --slot password1')).stdout, before)
    for (const wrong of ['plant-client', 'plant-client/password3', 'nobody/password1']) {
      const { code, stderr } = await causeway(`provision --regenerate ${wrong}`)
      assert.equal(code, 1)
      assert.match(stderr, /^error USAGE: /m)
    }
  })

  it('prints no password but on request, even where an SDK quotes one', async () => {
    const first = await causeway('provision')
    const value = (await causeway('secrets show crimagepulltoken')).stdout.trim()
    assert.ok(value.length > 12)
    hub.put('gateway', '$edgeAgent')
    hub.onApply = () => {
      throw new GeneratorError('AZURE_REFUSED', `bad value ${value}`)
    }
    const refused = await causeway('deploy')
    assert.match(refused.stderr, /^error AZURE_REFUSED: bad value \*\*\*$/m)
    const said = [first, refused, await causeway('provision'), await causeway('generate')]
    for (const { stdout, stderr } of said) assert.ok(!`${stdout}${stderr}`.includes(value))
    assert.ok((await readFile(join(folder, 'config', 'deployment.gateway.json'), 'utf8')).includes(value))
  })

  it('hides the passwords of a manifest from a file too', async () => {
    await causeway('provision')
    await causeway('generate --output theirs.json')
    const value = (await causeway('secrets show crimagepulltoken')).stdout.trim()
    await rm(join(folder, '.causeway'), { recursive: true })
    hub.put('gateway', '$edgeAgent')
    hub.onApply = () => {
      throw new GeneratorError('AZURE_REFUSED', `bad value ${value}`)
    }
    assert.match((await causeway('deploy --manifest theirs.json')).stderr, /bad value \*\*\*$/m)
  })

  it('asks which device where there are several', async () => {
    await writeFile(
      join(folder, 'site.yaml'),
      siteText('  aaa: { connectedRegistry: { name: registrya } }\n  bbb: { connectedRegistry: { name: registryb } }')
    )
    assert.match((await causeway('generate')).stderr, /^error USAGE: say which device with --device: aaa, bbb$/m)
    assert.match((await causeway('generate --device ccc')).stderr, /has no device ccc; it has aaa, bbb$/m)
    assert.equal((await causeway('generate --device bbb --without-secrets')).code, 0)
  })

  it('configures every device that it can, and tells of those that it cannot', async () => {
    await writeFile(
      join(folder, 'site.yaml'),
      siteText(['aaa', 'bbb', 'ccc'].map((id) => `  ${id}: { connectedRegistry: { name: registry${id} } }`).join('\n'))
    )
    await causeway('provision')
    const report = { schemaVersion: '1.0', runtime: { version: '1', startedAt: 'x' }, connectionState: 'Online' }
    const status = (code: number): object => ({
      ...report,
      lastDesiredVersion: 9,
      lastDesiredStatus: { code, description: 'd' }
    })
    hub.put('aaa', 'connected-registry', { reported: { ...status(400) } })
    hub.put('bbb', 'connected-registry', { reported: { ...status(200) } })
    hub.onPatch = () => 9
    const { code, stdout, stderr } = await causeway('configure')
    assert.equal(code, 1)
    assert.match(stdout, /^bbb: changed .*the device applies it\n$/)
    // ccc has no module: it is told before anybody is waited for.
    assert.match(stderr, /^error MODULE_UNKNOWN: the hub has no module connected-registry on a device ccc/m)
    assert.match(stderr, /^SETTINGS_REFUSED aaa refuses its settings \(400\): d$/m)
    assert.ok(hub.closed)
  })

  it('watches until Ctrl-C, through what passes', async () => {
    const stopping = new AbortController()
    let looks = 0
    hub.onRead = () => {
      if (++looks === 1) throw new GeneratorError('AZURE_UNREACHABLE', 'the cable')
      if (looks === 3) stopping.abort()
    }
    const { code, stdout, stderr } = await causeway('status --watch --interval 0.001 --output json', {
      signal: stopping.signal
    })
    assert.equal(code, 0)
    assert.equal(stderr, 'AZURE_UNREACHABLE: the cable\n')
    const lines = stdout.trimEnd().split('\n')
    assert.equal(lines.length, 2)
    for (const line of lines) assert.equal((JSON.parse(line) as { schemaVersion: string }).schemaVersion, '1.0')
  })

  it('stops watching in the same way in the middle of a look', async () => {
    const stopping = new AbortController()
    hub.onRead = () => {
      stopping.abort()
      throw new GeneratorError('CANCELLED', 'stopped')
    }
    const { code, stderr } = await causeway('status --watch', { signal: stopping.signal })
    assert.deepEqual([code, stderr], [0, ''])
  })

  it('waits for images only so long, and says what is missing', async () => {
    const { code, stderr } = await causeway('status --wait --timeout 0.01 --interval 0.001')
    assert.equal(code, 1)
    assert.match(stderr, /^error TIMED_OUT: .*gateway 0\/0 \(the hub has no such module; deploy to the device\)$/m)
  })
})
