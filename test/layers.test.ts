import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { hostNameOf, LayeredNetwork, passOn, whyNoNamespaces } from './namespaces.ts'
import { configureProxy, nameUpstream, proxyServes } from './nginx.ts'
import { isInstalled, skip, type Program } from './real-tools.ts'
import { World, type Ran } from './world.ts'

const entry = join(import.meta.dirname, '../module/main.ts')

/** What of a deployment manifest this test carries out. */
interface Manifest {
  readonly modulesContent: {
    readonly $edgeAgent: { readonly 'properties.desired': Desired }
    readonly 'connected-registry': { readonly 'properties.desired': SettingsInput }
  }
}

interface Desired {
  readonly runtime: { settings: { registryCredentials: Readonly<Record<string, Credential>> } }
  readonly systemModules: { readonly edgeAgent: { readonly settings: { readonly image: string } } }
  readonly modules: Readonly<Record<string, { readonly env: Readonly<Record<string, { readonly value: string }>> }>>
}

interface Credential {
  readonly address: string
  readonly username: string
  readonly password: string
}

/**
 * A gateway that reaches the cloud, two devices below it with registries of their own, one below those which only relays, and one
 * below that with a registry again; each can reach its neighbours alone (ISA-95). What runs is what `causeway generate` wrote.
 */
