import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { freePort } from '../bench/processes.ts'
import { ForeignRegistry } from './foreign-registry.ts'
import { LoneModule } from './lone-module.ts'
import { proxyServes } from './nginx.ts'
import { isInstalled, Program, skip } from './real-tools.ts'
import { ask, pullPath } from './world.ts'

const credentials = { user: 'sync-token', password: 'right for the parent' }

interface Health {
  readonly connectionState: string
  readonly imagesReady: number
  readonly faults: readonly { readonly code: string; readonly description: string }[]
}

/** A real nginx on the way to a real registry, which answers in its place as proxies and captive portals do. */
class Proxy {
  readonly #folder: string
  #program: Program | undefined
  #port = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** @param location what stands in nginx's location for everything */
  async start(location: string): Promise<void> {
    this.#port = await freePort()
    await mkdir(join(this.#folder, 'temporary'), { recursive: true })
    await this.#answers(location)
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path temporary/${name};`
    )
    await writeFile(
      join(this.#folder, 'nginx.conf'),
      `daemon off; worker_processes 1; pid nginx.pid; error_log stderr notice;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 64; }
http {
  access_log off; ${paths.join(' ')}
  server { listen ${this.endpoint}; include answers.conf; }
}
`
    )
    this.#program = new Program('nginx', ['-p', this.#folder, '-c', join(this.#folder, 'nginx.conf')])
    await this.#program.says(proxyServes)
  }

  async become(location: string): Promise<void> {
    if (this.#program === undefined) throw new Error('nginx was not started')
    await this.#answers(location)
    const { length } = this.#program.said
    this.#program.signal('SIGHUP')
    // The old worker answers until it has closed its connections.
    await this.#program.says(/worker process \d+ exited/, length)
  }

  async stop(): Promise<void> {
    await this.#program?.end('SIGTERM')
  }

  #answers(location: string): Promise<void> {
    return writeFile(join(this.#folder, 'answers.conf'), `location / { ${location} }\n`)
  }
}

describe('a parent in whose place something else answers', function () {
  this.timeout(60_000)
  let folder: string
  let parent: ForeignRegistry | undefined
  let proxy: Proxy | undefined
  let module: LoneModule | undefined
  /** Changes with each writing: what is the same starts no pass. */
  let minutes = 15

  before(async function () {
    for (const tool of ['docker-registry', 'nginx']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    folder = await mkdtemp(join(tmpdir(), 'causeway-wrong-'))
    parent = await ForeignRegistry.start(join(folder, 'parent'), credentials)
    await parent.push('plant/app', '1.0', [1000])
    await parent.push('plant/app', '1.1', [1000])
    await parent.push('tools', '2.0', [1000])
    proxy = new Proxy(join(folder, 'nginx'))
    await proxy.start(registry())
    module = new LoneModule(folder)
    await module.write(settings())
    await module.start()
    await module.logs(/ sync ended .*state=Succeeded/)
  })
  after(async () => {
    if (module?.isRunning === true) await module.stop()
    await proxy?.stop()
    await parent?.stop()
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true, force: true })
  })

  const registry = (): string => `proxy_pass http://${parent!.endpoint};`
  const settings = (): SettingsInput => ({
    schemaVersion: '1.0',
    parent: {
      endpoint: proxy!.endpoint,
      protocol: 'http',
      tokenName: credentials.user,
      password: credentials.password
    },
    imageSets: { all: { repositories: ['plant/app:1.*', 'tools:2.0'], deletions: 'mirror', referrers: false } },
    sync: { intervalMinutes: minutes },
    anonymousPull: { enabled: true }
  })

  /** What the module says of itself after a pass in which this answers. */
  async function afterPass(location: string): Promise<Health> {
    await proxy!.become(location)
    const { length } = module!.log
    minutes += 1
    await module!.write(settings())
    await module!.logs(/ settings applied[^]* sync ended .*trigger=SettingsChange/, length)
    return JSON.parse((await ask({ origin: module!.origin }, '/healthz')).body.toString()) as Health
  }

  async function servesAll(): Promise<void> {
    for (const [repository, tag] of [
      ['plant/app', '1.0'],
      ['plant/app', '1.1'],
      ['tools', '2.0']
    ] as const)
      assert.equal((await pullPath({ origin: module!.origin }, repository, `manifests/${tag}`)).status, 200)
    assert.doesNotMatch(module!.log, /image removed/)
  }

  const page = (status: number): string => `default_type text/html; return ${status} '<h1>hello</h1>';`
  for (const [answer, location, code, connectionState] of [
    ['404 of a web server', page(404), 'ParentProtocol', 'Unhealthy'],
    [
      "404 of a web server, behind Docker's recipe for nginx",
      `add_header Docker-Distribution-Api-Version registry/2.0 always; ${page(404)}`,
      'ParentProtocol',
      'Unhealthy'
    ],
    ["200 of a captive portal's page", page(200), 'ParentProtocol', 'Unhealthy'],
    [
      "200 of a captive portal's JSON",
      `default_type application/json; return 200 '{"login":1}';`,
      'ParentProtocol',
      'Unhealthy'
    ],
    ['403 of a firewall', page(403), 'ParentDenied', 'Offline'],
    ['502 of a proxy', `add_header Retry-After 0 always; ${page(502)}`, 'ParentFailed', 'Offline']
  ] as const)
    it(`removes nothing for the ${answer}, and says ${code}`, async () => {
      const health = await afterPass(location)
      await servesAll()
      assert.deepEqual(
        health.faults.map((fault) => fault.code),
        [code]
      )
      assert.equal(health.connectionState, connectionState)
    })

  it('is told as Online again once the registry answers', async () => {
    const { connectionState, faults, imagesReady } = await afterPass(registry())
    assert.deepEqual(
      { connectionState, faults, imagesReady },
      { connectionState: 'Online', faults: [], imagesReady: 3 }
    )
    await servesAll()
  })

  it('removes all where a registry has it no more, and says so', async () => {
    await parent!.stop()
    parent = await ForeignRegistry.start(join(folder, 'empty parent'), credentials)
    const { connectionState, faults } = await afterPass(registry())
    assert.deepEqual({ connectionState, faults }, { connectionState: 'Online', faults: [] })
    for (const [repository, tag] of [
      ['plant/app', '1.0'],
      ['tools', '2.0']
    ] as const)
      assert.equal((await pullPath({ origin: module!.origin }, repository, `manifests/${tag}`)).status, 404)
  })
})
