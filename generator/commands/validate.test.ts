import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { goodManifest } from '../../test/cases/deployment-manifests.ts'
import { rules } from '../validate/rules.ts'
import { FakeHub, runCommand, siteText, type CommandLine } from '../testing.ts'

const good = JSON.stringify(goodManifest, undefined, 2)
const bad = good.replace('FROM /messages/* INTO $upstream', 'FROM messages INTO $upstream')

describe('causeway validate', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-validate-'))
    await writeFile(join(folder, 'good.json'), good)
    await writeFile(join(folder, 'bad.json'), bad)
  })
  afterEach(() => rm(folder, { recursive: true }))

  const causeway = (words: string, more: Partial<Parameters<typeof runCommand>[1]> = {}): Promise<CommandLine> =>
    runCommand(words.split(' '), { folder, ...more })

  it('ends with 0 where a device would take every file, and needs neither site file nor Azure', async () => {
    const { code, stdout, stderr } = await causeway('validate good.json')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^good\.json:\d+:\d+: info M092 /)
    assert.equal(stderr, '1 file: 1 remark\n')
  })

  it('ends with 3 where one has an error, and says where it is', async () => {
    const { code, stdout, stderr } = await causeway('validate good.json bad.json')
    assert.equal(code, 3)
    const line = bad.split('\n').findIndex((text) => text.includes('FROM messages')) + 1
    assert.match(
      stdout,
      new RegExp(
        String.raw`^bad\.json:${line}:\d+: error M020 modulesContent\.\$edgeHub\.properties\.desired\.routes\.upstream: expected a path`,
        'm'
      )
    )
    assert.match(stderr, /^2 files: 1 error, 2 remarks$/m)
  })

  it('prints JSON for programs', async () => {
    const { code, stdout, stderr } = await causeway('validate bad.json good.json --output json')
    assert.deepEqual([code, stderr], [3, ''])
    const { files } = JSON.parse(stdout) as { files: Record<string, unknown>[] }
    assert.deepEqual(
      files.map(({ file, kind, ok }) => ({ file, kind, ok })),
      [
        { file: 'bad.json', kind: 'deployment', ok: false },
        { file: 'good.json', kind: 'deployment', ok: true }
      ]
    )
    const [finding] = (files[0]?.['findings'] as Record<string, unknown>[]).filter(({ code: each }) => each === 'M020')
    assert.deepEqual(Object.keys(finding ?? {}).sort(), ['code', 'column', 'line', 'message', 'path', 'severity'])
    assert.equal(finding?.['severity'], 'error')
  })

  it('is written as services read it', async () => {
    const line = bad.split('\n').findIndex((text) => text.includes('FROM messages')) + 1
    const github = await causeway('validate bad.json', { env: { CI: 'true', GITHUB_ACTIONS: 'true' } })
    assert.equal(github.code, 3)
    assert.match(
      github.stdout,
      new RegExp(String.raw`^::error file=bad\.json,line=${line},col=\d+,title=M020 .*::modulesContent\.\$edgeHub`, 'm')
    )
    assert.match(github.stdout, /^::notice file=bad\.json,line=\d+,col=\d+,title=M092 /m)
    const azdo = await causeway('validate bad.json', { env: { TF_BUILD: 'True' } })
    assert.match(
      azdo.stdout,
      new RegExp(
        String.raw`^##vso\[task\.logissue type=error;sourcepath=bad\.json;linenumber=${line};columnnumber=\d+;code=M020\]`,
        'm'
      )
    )
    const sarif = await causeway('validate bad.json good.json --output sarif')
    assert.deepEqual([sarif.code, sarif.stderr], [3, ''])
    const { runs } = JSON.parse(sarif.stdout) as {
      runs: {
        tool: { driver: { rules: { id: string }[] } }
        results: { ruleId: string; level: string; locations: { physicalLocation: object }[] }[]
      }[]
    }
    const [error] = (runs[0]?.results ?? []).filter(({ level }) => level === 'error')
    assert.equal(error?.ruleId, 'M020')
    assert.partialDeepStrictEqual(error.locations[0]?.physicalLocation, {
      artifactLocation: { uri: 'bad.json' },
      region: { startLine: line }
    })
    assert.ok(runs[0]?.tool.driver.rules.some(({ id }) => id === 'M020'))
  })

  it('gives a log no commands that stand in a manifest, and no password that stands in an image', async () => {
    const hostile = good
      .replace('"m": {', String.raw`"m\n##vso[task.complete result=Succeeded]": {`)
      .replace('"restartPolicy": "always"', String.raw`"restartPolicy": "\u001b[31m\r\n::stop-commands::t"`)
      .replace('mycontainerregistry001.azurecr.io/hello-world:1.0', 'http://someone:a-password@plant.example/hello:1')
    await writeFile(join(folder, 'hostile.json'), hostile)
    for (const style of ['text', 'json', 'sarif', 'github', 'azdo']) {
      const { code, stdout } = await causeway(`validate hostile.json --output ${style}`)
      assert.equal(code, 3)
      assert.match(stdout, /M036/)
      assert.match(stdout, /http:\/\/\[hidden\]@plant\.example/)
      assert.doesNotMatch(stdout, /a-password/)
      // Its own commands are escaped as the service has it.
      if (style !== 'azdo') assert.doesNotMatch(stdout, style === 'github' ? /^##/m : /##/)
      if (style !== 'text') continue
      assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f]/)
      for (const line of stdout.trimEnd().split('\n')) assert.match(line, /^hostile\.json:/)
    }
  })

  it('reads stdin', async () => {
    assert.match((await causeway('validate -', { stdin: bad })).stdout, /^-:\d+:\d+: error M020 /m)
    assert.match((await causeway('validate -', { stdin: '' })).stdout, /^-:1:1: error M001 it is not JSON/)
  })

  it('finds the deployment manifests of a folder, and passes over other JSON', async () => {
    await mkdir(join(folder, 'sites/north'), { recursive: true })
    await mkdir(join(folder, 'sites/node_modules/x'), { recursive: true })
    await writeFile(join(folder, 'sites/north/deployment.json'), bad)
    await writeFile(join(folder, 'sites/broken.json'), `${good},`)
    await writeFile(join(folder, 'sites/package.json'), '{"name": "x"}')
    await writeFile(join(folder, 'sites/node_modules/x/deployment.json'), bad)
    const { stdout } = await causeway('validate sites --output json')
    const { files } = JSON.parse(stdout) as { files: { file: string; ok: boolean }[] }
    assert.deepEqual(
      files.map(({ file, ok }) => [file, ok]),
      [
        [join('sites', 'broken.json'), false],
        [join('sites', 'north', 'deployment.json'), false]
      ]
    )
  })

  it('passes over what has the same words and is no deployment, follows no links to folders, and takes a folder for one', async () => {
    const sites = join(folder, 'sites')
    await mkdir(join(sites, 'folder.json'), { recursive: true })
    await writeFile(join(sites, 'folder.json', 'deployment.JSON'), good)
    await symlink(sites, join(sites, 'loop'))
    await symlink(join(sites, 'nowhere'), join(sites, 'dangling.json'))
    await symlink(join(folder, 'bad.json'), join(sites, 'linked.json'))
    await writeFile(
      join(sites, 'schema.json'),
      '{"$schema": "x", "properties": {"modulesContent": {"$edgeAgent": {}}}}'
    )
    await writeFile(join(sites, 'twin.json'), '{"moduleId": "$edgeAgent"}')
    await writeFile(join(sites, 'utf16.json'), Buffer.from(`\uFEFF${good}`, 'utf16le'))
    const { stdout } = await causeway('validate sites --output json')
    const { files } = JSON.parse(stdout) as { files: { file: string; ok: boolean }[] }
    assert.deepEqual(
      files.map(({ file, ok }) => [file, ok]),
      [
        [join('sites', 'folder.json', 'deployment.JSON'), true],
        [join('sites', 'linked.json'), false],
        [join('sites', 'utf16.json'), true]
      ]
    )
  })

  it('reads what is saved otherwise than as UTF-8, and says so', async () => {
    const named = good.replace('hello-world:1.0', 'hello-world:1.0"  ,"x":"Käse')
    const swapped = Buffer.from(`\uFEFF${named}`, 'utf16le').swap16()
    for (const [bytes, column, message] of [
      [Buffer.from(`\uFEFF${named}`, 'utf16le'), 1, /saved as UTF-16/],
      [swapped, 1, /saved as UTF-16/],
      [Buffer.from(`\uFEFF${named}`), 1, /byte order mark/],
      [Buffer.from(named, 'latin1'), undefined, /no UTF-8/]
    ] as const) {
      await writeFile(join(folder, 'other.json'), bytes)
      const { code, stdout } = await causeway('validate other.json --output json')
      assert.equal(code, 0, stdout)
      const { findings } = (JSON.parse(stdout) as { files: { findings: Record<string, unknown>[] }[] }).files[0]!
      const [finding, ...more] = findings.filter(({ code: each }) => each === 'M001')
      assert.deepEqual([finding?.['severity'], more], ['warning', []])
      assert.match(String(finding?.['message']), message)
      if (column !== undefined) assert.deepEqual([finding?.['line'], finding?.['column']], [1, column])
      else assert.notEqual(finding?.['line'], 1)
    }
    // What someone wrote on purpose is no mistake.
    await writeFile(join(folder, 'other.json'), named.replace('Käse', '\uFFFD'))
    assert.doesNotMatch((await causeway('validate other.json')).stdout, /M001/)
  })

  it('says of anything at all what is wrong with it', async () => {
    for (const [text, why] of [
      ['', /^other\.json:1:1: error M001 it is not JSON: there is nothing in it$/],
      ['\0\u0001\u0002', /^other\.json:1:1: error M001 it is not JSON: expected a value \(it holds null bytes/],
      ['// x\n{}', /^other\.json:1:1: error M001 it is not JSON: a comment/],
      ['[]', /^other\.json:1:1: error M002 it has no object modulesContent$/],
      ['"modulesContent"', /^other\.json:1:1: error M002 /],
      ['{"modulesContent": [}', /^other\.json:1:21: error M001 /],
      ['{"content": {"deviceContent": {}}}', /^other\.json:1:14: error M002 deviceContent: it has deviceContent/]
    ] as const) {
      await writeFile(join(folder, 'other.json'), text)
      const { code, stdout } = await causeway('validate other.json')
      assert.equal(code, 3, text)
      assert.match(stdout.trim(), why)
    }
  })

  it('has an exit code for usage, and one for files, whatever the form', async () => {
    assert.equal((await causeway('validate good.json --output yaml')).code, 1)
    assert.equal((await causeway('validate good.json --nonsense')).code, 1)
    assert.equal((await causeway('validate good.json --output json')).code, 0)
    assert.equal((await causeway('validate bad.json --output json')).code, 3)
  })

  it('says what it cannot read', async () => {
    await mkdir(join(folder, 'empty'))
    for (const [name, why] of [
      ['nowhere.json', /^error MANIFEST_UNREADABLE: nowhere\.json cannot be read \(ENOENT\)$/m],
      ['empty', /^error MANIFEST_UNREADABLE: there is no deployment manifest in empty$/m]
    ] as const) {
      const { code, stdout, stderr } = await causeway(`validate ${name}`)
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, why)
    }
    assert.equal((await causeway('validate')).code, 1)
  })

  it('says all about the others where some cannot be read, as JSON too', async () => {
    await mkdir(join(folder, 'empty'))
    await mkdir(join(folder, 'sites'))
    await writeFile(join(folder, 'sites', 'deployment.json'), good)
    const { code, stdout, stderr } = await causeway('validate nowhere.json bad.json empty sites --output json')
    assert.equal(code, 1)
    const { files } = JSON.parse(stdout) as { files: { file: string; ok: boolean }[] }
    assert.deepEqual(
      files.map(({ file, ok }) => [file, ok]),
      [
        ['bad.json', false],
        [join('sites', 'deployment.json'), true]
      ]
    )
    assert.match(stderr, /^MANIFEST_UNREADABLE there is no deployment manifest in empty$/m)
    assert.match(stderr, /^error MANIFEST_UNREADABLE: nowhere\.json cannot be read \(ENOENT\)$/m)
    const text = await causeway('validate bad.json nowhere.json')
    assert.equal(text.code, 1)
    assert.match(text.stdout, /^bad\.json:\d+:\d+: error M020 /m)
    assert.match(text.stderr, /^1 file: 1 error, 1 remark$/m)
    const none = await causeway('validate nowhere.json --output json')
    assert.deepEqual([none.code, JSON.parse(none.stdout)], [1, { files: [] }])
  })
})