describe('layers, each in a network namespace of its own', function () {
  this.timeout(120_000)
  let world: World
  let network: LayeredNetwork
  let authority: CertificateAuthority
  let cloudAddress: string
  let digest: string
  let password: string
  const manifests: Record<string, Manifest> = {}
  const modules: Record<string, Program> = {}
  /** What a start that went wrong half way leaves too. */
  const cleanUps: (() => Promise<unknown>)[] = []

  before(async function () {
    const reason = whyNoNamespaces()
    if (reason !== undefined) skip(this, reason)
    for (const tool of ['nginx', 'skopeo']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    world = await World.start([])
    cleanUps.push(() => world.close())
    network = await LayeredNetwork.create(['gateway', 'middle', 'lower', 'relay', 'lowest'])
    cleanUps.push(() => network.close())
    const proxy = await passOn(network.addressAbove(0), Number(new URL(world.simulator.network.proxyUrl).port))
    cleanUps.push(() => proxy.close())
    cloudAddress = proxy.endpoint
    authority = await CertificateAuthority.create()
    await mkdir(join(world.folder, 'trust'))
    await writeFile(join(world.folder, 'trust/ca.crt'), authority.certificate)
    await writeFile(
      join(world.folder, 'trust-bundle.pem'),
      `${await readFile(world.simulator.certificates.cloud, 'utf8')}\n${authority.certificate}`
    )
    await world.editSite(
      (
        text
      ) => `${text.replace(/^devices:/m, `relays:\n  relay: { parent: lower, hostName: ${hostNameOf('relay')} }\ndevices:`)}
  middle:
    connectedRegistry: { name: plantmiddle }
    parent: gateway
    hostName: middle.plant.example
  lower:
    connectedRegistry: { name: plantlower }
    parent: middle
    settings: { registry: { challenge: Basic } }
  lowest:
    connectedRegistry: { name: plantlowest }
    parent: relay
`
    )
    await world.mustRun('provision')
    await world.mustRun('images', 'import')
    digest = world.cloud.digestOf('hello-world', 'latest')!
    password = await world.password('plant-client')
    await deploy('gateway', { https_proxy: `http://${cloudAddress}` })
    await startProxy('gateway', { kind: 'registry' })
    await modules['gateway']!.says(/ image ready .*hello-world:latest/)
    await deploy('middle', { IOTEDGE_PARENTHOSTNAME: hostNameOf('gateway') })
    await startProxy('middle', { kind: 'registry' })
    await modules['middle']!.says(/ image ready .*hello-world:latest/)
    await deploy('lower', { IOTEDGE_PARENTHOSTNAME: hostNameOf('middle') })
    await startProxy('lower', { kind: 'registry' })
    await modules['lower']!.says(/ image ready .*hello-world:latest/)
    const parent = { parent: hostNameOf('lower'), port: 8000, trust: authority.certificate }
    await generate('relay')
    await startProxy('relay', { kind: 'relay', ...parent })
    await deploy('lowest', { IOTEDGE_PARENTHOSTNAME: hostNameOf('relay') })
  })
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  })

  /** Starts the module as the manifest says; edgeAgent gives `extra`, and the hub gives the settings. */
  async function deploy(layer: string, extra: Record<string, string>): Promise<void> {
    const manifest = await generate(layer)
    const { env } = desiredOf(manifest).modules['connected-registry']!
    await mkdir(join(world.folder, layer))
    await writeSettings(layer, manifest.modulesContent['connected-registry']['properties.desired'])
    const program = network.start(layer, [process.execPath, entry], {
      ...Object.fromEntries(Object.entries(env).map(([name, { value }]) => [name, value])),
      ...extra,
      NODE_EXTRA_CA_CERTS: join(world.folder, 'trust-bundle.pem'),
      CAUSEWAY_SETTINGS: join(world.folder, layer, 'settings.json'),
      CAUSEWAY_DATA: join(world.folder, layer, 'data'),
      CAUSEWAY_LISTEN: '127.0.0.1:8080'
    })
    cleanUps.push(() => program.end())
    await program.says(/ serving /)
    modules[layer] = program
  }

  async function generate(layer: string): Promise<Manifest> {
    const file = join(world.folder, `${layer}.json`)
    await world.mustRun('generate', '--device', layer, '--output', file)
    const manifest = JSON.parse(await readFile(file, 'utf8')) as Manifest
    manifests[layer] = manifest
    return manifest
  }

  function writeSettings(layer: string, settings: SettingsInput): Promise<void> {
    return writeFile(join(world.folder, layer, 'settings.json'), JSON.stringify(settings), { mode: 0o600 })
  }

  /** The API proxy of a layer: with a registry as its manifest says, else as a device without one has it. */
  async function startProxy(layer: string, routing: Parameters<typeof configureProxy>[3]): Promise<void> {
    const environment = manifests[layer] && desiredOf(manifests[layer]).modules['IoTEdgeAPIProxy']?.env
    const folder = join(world.folder, `${layer}-nginx`)
    const port = environment?.['NGINX_DEFAULT_PORT']?.value ?? '8000'
    const certificate = await authority.issue([hostNameOf(layer)])
    const words = await configureProxy(folder, certificate, `0.0.0.0:${port}`, routing)
    const address = environment?.['CONNECTED_ACR_ROUTE_ADDRESS']?.value
    if (address !== undefined) await nameUpstream(folder, address)
    const program = network.start(layer, ['nginx', ...words])
    cleanUps.push(() => program.end('SIGTERM'))
    await program.says(proxyServes)
  }

  function desiredOf(manifest: Manifest): Desired {
    return manifest.modulesContent.$edgeAgent['properties.desired']
  }

  let copies = 0
  /** Pulls as a container engine in that layer does. */
  async function pull(layer: string, image: string, user: string, secret: string): Promise<Ran & { digest?: string }> {
    copies += 1
    const folder = join(world.folder, `copy-${copies}`)
    await mkdir(folder)
    const registry = image.split('/', 1)[0]!
    const auths = { [registry]: { auth: Buffer.from(`${user}:${secret}`).toString('base64') } }
    await writeFile(join(folder, 'auth.json'), JSON.stringify({ auths }), { mode: 0o600 })
    const ran = await network.run(
      layer,
      [
        ...['skopeo', '--debug', '--command-timeout', '20s', 'copy', '--all'],
        ...['--src-cert-dir', join(world.folder, 'trust'), `docker://${image}`, `dir:${join(folder, 'image')}`]
      ],
      { HOME: folder, TMPDIR: folder, REGISTRY_AUTH_FILE: join(folder, 'auth.json') }
    )
    if (ran.code !== 0) return ran
    return { ...ran, digest: digestOf(await readFile(join(folder, 'image/manifest.json'))) }
  }

  /** Whether a connection to `host:port` comes about from a layer, and why not. */
  async function reach(layer: string, host: string, port: string | number): Promise<string> {
    const script = `require('node:net').connect(${port}, '${host}').setTimeout(3000, function () { this.destroy(new Error('TIMEOUT')) })
      .on('connect', function () { console.log('connected'); this.destroy() })
      .on('error', (error) => console.log(error.code ?? error.message))`
    return (await network.run(layer, [process.execPath, '-e', script])).stdout.trim()
  }

  it('has no way but to the neighbour above', async () => {
    const [cloudHost, cloudPort] = cloudAddress.split(':') as [string, string]
    assert.equal(await reach('gateway', cloudHost, cloudPort), 'connected')
    assert.equal(await reach('middle', hostNameOf('gateway'), 8000), 'connected')
    assert.equal(await reach('lower', hostNameOf('middle'), 8000), 'connected')
    assert.equal(await reach('relay', hostNameOf('lower'), 8000), 'connected')
    assert.equal(await reach('lowest', hostNameOf('relay'), 8000), 'connected')
    for (const layer of ['middle', 'lower', 'relay', 'lowest'])
      assert.equal(await reach(layer, cloudHost, cloudPort), 'ENETUNREACH', layer)
    for (const layer of ['lower', 'relay', 'lowest']) {
      assert.equal(await reach(layer, network.addressAbove(1), 8000), 'ENETUNREACH', layer)
      assert.match(await reach(layer, hostNameOf('gateway'), 8000), /^(ENOTFOUND|EAI_AGAIN)$/, layer)
    }
    assert.equal(await reach('lowest', network.addressAbove(3), 8000), 'ENETUNREACH')
    assert.match(await reach('lowest', hostNameOf('lower'), 8000), /^(ENOTFOUND|EAI_AGAIN)$/)
  })

  it('brings an image down three registries and a relay, byte for byte, with Basic challenges', async () => {
    const pulled = await pull('lowest', `${hostNameOf('relay')}:8000/hello-world:latest`, 'plant-client', password)
    assert.equal(pulled.code, 0, pulled.stderr)
    assert.equal(pulled.digest, digest)
    assert.doesNotMatch(pulled.stderr, /oauth2\/token/)
    assert.notEqual(
      (await pull('lowest', `${hostNameOf('relay')}:8000/hello-world:latest`, 'plant-client', 'no')).code,
      0
    )
  })

  it('would not get there with Bearer: the realm names a registry that the lowest layer cannot reach', async () => {
    const settings = manifests['lower']!.modulesContent['connected-registry']['properties.desired']
    const switchTo = async (challenge: 'Bearer' | 'Basic'): Promise<void> => {
      const { length } = modules['lower']!.said
      await writeSettings('lower', { ...settings, registry: { challenge } })
      await modules['lower']!.says(/ settings applied /, length)
    }
    await switchTo('Bearer')
    const pulled = await pull('lowest', `${hostNameOf('relay')}:8000/hello-world:latest`, 'plant-client', password)
    assert.notEqual(pulled.code, 0)
    assert.match(pulled.stderr, /lower\.plant\.example:8000\/acr\/oauth2\/token.*(lookup|no such host)/)
    const direct = await pull('relay', `${hostNameOf('lower')}:8000/hello-world:latest`, 'plant-client', password)
    assert.equal(direct.digest, digest, 'one hop is no relay')
    await switchTo('Basic')
  })

  it('syncs a registry below the relay from the one above it', async () => {
    await modules['lowest']!.says(/ image ready .*hello-world:latest/)
    assert.equal(
      desiredOf(manifests['relay']!).modules['IoTEdgeAPIProxy']?.env['CONNECTED_ACR_ROUTE_ADDRESS'],
      undefined
    )
  })

  it('gives the runtime to the relay as the pull token, and to the device below it, by their manifests', async () => {
    for (const [layer, above, user] of [
      ['relay', 'lower', 'crimagepulltoken'],
      ['lowest', 'relay', 'plantlowest-sync-token']
    ] as const) {
      const { runtime, systemModules } = desiredOf(manifests[layer]!)
      const [credential] = Object.values(runtime.settings.registryCredentials)
      assert.equal(credential?.username, user)
      const image = systemModules.edgeAgent.settings.image.replace('$upstream', hostNameOf(above))
      const pulled = await pull(layer, image, credential.username, credential.password)
      assert.equal(pulled.code, 0, pulled.stderr)
    }
    const { username, password: secret } = desiredOf(manifests['relay']!).runtime.settings.registryCredentials[
      'crimagepulltoken'
    ]!
    const workload = await pull('relay', `${hostNameOf('lower')}:8000/hello-world:latest`, username, secret)
    assert.notEqual(workload.code, 0, 'it may read the runtime alone')
  })

  it('gives edgeAgent to a device below that has no deployment yet, as its config.toml says', async () => {
    const toml = await readFile(join(world.folder, 'config.lower.toml'), 'utf8')
    const value = (key: string): string => new RegExp(`^${key} = "(.*)"$`, 'm').exec(toml)?.[1] ?? assert.fail(key)
    assert.equal(value('parent_hostname'), hostNameOf('middle'))
    const image = value('image').replace('$upstream', value('parent_hostname'))
    const pulled = await pull('lower', image, value('username'), value('password'))
    assert.equal(pulled.code, 0, pulled.stderr)
  })

  it('gives the runtime to the device below, by the images and credentials of its manifest', async () => {
    const desired = desiredOf(manifests['middle']!)
    const upstream = (text: string): string => text.replace('$upstream', hostNameOf('gateway'))
    const image = desired.systemModules.edgeAgent.settings.image
    assert.match(image, /^\$upstream:8000\//)
    const [credential] = Object.values(desired.runtime.settings.registryCredentials)
    assert.equal(credential?.address, '$upstream:8000')
    await modules['gateway']!.says(/ image ready .*azureiotedge-agent/)
    const pulled = await pull('middle', upstream(image), credential.username, credential.password)
    assert.equal(pulled.code, 0, pulled.stderr)
    const outside = await pull(
      'middle',
      `${hostNameOf('gateway')}:8000/no/such:1`,
      credential.username,
      credential.password
    )
    assert.notEqual(outside.code, 0)
  })
})
