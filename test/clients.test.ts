import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { credentialsIn, engineNames, makeEngine, type Engine } from './engines.ts'
import { isInstalled, run, skip } from './real-tools.ts'
import { ask, World, type Ran } from './world.ts'

const user = 'plant-client'
const refused = /unauthorized|authentication required|invalid username\/password/i

describe('real container clients', function () {
  this.timeout(180_000)
  let world: World
  let password: string
  /** What the cloud has under hello-world:latest: an index with three platforms. */
  let digest: string
  /** All that clients print. */
  let printed = ''

  before(async () => {
    world = await World.start()
    await world.mustRun('provision')
    await world.mustRun('images', 'import')
    await world.mustRun('deploy', '--device', 'gateway')
    await world.mustRun('status', '--device', 'gateway', '--wait')
    password = await world.password(user)
    digest = world.cloud.digestOf('hello-world', 'latest')!
  })
  after(() => world.close())

  /** Runs a client as somebody: who has not logged in yet has no credentials. */
  async function as(who: string, { name, environment }: Client, words: readonly string[], input = ''): Promise<Ran> {
    const folder = join(world.folder, 'credentials', name, who)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // podman and buildah want a file where they are told of one.
    const none = { flag: 'wx', mode: 0o600 }
    await writeFile(join(folder, 'config.json'), '{"auths":{}}', none).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
    const ran = await run(name, words, { ...environment, ...credentialsIn(folder) }, input)
    printed += ran.stdout + ran.stderr
    return ran
  }

  async function works(ran: Promise<Ran>): Promise<Ran> {
    const { code, stdout, stderr } = await ran
    assert.equal(code, 0, `${stdout}\n${stderr}`)
    return { code, stdout, stderr }
  }

  async function fails(ran: Promise<Ran>, reason: RegExp): Promise<void> {
    const { code, stdout, stderr } = await ran
    assert.notEqual(code, 0, stdout)
    assert.match(stderr, reason)
  }

  for (const name of engineNames)
    describe(name, () => {
      let engine: Engine
      let registry: string
      let stop: (() => Promise<void>) | undefined

      before(async function () {
        const folder = join(world.folder, 'clients')
        await mkdir(folder, { recursive: true })
        engine = makeEngine(name, folder)
        registry = world.registry('gateway')
        const reason = await engine.start()
        if (reason !== undefined) skip(this, reason)
        stop = () => engine.stop()
      })
      after(() => stop?.())

      it('is refused without a login', async () => {
        await fails(as('nobody', engine, engine.pull(`${registry}/hello-world:latest`)), refused)
      })

      it('is refused with a wrong password, when it logs in and when it pulls', async () => {
        await fails(as('guesser', engine, engine.login(registry, user), 'wrong'), refused)
        const auths = { [registry]: { auth: Buffer.from(`${user}:wrong`).toString('base64') } }
        const folder = join(world.folder, 'credentials', name, 'guesser')
        await writeFile(join(folder, 'config.json'), JSON.stringify({ auths }), { mode: 0o600 })
        await fails(as('guesser', engine, engine.pull(`${registry}/hello-world:latest`)), refused)
      })

      it('logs in with a client token, and pulls by tag and by digest what was pushed to the cloud', async () => {
        await works(as('client', engine, engine.login(registry, user), password))
        for (const image of [`${registry}/hello-world:latest`, `${registry}/hello-world@${digest}`]) {
          await works(as('client', engine, engine.pull(image)))
          assert.equal(await engine.pulled(image), digest)
          await engine.forget(image)
        }
      })

      it('is refused a repository that the scope map leaves out', async () => {
        await fails(
          as('client', engine, engine.pull(`${registry}/azureiotedge-agent:1.6.1`)),
          /denied: the scope map of token plant-client does not allow pull on azureiotedge-agent/
        )
      })

      it('is refused a push, and shown the reason', async () => {
        const image = `${registry}/hello-world:latest`
        await works(as('client', engine, engine.pull(image)))
        const commands = [...engine.push(image, `${registry}/hello-world:new`)]
        const pushing = commands.pop()!
        for (const words of commands) await works(as('client', engine, words))
        await fails(as('client', engine, pushing), /this connected registry is ReadOnly: push to its parent/)
      })
    })

  describe("through the device's API proxy, by TLS", () => {
    const origin = 'https://gateway.plant.example:8000'
    const host = 'gateway.plant.example:8000'

    it('is challenged with a realm that leads back through the proxy', async () => {
      const { network, certificates } = world.simulator
      const certificate = await readFile(certificates.edge, 'utf8')
      const { status, headers } = await ask({ origin, proxyUrl: network.proxyUrl, certificate }, '/v2/')
      assert.equal(status, 401)
      assert.equal(headers['www-authenticate'], `Bearer realm="${origin}/acr/oauth2/token",service="${host}"`)
    })

    describe('skopeo', () => {
      let client: Client
      let trust: string

      before(async function () {
        if (!isInstalled('skopeo')) skip(this, 'skopeo is not installed')
        trust = join(world.folder, 'trust')
        await mkdir(trust)
        await copyFile(world.simulator.certificates.edge, join(trust, 'ca.crt'))
        const { proxyUrl } = world.simulator.network
        const environment = { HOME: world.folder, TMPDIR: world.folder, HTTPS_PROXY: proxyUrl }
        client = { name: 'skopeo', environment }
      })

      const pull = (...trusting: readonly string[]): readonly string[] => [
        ...['--debug', 'copy', '--all', ...trusting],
        ...[`docker://${host}/hello-world:latest`, `dir:${join(world.folder, 'through-the-proxy')}`]
      ]

      it('does not trust it without the authority of the site', async () => {
        await fails(as('remote', client, pull()), /certificate signed by unknown authority/)
      })

      it('logs in, gets its token there, and pulls every byte', async () => {
        const login = ['login', '--cert-dir', trust, '-u', user, '--password-stdin', host]
        await works(as('remote', client, login, password))
        const { stderr } = await works(as('remote', client, pull('--src-cert-dir', trust)))
        assert.match(stderr, /GET https:\/\/gateway\.plant\.example:8000\/acr\/oauth2\/token\?/)
        const folder = join(world.folder, 'through-the-proxy')
        assert.equal(digestOf(await readFile(join(folder, 'manifest.json'))), digest)
        const blobs = (await readdir(folder)).filter((file) => /^[0-9a-f]{64}$/.test(file))
        // One layer is the same in the three images; the other and the configuration are each one's own.
        assert.equal(blobs.length, 7)
        for (const blob of blobs) assert.equal(digestOf(await readFile(join(folder, blob))), `sha256:${blob}`)
      })
    })
  })

  // Suites run in the order they are written in, and tests beside them run first.
  describe('all of them', () => {
    it('leave no password behind in what they print, nor in what the module logs', () => {
      const { log } = world.simulator.devices
        .get('gateway')!
        .agent.modules()
        .find(({ name }) => name === 'connected-registry')!
      assert.match(log.join('\n'), /serving/)
      for (const text of [printed, ...log]) assert.ok(!text.includes(password))
    })
  })
})

type Client = Pick<Engine, 'name' | 'environment'>
