import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRecord } from '../deployment/template.ts'
import { FakeAcr, FakeContent, FakeHub, runCommand, siteText, type CommandLine } from '../testing.ts'

const devices = `  gateway:
    connectedRegistry: { name: plantgateway }
    settings: { registry: { challenge: Basic } }
  lower: { connectedRegistry: { name: plantlower }, parent: relay }`
const ids = ['gateway', 'lower', 'relay']
const running = { runtimeStatus: 'running', lastStartTimeUtc: '2026-11-21T10:00:00Z' }

/** What a module reports that has taken its settings. */
function applied(version: number): Record<string, unknown> {
  return {
    schemaVersion: '1.0',
    runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' },
    connectionState: 'Online',
    lastDesiredVersion: version,
    lastDesiredStatus: { code: 200, description: '', errors: [] },
    appliedVersion: version
  }
}

/** As a hub patches a twin. */
function merged(before: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const after = { ...before }
  for (const [key, value] of Object.entries(patch))
    if (value === null) Reflect.deleteProperty(after, key)
    else if (isRecord(value)) after[key] = merged(isRecord(after[key]) ? after[key] : {}, value)
    else after[key] = value
  return after
}

/** Commands over a registry, a relay below it, and a registry below that. */
describe('commands, with a device that only relays', () => {
  let folder: string
  let acr: FakeAcr
  let hub: FakeHub
  let content: FakeContent
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-relays-'))
    acr = new FakeAcr()
    hub = new FakeHub()
    content = new FakeContent()
    await writeFile(join(folder, 'site.yaml'), siteText(devices, 'relays: { relay: { parent: gateway } }\n'))
    await copyFile(
      join(import.meta.dirname, '../../deployment.template.json'),
      join(folder, 'deployment.template.json')
    )
    for (const id of ids) for (const module of ['$edgeAgent', '$edgeHub']) hub.put(id, module)
    // Each device takes at once what it is given, and edgeAgent says so.
    hub.onApply = (device) => {
      const { modulesContent } = hub.applied.at(-1)!.content as {
        modulesContent: Record<string, Record<string, Record<string, object>>>
      }
      const desiredVersion = (hub.twins.get(`${device}/$edgeAgent`)?.desiredVersion ?? 1) + 1
      for (const [module, { 'properties.desired': desired = {} }] of Object.entries(modulesContent))
        hub.put(device, module, {
          desired,
          desiredVersion,
          etag: `v${desiredVersion}`,
          reported: module.startsWith('$') ? {} : applied(desiredVersion)
        })
      const { modules = {}, systemModules = {} } = modulesContent['$edgeAgent']!['properties.desired']!
      const all = (section: object): object => Object.fromEntries(Object.keys(section).map((name) => [name, running]))
      hub.put(device, '$edgeAgent', {
        ...hub.twins.get(`${device}/$edgeAgent`),
        reported: {
          lastDesiredVersion: desiredVersion,
          lastDesiredStatus: { code: 200 },
          modules: all(modules),
          systemModules: all(systemModules)
        }
      })
    }
    assert.equal((await causeway('provision')).code, 0)
  })
  afterEach(() => rm(folder, { recursive: true }))

  const causeway = (words: string): Promise<CommandLine> =>
    runCommand(words.split(' '), { folder, acr, hub, content, proof: () => Promise.resolve(true) })
  async function mustRun(words: string): Promise<CommandLine> {
    const ran = await causeway(words)
    assert.equal(ran.code, 0, `${words}: ${ran.stderr}`)
    return ran
  }

  it('generate writes its manifest and what its config.toml needs, alone and among others', async () => {
    await mustRun('generate --device relay')
    assert.deepEqual((await readdir(join(folder, 'config'))).sort(), ['config.relay.toml', 'deployment.relay.json'])
    const alone = await readFile(join(folder, 'config/deployment.relay.json'), 'utf8')
    assert.equal((await causeway('validate config')).code, 0)
    await mustRun('generate --device * --output all')
    assert.deepEqual((await readdir(join(folder, 'all'))).sort(), [
      'config.lower.toml',
      'config.relay.toml',
      ...ids.map((id) => `deployment.${id}.json`)
    ])
    assert.equal(await readFile(join(folder, 'all/deployment.relay.json'), 'utf8'), alone)
  })

  it('plan and deploy bring it its modules, and are done then', async () => {
    const planned = await causeway('plan --device relay')
    assert.equal(planned.code, 2, planned.stderr)
    assert.match(planned.stdout, /^device relay\n {2}\+ module IoTEdgeAPIProxy \(P201\)$/m)
    assert.match((await causeway('plan')).stdout, /^device relay$/m)
    const { stdout } = await mustRun('deploy --device relay')
    assert.match(stdout, /^relay: runs 3 modules of deployment version 2$/m)
    assert.deepEqual(
      [...hub.twins.values()].filter(({ deviceId }) => deviceId === 'relay').map(({ moduleId }) => moduleId),
      ['$edgeAgent', '$edgeHub']
    )
    assert.ok(content.asked.some((asked) => asked.startsWith('crimagepulltoken azureiotedge-api-proxy:')))
    await mustRun('deploy --device *')
    assert.deepEqual(await causeway('plan'), { code: 0, stdout: 'nothing to do\n', stderr: '' })
  })

  it('deploy takes a plan and a manifest of it', async () => {
    await causeway('plan --device relay --out relay.plan')
    await mustRun('deploy --plan relay.plan')
    assert.deepEqual(
      hub.applied.map(({ deviceId }) => deviceId),
      ['relay']
    )
    await mustRun('generate --device relay')
    assert.match(
      (await mustRun('deploy --device relay --manifest config/deployment.relay.json')).stdout,
      /^relay: nothing to change; runs 3 modules/m
    )
  })

  it('deploy takes a registry off a device that is to be a relay where that is asked for, and speaks of no new container', async () => {
    hub.put('relay', '$edgeAgent', { desired: { modules: { 'connected-registry': { settings: { image: 'a/b:1' } } } } })
    const refused = await causeway('deploy --device relay')
    assert.equal(refused.code, 5)
    assert.match(refused.stderr, /MODULES_WOULD_GO.*relay would lose connected-registry/)
    const { stderr } = await mustRun('deploy --device relay --allow-remove --no-wait')
    assert.doesNotMatch(stderr, /made anew/)
  })

  it('check tells where it differs, and asks for no module that it does not have', async () => {
    await mustRun('deploy --device *')
    const about = async (): Promise<readonly string[]> =>
      (await causeway('check')).stdout.split('\n').filter((line) => line.includes('device relay'))
    assert.deepEqual(await about(), [])
    const twin = hub.twins.get('relay/$edgeAgent')!
    hub.put('relay', '$edgeAgent', { ...twin, desired: { ...twin.desired, modules: {} } })
    assert.match((await about()).join(), /P201.*IoTEdgeAPIProxy/)
    hub.put('relay', '$edgeAgent', { ...twin, reported: {} })
    assert.match((await about()).join(), /C205 device relay: edgeAgent has reported nothing/)
  })

  it('check tells where the registry above does not let it in', async () => {
    await mustRun('deploy --device *')
    const { desired, ...twin } = hub.twins.get('gateway/connected-registry')!
    const { crimagepulltoken: _, ...tokens } = desired['tokens'] as Record<string, object>
    hub.put('gateway', 'connected-registry', { ...twin, desired: { ...desired, tokens } })
    assert.match((await causeway('check')).stdout, /C103 device gateway: crimagepulltoken does not know it/)
  })

  it('rotate tells the registry above, and has whoever pulls with a password deployed to before it takes that away', async () => {
    await mustRun('deploy --device *')
    hub.onPatch = (twin, patch) => {
      const desiredVersion = twin.desiredVersion + 1
      hub.put(twin.deviceId, twin.moduleId, {
        ...twin,
        desired: merged(twin.desired, patch),
        desiredVersion,
        reported: applied(desiredVersion)
      })
      return desiredVersion
    }
    const waiting = await causeway('rotate crimagepulltoken --timeout 1')
    assert.equal(waiting.code, 2, waiting.stderr)
    assert.match(
      waiting.stdout,
      /edgeAgent still pulls with a password before on gateway, relay\. Deploy there \(causeway deploy --device gateway --device relay\), then .* causeway rotate --resume/
    )
    const tokens = hub.twins.get('gateway/connected-registry')?.desired['tokens'] as Record<
      string,
      { passwords: object }
    >
    assert.deepEqual(Object.keys(tokens['crimagepulltoken']!.passwords), ['password1', 'password2'])
    await mustRun('deploy --device gateway')
    await mustRun('deploy --device relay')
    const taken = await causeway('rotate --resume --retire --timeout 1')
    assert.equal(taken.code, 0, taken.stderr)
    assert.match(taken.stdout, /^retired {3}crimagepulltoken$/m)
    assert.match(taken.stderr, /still stands in config\.toml on relay,/)
  })

  it('configure and status leave it out, and say why where it is named', async () => {
    await mustRun('deploy --device *')
    assert.doesNotMatch((await causeway('status')).stdout, /relay/)
    const before = hub.applied.length
    for (const words of [
      'configure --device relay',
      'status --device relay',
      'sync-now relay',
      'client-config --device relay'
    ]) {
      const { code, stderr } = await causeway(words)
      assert.notEqual(code, 0, words)
      assert.match(stderr, /USAGE: relay only relays: it has no registry/, words)
    }
    assert.equal(hub.applied.length, before)
  })
})
