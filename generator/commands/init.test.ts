import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { isInstalled, skip } from '../../test/real-tools.ts'
import { readSite } from '../site-file/read.ts'
import { FakeAcr, FakeHub, runCommand, type CommandLine } from '../testing.ts'

const azure = [
  ...['--subscription', '00000000-0000-0000-0000-000000000001', '--resource-group', 'plant'],
  ...['--registry', 'plantregistry', '--hub', 'plant-hub']
]

describe('causeway init', function () {
  this.timeout(30_000)
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-init-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const run = (words: readonly string[], more: Partial<Parameters<typeof runCommand>[1]> = {}): Promise<CommandLine> =>
    runCommand(words, { folder, ...more })
  const works = async (...words: readonly string[]): Promise<CommandLine> => {
    const ran = await run(words, { acr: new FakeAcr() })
    assert.equal(ran.code, 0, `${words.join(' ')}\n${ran.stdout}\n${ran.stderr}`)
    return ran
  }

  const layers = [['gateway'], ['gateway', 'middle'], ['gateway', 'middle', 'lower']]
  for (const devices of layers)
    for (const clients of ['api-proxy', 'tls', 'http'])
      for (const mode of ['ReadOnly', 'ReadWrite'])
        for (const domain of ['', 'plant.example'])
          it(`${devices.join(', ')}; ${clients}; ${mode}; ${domain === '' ? 'no domain' : domain}`, async () => {
            const answers = [
              ...devices.flatMap((device) => ['--device', device]),
              ...['--clients', clients, '--mode', mode],
              ...(domain === '' ? [] : ['--domain', domain])
            ]
            if (clients === 'tls' && devices.length > 1) {
              const { code, stderr } = await run(['init', ...azure, ...answers])
              assert.equal(code, 1)
              assert.match(stderr, /error USAGE: --clients tls is for one layer/)
              assert.deepEqual(await readdir(folder), [])
              return
            }
            const { stderr } = await works('init', ...azure, ...answers)
            assert.equal(/^warning: .*plain HTTP/m.test(stderr), clients === 'http')
            const site = await readSite('site.yaml', folder)
            assert.deepEqual(Object.keys(site.devices).sort(), [...devices].sort())
            for (const [index, id] of devices.entries()) {
              const { parent, hostName, settings } = site.devices[id] ?? {}
              assert.equal(parent, devices[index - 1])
              assert.equal(site.devices[id]?.mode, mode)
              assert.equal(hostName, domain === '' ? undefined : `${id}.${domain}`)
              assert.equal(settings?.registry?.tls.source === 'workload', clients === 'tls')
              await works('generate', '--without-secrets', '--device', id)
            }
            await works('validate', '.')
            const plan = await run(['plan', '--output', 'json', '--no-image-check'], {
              acr: new FakeAcr(),
              hub: hubWith(devices)
            })
            assert.equal(plan.code, 2, plan.stderr)
            const [first = ''] = devices
            const told = await works(
              'client-config',
              '--device',
              first,
              '--host',
              'gw',
              ...through(clients),
              '--output',
              'json'
            )
            const { url } = JSON.parse(told.stdout) as { url: string }
            assert.equal(url, { tls: 'https://gw:8080', http: 'http://gw:8080' }[clients] ?? 'https://gw:8000')
          })

  const through = (clients: string): string[] => (clients === 'api-proxy' ? [] : ['--through', 'registry'])

  function hubWith(devices: readonly string[]): FakeHub {
    const hub = new FakeHub()
    for (const device of devices)
      for (const module of ['$edgeAgent', '$edgeHub', 'connected-registry']) hub.put(device, module)
    return hub
  }

  it('writes what can be read, whatever devices and repositories are called', async () => {
    const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/)
    const repository = fc.stringMatching(
      /^[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?(\/[a-z0-9]{1,8})?(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}\*?)?$/
    )
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(id, { minLength: 1, maxLength: 3 }),
        fc.uniqueArray(repository, { minLength: 1, maxLength: 4 }),
        async (devices, repositories) => {
          await rm(folder, { recursive: true })
          await mkdir(folder)
          const answers = [
            ...devices.flatMap((device) => ['--device', device]),
            ...repositories.flatMap((name) => ['--repository', name]),
            ...['--domain', 'plant.example']
          ]
          await works('init', ...azure, ...answers)
          const site = await readSite('site.yaml', folder)
          assert.deepEqual(Object.keys(site.devices).sort(), [...devices].sort())
          assert.deepEqual(site.imageSets['workloads']?.repositories, repositories)
          for (const device of devices) await works('generate', '--without-secrets', '--device', device)
        }
      ),
      { numRuns: 25 }
    )
  })

  it('asks on a terminal, again where an answer cannot be taken, and only for what is not given', async () => {
    const lines = ['not-a-guid', '00000000-0000-0000-0000-000000000002', '', 'plant', 'plantregistry']
    const more = ['', 'top, below', 'plant.example', 'ReadWrite', 'app:v1*', '', '']
    const { code, stderr } = await run(['init', '--hub', 'plant-hub'], {
      stdin: [...lines, ...more, ''].join('\n'),
      asked: true
    })
    assert.equal(code, 0, stderr)
    assert.match(stderr, /Azure subscription id: {3}must be a subscription id/)
    assert.match(stderr, /Resource group: {3}has to be answered/)
    assert.doesNotMatch(stderr, /IoT hub, by name/)
    const site = await readSite('site.yaml', folder)
    assert.deepEqual(Object.keys(site.devices), ['below', 'top'])
    assert.equal(site.devices['below']?.mode, 'ReadWrite')
    assert.equal(site.azure.hub, 'plant-hub')
  })

  it('never waits for somebody who is not there', async () => {
    for (const more of [{}, { stdin: '' }, { stdin: 'x\n', asked: false }]) {
      const { code, stderr } = await run(['init', '--hub', 'plant-hub'], more)
      assert.equal(code, 1)
      assert.match(
        stderr,
        /error USAGE: nobody can be asked here: give --subscription, --resource-group, --registry, or run/
      )
    }
    const told = await run(['init', '--yes'], { stdin: '', asked: true })
    assert.match(told.stderr, /give --subscription, --resource-group, --registry, --hub\n/)
    assert.deepEqual(await readdir(folder), [])
  })

  it('leaves nothing behind where the questions are broken off', async () => {
    const ended = await run(['init'], { stdin: '00000000-0000-0000-0000-000000000002\n', asked: true })
    assert.equal(ended.code, 130)
    assert.match(ended.stderr, /error CANCELLED: .*nothing was written/)
    const stopped = await run(['init'], { stdin: '', asked: true, signal: AbortSignal.abort() })
    assert.equal(stopped.code, 130)
    const late = await run(['init', ...azure], { signal: AbortSignal.abort() })
    assert.equal(late.code, 130)
    assert.deepEqual(await readdir(folder), [])
  })

  it('is broken off by Ctrl-C on a real terminal', async function () {
    // From util-linux: a terminal for a command, typed on through stdin.
    if (!isInstalled('script')) skip(this, 'script (util-linux) is not installed')
    const command = `'${process.execPath}' '${join(import.meta.dirname, '../main.ts')}' init '${folder}'`
    const typed = spawn('script', ['-qefc', command, '/dev/null'], { stdio: 'pipe' })
    let shown = ''
    typed.stdout.setEncoding('utf8').on('data', (text: string) => {
      const before = shown
      shown += text
      const asked = (what: string): boolean => shown.includes(what) && !before.includes(what)
      if (asked('subscription id: ')) typed.stdin.write('00000000-0000-0000-0000-000000000001\r')
      else if (asked('Resource group: ')) typed.stdin.write('\u0003')
    })
    const [code] = (await once(typed, 'close')) as [number]
    assert.equal(code, 130, shown)
    assert.match(shown, /error CANCELLED/)
    assert.deepEqual(await readdir(folder), [])
  })

  for (const name of ['site.yaml', 'deployment.template.json'])
    it(`goes over no ${name}, and asks nothing before it says so`, async () => {
      await writeFile(join(folder, name), 'mine')
      const { code, stderr } = await run(['init'], { stdin: '', asked: true })
      assert.equal(code, 5)
      assert.match(stderr, /^error OUTPUT_EXISTS: /)
      assert.deepEqual(await readdir(folder), [name])
      assert.equal(await readFile(join(folder, name), 'utf8'), 'mine')
      await works('init', 'site/north', ...azure)
      assert.deepEqual((await readdir(join(folder, 'site/north'))).sort(), ['deployment.template.json', 'site.yaml'])
    })

  it('takes the template of a clone for its own, and no other', async () => {
    const template = join(folder, 'deployment.template.json')
    await copyFile(join(import.meta.dirname, '../../deployment.template.json'), template)
    const { ino } = await stat(template)
    const other = await run(['init', ...azure, '--clients', 'http'])
    assert.equal(other.code, 5)
    assert.match(other.stderr, /^error OUTPUT_EXISTS: \S*deployment\.template\.json is there already, and nothing/)
    assert.deepEqual(await readdir(folder), ['deployment.template.json'])
    await works('init', ...azure)
    assert.equal((await stat(template)).ino, ino)
    assert.deepEqual((await readdir(folder)).sort(), ['deployment.template.json', 'site.yaml'])
  })

  for (const [words, reason] of [
    [['--device', 'a', '--device', 'a'], /--device must be different devices/],
    [['--device', 'a', '--device', 'b', '--device', 'c', '--device', 'd'], /--device must be 1 to 3 devices/],
    [['--mode', 'WriteOnly'], /Allowed choices are ReadOnly, ReadWrite/],
    [['--clients', 'vpn'], /Allowed choices are api-proxy, tls, http/],
    [['--cloud', 'MyCloud'], /Allowed choices are AzureCloud, /],
    [['--repository', 'Upper'], /--repository Upper is no repository/],
    [['--token', 'abc'], /--token must be a token name/],
    [['--domain', 'a b'], /--domain must be a domain/],
    [
      ['--token', 'gateway-sync-token'],
      /: the name gateway-sync-token is taken: [^]*error USAGE: these answers do not fit together/
    ]
  ] as const)
    it(`refuses ${words.join(' ')}`, async () => {
      const { code, stderr } = await run(['init', ...azure, ...words])
      assert.equal(code, 1)
      assert.match(stderr, reason)
      assert.deepEqual(await readdir(folder), [])
    })
})
