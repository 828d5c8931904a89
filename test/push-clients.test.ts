import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { algorithmOf, digestOf, parseDigest } from '../module/oci/digest.ts'
import { manifestMediaTypes, mediaTypes } from '../module/oci/media-types.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { credentialsIn, engineNames, makeEngine, type Engine } from './engines.ts'
import { LoneModule } from './lone-module.ts'
import { ApiProxy } from './nginx.ts'
import { isInstalled, Program, run, skip, type Variables } from './real-tools.ts'
import { makeTinyImage } from './tiny-image.ts'
import type { Ran } from './world.ts'

const user = 'plant-pusher'
const password = 'a password for loopback alone'
const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const seed = makeTinyImage('hello')

describe('real clients that push', function () {
  this.timeout(120_000)
  let folder: string
  let module: LoneModule
  /** `127.0.0.1:port` */
  let registry: string
  /** In front of it, where nginx is installed. */
  let proxy: ApiProxy | undefined
  /** A folder with the proxy's authority. */
  let trust: string

  before(async () => {
    // podman takes no path of more than 50 characters for what runs.
    folder = await mkdtemp(join(tmpdir(), 'cw-push-'))
    const rights = ['content/read', 'content/write', 'content/delete', 'metadata/read']
    module = new LoneModule(folder)
    await module.write({
      schemaVersion: '1.0',
      mode: 'ReadWrite',
      scopeMaps: { pusher: { actions: rights.map((right) => `repositories/plant/*/${right}`) } },
      tokens: { [user]: { scopeMap: 'pusher', passwords: { password1: { hash: await hashPassword(password) } } } }
    })
    await module.start()
    registry = new URL(module.origin).host
    for (const blob of seed.blobs)
      assert.equal(await send('POST', `plant/seed/blobs/uploads/?digest=${digestOf(blob)}`, blob), 201)
    assert.equal(await send('PUT', 'plant/seed/manifests/1.0', seed.manifest, mediaTypes.ociManifest), 201)
    if (!isInstalled('nginx')) return
    const authority = await CertificateAuthority.create()
    trust = join(folder, 'trust')
    await mkdir(trust)
    await writeFile(join(trust, 'ca.crt'), authority.certificate)
    proxy = new ApiProxy(join(folder, 'nginx'), await authority.issue(['127.0.0.1']))
    await proxy.start(registry)
  })
  after(async () => {
    await proxy?.stop()
    await module.stop()
    await rm(folder, { recursive: true })
  })

  async function send(method: string, path: string, body: Buffer, type = 'application/octet-stream'): Promise<number> {
    const headers = { authorization, 'content-type': type }
    const response = await fetch(`${module.origin}/v2/${path}`, { method, headers, body: new Uint8Array(body) })
    await response.arrayBuffer()
    return response.status
  }

  async function get(path: string): Promise<Response> {
    const headers = { authorization, accept: manifestMediaTypes.join(', ') }
    return fetch(`${module.origin}/v2/${path}`, { headers })
  }

  /** @returns the digest of an image that is all there, with every byte as its manifest has it */
  async function isWhole(repository: string, reference: string): Promise<string> {
    const response = await get(`${repository}/manifests/${reference}`)
    assert.equal(response.status, 200)
    const bytes = Buffer.from(await response.arrayBuffer())
    const digest = digestOf(bytes)
    assert.equal(response.headers.get('docker-content-digest'), digest)
    const { config, layers } = JSON.parse(bytes.toString())
    for (const { digest: text, size } of [config, ...layers]) {
      const blob = Buffer.from(await (await get(`${repository}/blobs/${text as string}`)).arrayBuffer())
      assert.equal(blob.length, size)
      assert.equal(digestOf(blob, algorithmOf(parseDigest(text as string))), text)
    }
    return digest
  }

  async function tagsOf(repository: string): Promise<readonly string[]> {
    return ((await (await get(`${repository}/tags/list`)).json()) as { tags: string[] }).tags
  }

  /** Runs a client with credentials of its own. */
  async function client(name: string, words: readonly string[], environment: Variables, input = ''): Promise<Ran> {
    const place = join(folder, 'credentials', name)
    await mkdir(place, { recursive: true, mode: 0o700 })
    // podman and buildah want a file where they are told of one.
    await writeFile(join(place, 'config.json'), '{"auths":{}}', { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
    return run(name, words, { ...environment, ...credentialsIn(place) }, input)
  }

  async function works(ran: Promise<Ran>): Promise<Ran> {
    const { code, stdout, stderr } = await ran
    assert.equal(code, 0, `${stdout}\n${stderr}`)
    return { code, stdout, stderr }
  }

  for (const name of engineNames)
    describe(name, () => {
      let engine: Engine
      let stop: (() => Promise<void>) | undefined

      before(async function () {
        const place = join(folder, 'clients')
        await mkdir(place, { recursive: true })
        engine = makeEngine(name, place)
        const reason = await engine.start()
        if (reason !== undefined) skip(this, reason)
        stop = () => engine.stop()
        await works(client(name, engine.login(registry, user), engine.environment, password))
        await works(client(name, engine.pull(`${registry}/plant/seed:1.0`), engine.environment))
      })
      after(() => stop?.())

      const push = async (image: string): Promise<Ran> => {
        const commands = [...engine.push(`${registry}/plant/seed:1.0`, `${registry}/${image}`)]
        const pushing = commands.pop()!
        for (const words of commands) await works(client(name, words, engine.environment))
        return client(name, pushing, engine.environment)
      }

      it('pushes an image, twice, and pulls it again', async () => {
        for (const tag of ['first', 'second']) await works(push(`plant/${name}:${tag}`))
        const digest = await isWhole(`plant/${name}`, 'first')
        assert.deepEqual(await tagsOf(`plant/${name}`), ['first', 'second'])
        await engine.forget(`${registry}/plant/seed:1.0`)
        await works(client(name, engine.pull(`${registry}/plant/${name}:second`), engine.environment))
        assert.equal(await engine.pulled(`${registry}/plant/${name}:second`), digest)
        await engine.forget(`${registry}/plant/${name}:second`)
        await works(client(name, engine.pull(`${registry}/plant/seed:1.0`), engine.environment))
      })

      it('logs in, pushes and pulls through nginx, as the API proxy routes', async function () {
        if (proxy === undefined) skip(this, 'nginx is not installed')
        // Engines take 127.0.0.1 for insecure, and so whatever certificate is there.
        const through = `${proxy.host}/plant/proxied-${name}:1.0`
        await works(client(name, engine.login(proxy.host, user), engine.environment, password))
        const commands = engine.push(`${registry}/plant/seed:1.0`, through)
        for (const words of commands) await works(client(name, words, engine.environment))
        const digest = await isWhole(`plant/proxied-${name}`, '1.0')
        await engine.forget(`${registry}/plant/seed:1.0`)
        await works(client(name, engine.pull(through), engine.environment))
        assert.equal(await engine.pulled(through), digest)
        await engine.forget(through)
        await works(client(name, engine.pull(`${registry}/plant/seed:1.0`), engine.environment))
      })

      it('is refused where its scope map does not let it push, and told so', async () => {
        const { code, stderr } = await push('elsewhere/image:1.0')
        assert.notEqual(code, 0)
        // On its first HEAD, which has no body, a client shows the status alone.
        assert.match(stderr, /denied|403 \(Forbidden\)/)
        assert.equal((await get('elsewhere/image/tags/list')).status, 403)
      })
    })

  describe('skopeo', () => {
    before(async function () {
      if (!isInstalled('skopeo')) skip(this, 'skopeo is not installed')
      const words = ['login', '--tls-verify=false', '-u', user, '--password-stdin', registry]
      await works(skopeo(words, password))
    })
    const skopeo = (words: readonly string[], input = ''): Promise<Ran> =>
      client('skopeo', words, { HOME: folder, TMPDIR: folder }, input)
    const image = (name: string): string => `docker://${registry}/plant/${name}`
    const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false']

    it("copies from repository to repository, in Docker's form too, lists, and deletes", async () => {
      await works(skopeo(['copy', ...insecure, image('seed:1.0'), image('copied:oci')]))
      assert.equal(await isWhole('plant/copied', 'oci'), seed.digest)
      await works(skopeo(['copy', ...insecure, '--format', 'v2s2', image('seed:1.0'), image('copied:docker')]))
      await isWhole('plant/copied', 'docker')
      const type = (await get('plant/copied/manifests/docker')).headers.get('content-type')
      assert.equal(type, mediaTypes.dockerManifest)
      const { stdout } = await works(skopeo(['list-tags', '--tls-verify=false', image('copied')]))
      assert.deepEqual(JSON.parse(stdout).Tags, ['docker', 'oci'])
      await works(skopeo(['delete', '--tls-verify=false', image('copied:oci')]))
      assert.deepEqual(await tagsOf('plant/copied'), ['docker'])
    })

    it('pushes and deletes through nginx, as the API proxy routes, and trusts its certificate', async function () {
      if (proxy === undefined) skip(this, 'nginx is not installed')
      await works(skopeo(['login', '--cert-dir', trust, '-u', user, '--password-stdin', proxy.host], password))
      const through = `docker://${proxy.host}/plant/proxied:1.0`
      await works(skopeo(['copy', '--src-tls-verify=false', '--dest-cert-dir', trust, image('seed:1.0'), through]))
      assert.equal(await isWhole('plant/proxied', '1.0'), seed.digest)
      await works(skopeo(['delete', '--cert-dir', trust, through]))
      assert.deepEqual(await tagsOf('plant/proxied'), [])
    })
  })

  describe('crane', () => {
    before(async function () {
      if (!isInstalled('crane')) skip(this, 'crane is not installed')
      await works(crane(['auth', 'login', registry, '-u', user, '--password-stdin'], password))
    })
    const crane = (words: readonly string[], input = ''): Promise<Ran> =>
      client('crane', words, { HOME: folder, TMPDIR: folder }, input)

    it('logs in, copies, lists and deletes through nginx, as the API proxy routes', async function () {
      if (proxy === undefined) skip(this, 'nginx is not installed')
      const { host } = proxy
      const trusting = (words: readonly string[], input = ''): Promise<Ran> =>
        client('crane', words, { HOME: folder, TMPDIR: folder, SSL_CERT_FILE: join(trust, 'ca.crt') }, input)
      await works(trusting(['auth', 'login', host, '-u', user, '--password-stdin'], password))
      await works(trusting(['copy', `${registry}/plant/seed:1.0`, `${host}/plant/crane-proxied:1.0`]))
      assert.equal(await isWhole('plant/crane-proxied', '1.0'), seed.digest)
      assert.equal((await works(trusting(['ls', `${host}/plant/crane-proxied`]))).stdout, '1.0\n')
      await works(trusting(['delete', `${host}/plant/crane-proxied@${seed.digest}`]))
      assert.deepEqual(await tagsOf('plant/crane-proxied'), [])
    })

    it('copies with mounts, tags, lists, and deletes', async () => {
      await works(crane(['copy', `${registry}/plant/seed:1.0`, `${registry}/plant/crane:1.0`]))
      assert.equal(await isWhole('plant/crane', '1.0'), seed.digest)
      await works(crane(['tag', `${registry}/plant/crane:1.0`, 'latest']))
      assert.equal((await works(crane(['ls', `${registry}/plant/crane`]))).stdout, '1.0\nlatest\n')
      assert.match((await works(crane(['catalog', registry]))).stdout, /^plant\/crane$/m)
      await works(
        crane(['append', '-b', `${registry}/plant/crane:1.0`, '-t', `${registry}/plant/crane:2`, '-f', await aTar()])
      )
      await isWhole('plant/crane', '2')
      await works(crane(['delete', `${registry}/plant/crane@${seed.digest}`]))
      assert.deepEqual(await tagsOf('plant/crane'), ['2'])
    })

    async function aTar(): Promise<string> {
      const file = join(folder, 'layer.tar')
      await writeFile(file, Buffer.alloc(1024))
      return file
    }
  })

  describe("containerd's ctr", () => {
    let containerd: Program | undefined
    let socket: string

    before(async function () {
      for (const tool of ['containerd', 'ctr']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
      if (process.getuid?.() !== 0) skip(this, 'containerd needs root')
      const place = join(folder, 'containerd')
      await mkdir(place)
      socket = join(place, 'containerd.sock')
      const configuration = [
        'version = 2',
        `root = "${join(place, 'root')}"`,
        `state = "${join(place, 'state')}"`,
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
        '[grpc]',
        `address = "${socket}"`
      ]
      await writeFile(join(place, 'config.toml'), configuration.join('\n'))
      containerd = new Program('containerd', ['-c', join(place, 'config.toml')], { HOME: place, TMPDIR: place })
      try {
        await containerd.says(/containerd successfully booted/)
      } catch (error) {
        skip(this, `containerd does not come up here: ${(error as Error).message.split('\n').at(-1) ?? ''}`)
      }
    })
    after(() => containerd?.end('SIGTERM'))
    // It has no other way to be told of a password, and this one is the test's own.
    const ctr = (...words: readonly string[]): Promise<Ran> =>
      client('ctr', ['-a', socket, 'images', ...words], { HOME: folder, TMPDIR: folder })
    const login = ['--plain-http', '--user', `${user}:${password}`]

    it('pushes and pulls through nginx, as the API proxy routes', async function () {
      if (proxy === undefined) skip(this, 'nginx is not installed')
      // For 127.0.0.1 it speaks plain HTTP, unless it is told otherwise in its own way.
      const hosts = join(folder, 'hosts')
      await mkdir(join(hosts, proxy.host), { recursive: true })
      const told = [
        `[host."https://${proxy.host}"]`,
        'capabilities = ["pull", "resolve", "push"]',
        `ca = "${join(trust, 'ca.crt')}"`
      ]
      await writeFile(join(hosts, proxy.host, 'hosts.toml'), told.join('\n'))
      const secure = ['--hosts-dir', hosts, '--user', `${user}:${password}`]
      const through = `${proxy.host}/plant/ctr-proxied:1.0`
      await works(ctr('pull', ...login, '--snapshotter', 'native', `${registry}/plant/seed:1.0`))
      await works(ctr('push', ...secure, through, `${registry}/plant/seed:1.0`))
      assert.equal(await isWhole('plant/ctr-proxied', '1.0'), seed.digest)
      await works(ctr('pull', ...secure, '--snapshotter', 'native', through))
    })

    it('pulls an image and pushes it', async () => {
      await works(ctr('pull', ...login, '--snapshotter', 'native', `${registry}/plant/seed:1.0`))
      await works(ctr('push', ...login, `${registry}/plant/ctr:1.0`, `${registry}/plant/seed:1.0`))
      assert.equal(await isWhole('plant/ctr', '1.0'), seed.digest)
    })
  })
})