describe('causeway explain', () => {
  const explain = (...words: string[]): Promise<CommandLine> => runCommand(['explain', ...words], { folder: tmpdir() })

  it('tells what a code means, why it matters and what to do', async () => {
    const { code, stdout } = await explain('m033')
    assert.equal(code, 0)
    assert.match(stdout, /^M033 \(warning\): No credential fits/)
    assert.match(stdout, /\n\nWhy: .*\n\nWhat to do: .*\n\nFound, at [^]*\nInstead:\n[^]*\n\nFacts: §0\.7/)
  })

  it('shows for every code what it finds, and what to write instead', async () => {
    for (const code of Object.keys(rules)) {
      const { stdout } = await explain(code)
      assert.match(stdout, /\n\nFound(?:, at modulesContent\.\S+)?:\n {2}\S[^]*\nInstead:\n {2}\S/, code)
      assert.ok(stdout.length < 3000, code)
    }
  })

  it('lists all codes', async () => {
    assert.match((await explain()).stdout, /^M001 {2}error {4}The file is not JSON$/m)
  })

  it('suggests what was meant', async () => {
    const { code, stderr } = await explain('M03')
    assert.equal(code, 1)
    assert.match(stderr, /^error USAGE: there is no rule M03; did you mean M0\d\d\?; causeway explain lists them$/m)
    assert.match((await explain('constructor')).stderr, /^error USAGE: there is no rule constructor; causeway explain/m)
  })
})

