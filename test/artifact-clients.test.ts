import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { LoneModule } from './lone-module.ts'
import { ApiProxy } from './nginx.ts'
import { isInstalled, run, skip } from './real-tools.ts'
import { makeTinyImage } from './tiny-image.ts'
import type { Ran } from './world.ts'

const user = 'plant-pusher'
const password = 'a password for loopback alone'
const seed = makeTinyImage('hello')

/** How a client comes to the registry. */
interface Way {
  /** `host:port` */
  readonly host: string
  /** A file with the authority to trust; undefined for plain HTTP. */
  readonly trust?: string
}

/* Clients of artifacts and referrers, directly and through nginx as the API proxy routes. */
describe('real clients that push artifacts', function () {
  this.timeout(60_000)
  let folder: string
  let module: LoneModule
  let proxy: ApiProxy | undefined
  const ways: Record<'direct' | 'proxied', Way | undefined> = { direct: undefined, proxied: undefined }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-artifacts-'))
    await writeFile(join(folder, 'sbom.json'), '{"sbom":true}')
    const rights = ['content/read', 'content/write', 'content/delete', 'metadata/read']
    module = new LoneModule(folder)
    await module.write({
      schemaVersion: '1.0',
      mode: 'ReadWrite',
      scopeMaps: { pusher: { actions: rights.map((right) => `repositories/plant/*/${right}`) } },
      tokens: { [user]: { scopeMap: 'pusher', passwords: { password1: { hash: await hashPassword(password) } } } }
    })
    await module.start()
    ways.direct = { host: new URL(module.origin).host }
    if (!isInstalled('nginx')) return
    const authority = await CertificateAuthority.create()
    const trust = join(folder, 'ca.crt')
    await writeFile(trust, authority.certificate)
    proxy = new ApiProxy(join(folder, 'nginx'), await authority.issue(['127.0.0.1']))
    await proxy.start(ways.direct.host)
    ways.proxied = { host: proxy.host, trust }
  })
  after(async () => {
    await proxy?.stop()
    await module.stop()
    await rm(folder, { recursive: true })
  })

  /** Runs a client to its end, with credentials of its own, and wants it to end well. */
  async function works(name: string, words: readonly string[], input = ''): Promise<string> {
    const place = join(folder, 'credentials', name)
    await mkdir(place, { recursive: true, mode: 0o700 })
    const environment = { HOME: place, DOCKER_CONFIG: place, REGCTL_CONFIG: join(place, 'regctl.json') }
    const { code, stdout, stderr }: Ran = await run(name, words, environment, input)
    assert.equal(code, 0, `${name} ${words.join(' ')}\n${stdout}\n${stderr}`)
    return stdout
  }

  for (const kind of ['direct', 'proxied'] as const)
    describe(kind === 'direct' ? 'directly' : 'through nginx, as the API proxy routes', () => {
      let way: Way
      let sbom: string

      before(function () {
        const found = ways[kind]
        if (found === undefined) skip(this, 'nginx is not installed')
        way = found
        sbom = join(folder, 'sbom.json')
      })

      it('oras logs in, pushes, lists, attaches, discovers, pulls, copies and deletes', async function () {
        if (!isInstalled('oras')) skip(this, 'oras is not installed')
        const { host, trust } = way
        const how = trust === undefined ? ['--plain-http'] : ['--ca-file', trust]
        const oras = (...words: readonly string[]): Promise<string> => works('oras', [...words, ...how])
        const image = `${host}/plant/oras-${kind}`
        await works('oras', ['login', ...how, '-u', user, '--password-stdin', host], password)
        const typed = ['--artifact-type', 'application/vnd.plant.recipe', '--disable-path-validation']
        const recipe = join(folder, `recipe-${kind}.json`)
        await copyFile(sbom, recipe)
        await oras('push', ...typed, `${image}:1.0,latest`, `${recipe}:application/json`)
        assert.equal(await oras('repo', 'tags', image), '1.0\nlatest\n')
        assert.match(await oras('repo', 'ls', host), new RegExp(`^plant/oras-${kind}$`, 'm'))
        await oras(
          'attach',
          '--artifact-type',
          'application/vnd.plant.sbom',
          '--disable-path-validation',
          `${image}:1.0`,
          sbom
        )
        await oras(
          'attach',
          '--artifact-type',
          'application/vnd.plant.note',
          '--disable-path-validation',
          `${image}:1.0`,
          sbom
        )
        const discover = async (...filter: readonly string[]): Promise<string[]> => {
          const tree = JSON.parse(await oras('discover', '--format', 'json', ...filter, `${image}:1.0`)) as {
            manifests: { artifactType: string }[]
          }
          return tree.manifests.map(({ artifactType }) => artifactType).sort()
        }
        assert.deepEqual(await discover(), ['application/vnd.plant.note', 'application/vnd.plant.sbom'])
        const filter = ['--artifact-type', 'application/vnd.plant.sbom']
        assert.deepEqual(await discover(...filter), ['application/vnd.plant.sbom'])
        // It comes back where it was pushed from: that is the name it has in the artifact.
        await rm(recipe)
        await oras('pull', '--allow-path-traversal', `${image}:1.0`)
        assert.equal(await readFile(recipe, 'utf8'), '{"sbom":true}')
        const sides =
          trust === undefined
            ? ['--from-plain-http', '--to-plain-http']
            : ['--from-ca-file', trust, '--to-ca-file', trust]
        await works('oras', ['cp', '-r', ...sides, `${image}:1.0`, `${host}/plant/copied-${kind}:1.0`])
        assert.match(await oras('discover', '--format', 'tree', `${host}/plant/copied-${kind}:1.0`), /vnd\.plant\.note/)
        await oras('manifest', 'delete', '--force', `${image}:1.0`)
        assert.equal(await oras('repo', 'tags', image), '')
      })

      it('regctl logs in, copies, lists, puts artifacts, finds and gets them, exports and deletes', async function () {
        if (!isInstalled('regctl')) skip(this, 'regctl is not installed')
        const { host, trust } = way
        const regctl = (...words: readonly string[]): Promise<string> => works('regctl', words)
        const image = `${host}/plant/regctl-${kind}`
        await regctl(
          'registry',
          'set',
          // Before the login it can only be refused.
          '--skip-check',
          host,
          ...(trust === undefined ? ['--tls', 'disabled'] : ['--cacert', await readFile(trust, 'utf8')])
        )
        await works('regctl', ['registry', 'login', host, '-u', user, '--pass-stdin'], password)
        const layout = join(folder, `layout-${kind}`)
        await writeLayout(layout)
        await regctl('image', 'copy', `ocidir://${layout}:1.0`, `${image}:1.0`)
        assert.equal((await regctl('image', 'digest', `${image}:1.0`)).trim(), seed.digest)
        await regctl('image', 'copy', `${image}:1.0`, `${image}:latest`)
        assert.equal(await regctl('tag', 'ls', image), '1.0\nlatest\n')
        assert.match(await regctl('repo', 'ls', host), new RegExp(`^plant/regctl-${kind}$`, 'm'))
        const typed = ['--artifact-type', 'application/vnd.plant.sbom', '-m', 'application/json', '-f', sbom]
        await regctl('artifact', 'put', ...typed, '--subject', `${image}:1.0`)
        assert.match(await regctl('artifact', 'list', `${image}:1.0`), /application\/vnd\.plant\.sbom/)
        assert.equal(await regctl('artifact', 'get', '--subject', `${image}:1.0`), '{"sbom":true}')
        const exported = join(folder, `exported-${kind}.tar`)
        await regctl('image', 'export', `${image}:1.0`, exported)
        assert.ok((await stat(exported)).size > 0)
        await regctl('tag', 'delete', `${image}:latest`)
        assert.equal(await regctl('tag', 'ls', image), '1.0\n')
        await regctl('manifest', 'delete', `${image}@${seed.digest}`)
        assert.equal((await regctl('tag', 'ls', image)).trim(), '')
      })
    })

  /** The seed image as a folder (image-layout.md of the OCI image spec). */
  async function writeLayout(path: string): Promise<void> {
    await mkdir(join(path, 'blobs/sha256'), { recursive: true })
    await writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    for (const bytes of [...seed.blobs, seed.manifest])
      await writeFile(join(path, 'blobs', digestOf(bytes).replace(':', '/')), bytes)
    const { mediaType } = JSON.parse(seed.manifest.toString()) as { mediaType: string }
    const annotations = { 'org.opencontainers.image.ref.name': '1.0' }
    const entry = { mediaType, digest: seed.digest, size: seed.manifest.length, annotations }
    await writeFile(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  }
})
