import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Program, run } from '../test/real-tools.ts'
import { lastWords } from './device.ts'

const main = join(import.meta.dirname, 'main.ts')
const children = (pid: number): string => `/proc/${pid}/task/${pid}/children`

describe('npm start', function () {
  this.timeout(120_000)
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-demo-test-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const start = (...words: string[]): Program => new Program(process.execPath, [main, ...words], { TMPDIR: folder })
  const walk = (words: readonly string[], variables: Readonly<Record<string, string>> = {}) =>
    run(process.execPath, [main, ...words], { TMPDIR: folder, ...variables }, '', 110_000)

  it('walks the road and ends, whatever the environment of whoever runs it says of Azure, passwords and proxies', async () => {
    const store = join(folder, 'mine.jwe')
    const { code, stdout, stderr } = await walk(['--once'], {
      CAUSEWAY_SECRETS: store,
      AZURE_TOKEN_CREDENTIALS: 'dev',
      NODE_USE_ENV_PROXY: '1',
      http_proxy: 'http://127.0.0.1:1',
      NO_PROXY: '*'
    })
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /^7\. .*\n.* is sha256:[0-9a-f]{64}, \d+ bytes, every one verified/m)
    assert.deepEqual(await readdir(folder), [], 'nothing of it stays, and nothing of the person is touched')
  })

  it('ends with 1 and says at which step and why where the road cannot be walked', async () => {
    const site = join(folder, 'other.yaml')
    const example = await readFile(join(import.meta.dirname, '../manifests/site.yaml'), 'utf8')
    await writeFile(site, example.replace('mycontainerregistry001', 'someoneelses'))
    const { code, stdout, stderr } = await walk(['--once', '--site', site])
    assert.equal(code, 1, stdout + stderr)
    assert.match(stdout, /step 2\. provision.* failed: causeway provision .* ended with \d/)
    assert.match(stderr, /AZURE_NOT_FOUND.*someoneelses/)
    assert.deepEqual(await readdir(folder), ['other.yaml'])
  })

  it('tells mistakes in a line, without a stack trace', async () => {
    const noPlace = await walk(['--once'], { TMPDIR: join(folder, 'absent') })
    assert.equal(noPlace.code, 1)
    assert.match(noPlace.stdout, /step 1\..* failed: the simulator did not start\nSIMULATOR_FAILED: ENOENT.*absent/)
    const noOption = await walk(['--onces'])
    assert.equal(noOption.code, 2)
    assert.match(noOption.stderr, /--onces[^]*usage: npm start/)
    for (const { stdout, stderr } of [noPlace, noOption]) assert.doesNotMatch(stdout + stderr, /^ +at /m)
  })

  it('ends in order when its terminal is closed in the middle of a step', async () => {
    const demo = start()
    await demo.says(/^4\. /m)
    assert.equal(await demo.end('SIGHUP'), 130)
    assert.doesNotMatch(demo.said, /UNREADABLE|ENOENT/, 'the files of a command stay until it has ended')
    assert.deepEqual(await readdir(folder), [])
  })

  it('leaves no pretend Azure and no passwords behind when it is killed', async () => {
    const demo = start()
    await demo.says(/^3\. /m)
    await demo.end('SIGKILL')
    for (let waited = 0; (await readdir(folder)).length > 0 && waited < 600; waited += 1) await delay(100)
    assert.deepEqual(await readdir(folder), [])
  })

  it('says so, and ends, when the pretend Azure does', async function () {
    if (!existsSync('/proc/self/task')) this.skip()
    const demo = start()
    await demo.says(/Ctrl-C ends all of it/)
    const [simulator] = readFileSync(children(demo.pid!), 'utf8').trim().split(' ')
    process.kill(Number(simulator), 'SIGKILL')
    assert.equal(await demo.ended, 1)
    assert.match(demo.said, /the pretend Azure ended by itself/)
    // A socket without its server may stay; files with passwords may not.
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('causeway-')),
      []
    )
  })

  it('shows what the module wrote last', async () => {
    const module = { name: 'connected-registry', runtimeStatus: 'backoff', log: ['one', 'Error: boom'], ports: {} }
    const control = createServer((_request, response) =>
      response.end(JSON.stringify([{ id: 'gateway', modules: [module] }]))
    ).listen(0, '127.0.0.1')
    await once(control, 'listening')
    const url = `http://127.0.0.1:${(control.address() as AddressInfo).port}`
    try {
      assert.match(
        await lastWords(url, 'gateway'),
        /connected-registry on gateway is backoff.*:\n {2}one\n {2}Error: boom$/
      )
      assert.equal(await lastWords(url, 'another'), '')
    } finally {
      control.close()
      control.closeAllConnections()
    }
    assert.equal(await lastWords(url, 'gateway'), '', 'and nothing where nobody can be asked')
  })
})