describe('generate and deploy', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-validated-'))
    await writeFile(join(folder, 'site.yaml'), siteText())
  })
  afterEach(() => rm(folder, { recursive: true }))

  const template = {
    modulesContent: {
      ...goodManifest.modulesContent,
      $edgeHub: { 'properties.desired': { schemaVersion: '1.1', routes: { r: 'FROM /* TO $upstream' } } },
      'connected-registry': { 'properties.desired': '${settings}' }
    }
  }

  it('write and apply nothing that a device would refuse', async () => {
    const text = JSON.stringify(template).replaceAll('"m":', '"connected-registry":')
    await writeFile(join(folder, 'bad.template.json'), text)
    const made = await runCommand(
      ['generate', '--without-secrets', '--template', 'bad.template.json', '--output', '-'],
      {
        folder
      }
    )
    assert.deepEqual([made.code, made.stdout], [3, ''])
    assert.match(made.stderr, /^-:\d+:\d+: error M020 modulesContent\.\$edgeHub\.properties\.desired\.routes\.r: /m)
    assert.match(made.stderr, /^-:\d+:\d+: error M025 /m)
    assert.match(made.stderr, /^error VALIDATION_FAILED: a device would refuse -: 2 errors; causeway explain/m)

    const hub = new FakeHub()
    hub.put('gateway', '$edgeAgent')
    await writeFile(join(folder, 'bad.json'), bad)
    const deployed = await runCommand(['deploy', '--manifest', 'bad.json'], { folder, hub })
    assert.equal(deployed.code, 3)
    assert.match(deployed.stderr, /^bad\.json:\d+:\d+: error M020 /m)
    assert.deepEqual(hub.applied, [])
  })

  it('say what a device would take and misread', async () => {
    const text = JSON.stringify(template)
      .replaceAll('"m":', '"connected-registry":')
      .replace('FROM /* TO $upstream"}', 'FROM /* INTO $upstream WHERE a = 1"},"storeAndForwardConfiguration":{}')
    await writeFile(join(folder, 'odd.template.json'), text)
    const { code, stderr } = await runCommand(
      ['generate', '--without-secrets', '--template', 'odd.template.json', '--output', 'x.json'],
      { folder }
    )
    assert.equal(code, 0, stderr)
    assert.match(stderr, /^x\.json:\d+:\d+: warning M027 /m)
    // The pull token reads the runtime's four repositories; hello-world comes from the device's own registry.
    assert.match(stderr, /^x\.json:\d+:\d+: warning M094 .*crimagepulltoken may not read hello-world; /m)
    assert.equal(stderr.match(/M094/g)?.length, 1)
  })
})
