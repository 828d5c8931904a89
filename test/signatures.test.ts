import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf, hexOf } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { cosignFixture } from '../module/sync/testing/cosign-fixture.ts'
import { ForeignRegistry } from './foreign-registry.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, mustRun, skip } from './real-tools.ts'
import { pullPath } from './world.ts'

const credentials = { user: 'sync-token', password: 'right for the parent' }

describe("signed images between Debian's docker-registry and a client of the device", function () {
  this.timeout(60_000)
  let folder: string
  let parent: ForeignRegistry
  let module: LoneModule
  let settings: SettingsInput

  before(async function () {
    if (!isInstalled('docker-registry')) skip(this, "Debian's docker-registry is not installed")
    folder = await mkdtemp(join(tmpdir(), 'causeway-signed-'))
    parent = await ForeignRegistry.start(join(folder, 'parent'), credentials)
    settings = {
      schemaVersion: '1.0',
      parent: {
        endpoint: parent.endpoint,
        protocol: 'http',
        tokenName: credentials.user,
        password: credentials.password
      },
      anonymousPull: { enabled: true }
    }
    module = new LoneModule(folder)
  })
  after(async () => {
    if ((module as LoneModule | undefined)?.isRunning === true) await module.stop()
    await (parent as ForeignRegistry | undefined)?.stop()
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true, force: true })
  })

  /** @returns how the pass by these settings ended */
  async function sync(change: Partial<SettingsInput>): Promise<string> {
    const before = module.isRunning ? module.log.length : 0
    settings = { ...settings, ...change }
    await module.write(settings)
    if (!module.isRunning) await module.start()
    return (await module.logs(/settings applied[^]* sync ended .*state=(\S+)/, before))[1] ?? ''
  }

  const status = async (repository: string, path: string): Promise<number> =>
    (await pullPath({ origin: module.origin }, repository, path)).status

  async function get(path: string): Promise<string> {
    return (await fetch(new URL(path, module.origin), { signal: AbortSignal.timeout(10_000) })).text()
  }

  function signedSet(image: string, publicKey: string): SettingsInput['imageSets'] {
    return { signed: { repositories: [image], signature: { cosign: { publicKeys: [publicKey] } } } }
  }

  it('are served from when the parent has the signature, and are told as in quarantine before', async () => {
    const { blobs, digest, fallbackIndex, attestationManifest, bundleManifest, image, publicKey } = cosignFixture
    await parent.pushAsIs('plant/app', '1.0', image, blobs)
    assert.equal(await sync({ imageSets: signedSet('plant/app:1.0', publicKey) }), 'Failed')
    for (const reference of ['1.0', digest]) assert.equal(await status('plant/app', `manifests/${reference}`), 404)
    assert.equal(await status('plant/app', `blobs/${digestOf(Buffer.from('a layer'))}`), 404)
    assert.match(await get('/metrics'), /^causeway_images_quarantined 1$/m)
    assert.match(await get('/healthz'), /ImageQuarantined/)
    for (const manifest of [attestationManifest, bundleManifest])
      await parent.pushAsIs('plant/app', digestOf(Buffer.from(manifest)), manifest, [])
    await parent.pushAsIs('plant/app', `sha256-${hexOf(digest)}`, fallbackIndex, [])
    assert.equal(await sync({ sync: { intervalMinutes: 16 } }), 'Succeeded')
    for (const reference of ['1.0', digest]) assert.equal(await status('plant/app', `manifests/${reference}`), 200)
    assert.match(await get('/metrics'), /^causeway_images_quarantined 0$/m)
    // For whoever verifies it again with cosign.
    assert.match(await get(`/v2/plant/app/referrers/${digest}`), /sigstore\.bundle/)
  })

  it('are taken as the cosign of this machine signs them, and by its key alone', async function () {
    if (!isInstalled('cosign')) skip(this, 'cosign is not installed; what it made is recorded for the other tests')
    const home = join(folder, 'home')
    await mkdir(home)
    const auth = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')
    await writeFile(join(home, 'config.json'), JSON.stringify({ auths: { [parent.endpoint]: { auth } } }), {
      mode: 0o600
    })
    const variables = { HOME: home, DOCKER_CONFIG: home, COSIGN_PASSWORD: '' }
    await mustRun('cosign', ['generate-key-pair', '--output-key-prefix', join(home, 'plant')], variables)
    const publicKey = await readFile(join(home, 'plant.pub'), 'utf8')
    const { digest } = await parent.push('plant/pump', '2.0', [1000])
    const words = ['--key', join(home, 'plant.key'), '--use-signing-config=false', '--tlog-upload=false', '-y']
    await mustRun('cosign', ['sign', ...words, `${parent.endpoint}/plant/pump@${digest}`], variables)
    assert.equal(await sync({ imageSets: signedSet('plant/pump:2.0', cosignFixture.publicKey) }), 'Failed')
    assert.equal(await status('plant/pump', 'manifests/2.0'), 404)
    assert.equal(await sync({ imageSets: signedSet('plant/pump:2.0', publicKey) }), 'Succeeded')
    assert.equal(await status('plant/pump', 'manifests/2.0'), 200)
  })
})
