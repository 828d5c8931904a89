import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HubTwin } from '../hub/hub.ts'
import { credentialFingerprint } from '../rotation/fingerprint.ts'
import { FakeAcr, FakeContent, FakeHub, runCommand, siteText, type CommandLine } from '../testing.ts'
import type { Plan } from './plan.ts'

const running = { runtimeStatus: 'running', lastStartTimeUtc: '2026-11-21T10:00:00Z' }

describe('causeway plan', () => {
  let folder: string
  let acr: FakeAcr
  let hub: FakeHub
  let content: FakeContent
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-plan-'))
    acr = new FakeAcr()
    hub = new FakeHub()
    content = new FakeContent()
    await writeFile(join(folder, 'site.yaml'), siteText())
    await copyFile(
      join(import.meta.dirname, '../../deployment.template.json'),
      join(folder, 'deployment.template.json')
    )
    for (const module of ['$edgeAgent', '$edgeHub']) hub.put('gateway', module)
    // The device takes at once what it is given, as the hub then has it.
    hub.onApply = (device) => {
      const { modulesContent } = hub.applied.at(-1)!.content as {
        modulesContent: Record<string, Record<string, Record<string, unknown>>>
      }
      const version = (hub.twins.get('gateway/$edgeAgent')?.desiredVersion ?? 1) + 1
      for (const [module, { 'properties.desired': desired = {} }] of Object.entries(modulesContent))
        hub.put(device, module, { desired, desiredVersion: version, etag: `v${version}` })
      const { modules, systemModules } = modulesContent['$edgeAgent']!['properties.desired'] as Record<string, object>
      const all = (section: object): object => Object.fromEntries(Object.keys(section).map((name) => [name, running]))
      hub.put(device, '$edgeAgent', {
        ...hub.twins.get(`${device}/$edgeAgent`),
        reported: {
          lastDesiredVersion: version,
          lastDesiredStatus: { code: 200 },
          modules: all(modules!),
          systemModules: all(systemModules!)
        }
      })
    }
  })
  afterEach(() => rm(folder, { recursive: true }))

  const causeway = (words: string, env: Record<string, string> = {}): Promise<CommandLine> =>
    runCommand(words.split(' '), { folder, acr, hub, content, env, proof: () => Promise.resolve(true) })
  const plan = async (words = ''): Promise<Plan> => {
    const { stdout, stderr } = await causeway(`plan --output json${words}`)
    assert.equal(stderr, '')
    return JSON.parse(stdout) as Plan
  }
  async function editTemplate(edit: (text: string) => string): Promise<void> {
    const path = join(folder, 'deployment.template.json')
    const before = await readFile(path, 'utf8')
    assert.notEqual(edit(before), before)
    await writeFile(path, edit(before))
  }

  it('shows everything of a new site, changes nothing, and ends with 2', async () => {
    const { code, stdout } = await causeway('plan')
    assert.equal(code, 2)
    assert.match(stdout, /^registry\n {2}\+ scope map connected-registry-pull \(P101\)\n {6}\+ repositories\/acr\//m)
    assert.match(stdout, /^ {2}\+ password plant-client\/password1 \(P103\)$/m)
    assert.match(stdout, /^device gateway\n/m)
    assert.match(stdout, /^ {2}\+ module connected-registry \(P201\)$/m)
    assert.match(stdout, /\(hash of a password that provision makes\)/)
    assert.match(stdout, /^\d+ to add, 0 to change, 0 to remove$/m)
    assert.deepEqual([acr.writes, hub.applied], [[], []])
  })

  it('has nothing to say once it is done, and ends with 0', async () => {
    await causeway('provision')
    assert.equal((await causeway('deploy')).code, 0)
    const { code, stdout } = await causeway('plan')
    assert.deepEqual([code, stdout], [0, 'nothing to do\n'])
    const again = await causeway('deploy')
    assert.match(again.stdout, /^gateway: nothing to change; runs \d+ modules of deployment version 2$/m)
    assert.equal(hub.applied.length, 1, 'what is there already was given again')
  })

  it('tells an error by 1, whatever the command that fails would end with', async () => {
    await writeFile(join(folder, 'site.yaml'), 'no: site')
    assert.equal((await causeway('plan')).code, 1)
  })

  describe('of a site that runs', () => {
    beforeEach(async () => {
      await causeway('provision')
      assert.equal((await causeway('deploy')).code, 0)
    })

    it('calls out a module that vanishes, and deploy does not take it away unasked', async () => {
      await editTemplate((text) => text.replace('"IoTEdgeAPIProxy"', '"Proxy"'))
      const { changes } = await plan()
      assert.deepEqual(
        changes.map(({ code, action, subject }) => [code, action, subject]),
        [
          ['P203', 'remove', 'module IoTEdgeAPIProxy'],
          ['P201', 'add', 'module Proxy']
        ]
      )
      assert.match(changes[0]?.warning ?? '', /--allow-remove/)
      const refused = await causeway('deploy')
      assert.equal(refused.code, 5)
      assert.match(refused.stderr, /MODULES_WOULD_GO: gateway would lose IoTEdgeAPIProxy/)
      assert.equal(hub.applied.length, 1)
      assert.equal((await causeway('deploy --allow-remove')).code, 0)
    })

    it('announces the outage, and deploy restarts the API proxy once the registry answers', async () => {
      await editTemplate((text) =>
        text.replace('"ExposedPorts": { "8080/tcp": {} },', '"ExposedPorts": { "8080/tcp": {} }, "Hostname": "r",')
      )
      const { changes } = await plan()
      assert.deepEqual(
        changes.map(({ code, differences }) => [code, differences.map(({ path }) => path)]),
        [
          ['P202', ['settings.createOptions.Hostname']],
          ['P207', []]
        ]
      )
      const called: string[] = []
      hub.onInvoke = (device, module, method, payload) => {
        called.push(`${device}/${module} ${method} ${JSON.stringify(payload)}`)
        if (method === 'RestartModule') {
          const twin = hub.twins.get('gateway/$edgeAgent')!
          const modules = { IoTEdgeAPIProxy: { ...running, lastStartTimeUtc: '2026-11-21T11:00:00Z' } }
          hub.put('gateway', '$edgeAgent', { ...twin, reported: { ...twin.reported, modules } })
        }
        return {
          kind: 'answered',
          status: 200,
          payload: method === 'probeProxy' ? { registry: true, status: 401 } : null
        }
      }
      const { code, stdout, stderr } = await causeway('deploy')
      assert.equal(code, 0, stderr)
      assert.match(stdout, /and its API proxy was restarted and leads to the registry$/m)
      assert.deepEqual(called, [
        'gateway/connected-registry images {"limit":1}',
        'gateway/$edgeAgent RestartModule {"schemaVersion":"1.0","id":"IoTEdgeAPIProxy"}',
        'gateway/connected-registry probeProxy {"proxy":"IoTEdgeAPIProxy","port":8000}'
      ])
    })

    it('says what to do where edgeAgent cannot be reached for it', async () => {
      await editTemplate((text) => text.replace('"HostPort": "${device.port}"', '"HostPort": "8081"'))
      hub.onInvoke = (_device, module) =>
        module === '$edgeAgent' ? { kind: 'offline' } : { kind: 'answered', status: 200, payload: null }
      const { code, stderr } = await causeway('deploy')
      assert.equal(code, 1)
      assert.match(stderr, /PROXY_NOT_RESTARTED: edgeAgent on gateway .*offline.*RestartModule/)
    })

    it('shows a password that changes by its fingerprints only', async () => {
      await causeway('provision --regenerate crimagepulltoken/password2')
      const { stdout } = await causeway('plan')
      assert.match(
        stdout,
        /registryCredentials\.crimagepulltoken\.password: secret:[0-9a-f]{12} -> secret:[0-9a-f]{12}$/m
      )
      for (const slot of ['password1', 'password2']) {
        const value = (await causeway(`secrets show crimagepulltoken --slot ${slot}`)).stdout.trim()
        assert.ok(value.length > 12 && !stdout.includes(value))
      }
    })

    it('finds nothing to do once passwords were changed, and deploys beside the login that the device was given', async () => {
      const twin = (): HubTwin => hub.twins.get('gateway/connected-registry')!
      const module = (): { env: Record<string, { value: string }> } =>
        (hub.twins.get('gateway/$edgeAgent')!.desired['modules'] as Record<string, ReturnType<typeof module>>)[
          'connected-registry'
        ]!
      const [before] = module().env['ACR_REGISTRY_CONNECTION_STRING']!.value.match(/(?<=SyncTokenPassword=)[^;]+/)!
      hub.onPatch = (patched, patch) => {
        const desired = { ...patched.desired, ...patch }
        const { password, tokenName } = desired['parent'] as { password: string; tokenName: string }
        const version = patched.desiredVersion + 1
        const reported = {
          schemaVersion: '1.0',
          runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' },
          connectionState: 'Online',
          lastDesiredVersion: version,
          lastDesiredStatus: { code: 200, description: 'applied' },
          appliedVersion: version,
          credential: {
            fingerprint: credentialFingerprint(tokenName, password),
            tokenName,
            succeededAt: '2026-11-21T00:00:00Z'
          }
        }
        hub.put('gateway', 'connected-registry', { desired, desiredVersion: version, etag: `r${version}`, reported })
        return version
      }
      const rotated = await causeway('rotate')
      assert.equal(rotated.code, 0, rotated.stderr)
      assert.notEqual((twin().desired['parent'] as { password: string }).password, before)
      assert.equal((await causeway('plan')).stdout, 'nothing to do\n')
      assert.equal((await causeway('check')).code, 0)
      // Something else changes: the registry's container stays as it is, and so does its login.
      await editTemplate((text) => text.replace('"timeToLiveSecs": 7200', '"timeToLiveSecs": 3600'))
      assert.deepEqual(
        (await plan()).changes.map(({ code }) => code),
        ['P205']
      )
      const { parent } = twin().desired
      assert.equal((await causeway('deploy')).code, 0)
      assert.deepEqual(twin().desired['parent'], parent)
      assert.ok(module().env['ACR_REGISTRY_CONNECTION_STRING']!.value.includes(before))
      // The container is made anew anyway: then it gets the new one.
      await editTemplate((text) => text.replace('"SETUID"', '"SETUID", "NET_RAW"'))
      assert.ok((await plan()).changes.some(({ code }) => code === 'P207'))
      assert.equal((await causeway('deploy --no-wait')).code, 0)
      assert.deepEqual(twin().desired['parent'], parent)
      assert.ok(!module().env['ACR_REGISTRY_CONNECTION_STRING']!.value.includes(before))
    })

    it('tells of a token that the site file no longer has, until it is revoked, as check does', async () => {
      const dropped = siteText().replace(
        '  plant-client: { scopeMap: plant-readers }',
        '  other-client: { scopeMap: plant-readers }'
      )
      await writeFile(join(folder, 'site.yaml'), dropped)
      assert.equal((await causeway('provision')).code, 0)
      assert.equal((await causeway('deploy')).code, 0)
      const said = /registry: the site file no longer has plant-client, .*causeway revoke plant-client/
      const planned = await causeway('plan')
      assert.deepEqual([planned.code, planned.stdout], [0, 'nothing to do\n'])
      assert.match(planned.stderr, said)
      assert.match((await causeway('check')).stdout, new RegExp(`^warning +C104 ${said.source}`, 'm'))
      assert.equal((await causeway('revoke plant-client')).code, 0)
      assert.equal(acr.tokens.get('plant-client')?.status, 'disabled')
      assert.equal((await causeway('plan')).stderr, '')
      assert.match((await causeway('revoke nobody')).stderr, /USAGE: the site file has no token nobody/)
    })

    it('shows what a deployment would overwrite', async () => {
      const twin = hub.twins.get('gateway/connected-registry')!
      hub.put('gateway', 'connected-registry', { ...twin, desired: { ...twin.desired, logLevel: 'Debug', theirs: 1 } })
      const [change] = (await plan()).changes
      assert.deepEqual(change?.differences, [
        { action: 'change', path: 'logLevel', before: 'Debug', after: 'Information' },
        { action: 'remove', path: 'theirs', before: '1' }
      ])
    })

    it('lists images that are absent or cannot be read, and deploy refuses while one is', async () => {
      content.states.set('azureiotedge-hub:1.6.1', 'absent')
      content.states.set('azureiotedge-agent:1.6.1', 'not allowed')
      const { changes } = await plan()
      assert.deepEqual(
        changes.map(({ code, subject }) => [code, subject]),
        [
          ['P104', 'image azureiotedge-agent:1.6.1'],
          ['P104', 'image azureiotedge-hub:1.6.1']
        ]
      )
      const { code, stderr } = await causeway('deploy')
      assert.equal(code, 1)
      assert.match(stderr, /^IMAGES_ABSENT azureiotedge-agent:1\.6\.1: token crimagepulltoken may not read it/m)
      assert.match(stderr, /^IMAGES_ABSENT azureiotedge-hub:1\.6\.1: .*causeway images import/m)
      assert.equal((await causeway('deploy --no-image-check')).code, 0)
      assert.ok(content.asked.every((asked) => asked.startsWith('crimagepulltoken ')))
    })

    it('lists an image to import that is absent, which keeps no deployment back, and looks for each once', async () => {
      const source = '{ source: "mcr.microsoft.com/hello-world:latest", image: "hello-world:v2" }'
      await writeFile(join(folder, 'site.yaml'), siteText(undefined, `imports: [${source}]\n`))
      content.states.set('hello-world:v2', 'absent')
      content.asked.length = 0
      const { changes } = await plan()
      assert.deepEqual(
        changes.map(({ code, action, subject }) => [code, action, subject]),
        [['P104', 'add', 'image hello-world:v2']]
      )
      assert.equal(content.asked.length, new Set(content.asked).size)
      assert.equal((await causeway('check')).code, 2)
      assert.equal((await causeway('deploy')).code, 0)
      content.states.clear()
      assert.equal((await causeway('plan')).code, 0)
    })

    it('says of an image to import that nobody may read that it was not looked for', async () => {
      const source = '{ source: "mcr.microsoft.com/hello-world:latest", image: "other:1" }'
      await writeFile(join(folder, 'site.yaml'), siteText(undefined, `imports: [${source}]\n`))
      const { code, stderr } = await causeway('plan')
      assert.equal(code, 0)
      assert.match(stderr, /^warning image other:1: no token of the site file may read it.*causeway images import/m)
    })
  })

  it('looks for what devices pull from their own registry too, as the token that fetches it from the cloud', async () => {
    const app = {
      type: 'docker',
      status: 'running',
      restartPolicy: 'always',
      settings: { image: '${registry.address}/hello-world:v1.o' }
    }
    await editTemplate((text) => text.replace('"modules": {', `"modules": { "app": ${JSON.stringify(app)},`))
    content.states.set('hello-world:v1.o', 'absent')
    assert.equal((await causeway('provision')).code, 0)
    const { changes } = await plan()
    assert.deepEqual(
      changes.filter(({ code }) => code === 'P104').map(({ subject }) => subject),
      ['image hello-world:v1.o']
    )
    assert.ok(content.asked.includes('plantgateway-sync-token hello-world:v1.o'))
    const { code, stderr } = await causeway('deploy')
    assert.equal(code, 1)
    assert.match(stderr, /^IMAGES_ABSENT hello-world:v1\.o: it is not in the cloud registry/m)
    assert.deepEqual(hub.applied, [])
  })

  describe('that is saved', () => {
    it('holds no password, is 0600, and is carried out by provision and then deploy', async () => {
      assert.equal((await causeway('plan --out plan.json')).code, 2)
      assert.equal((await stat(join(folder, 'plan.json'))).mode & 0o777, 0o600)
      const provisioned = await causeway('provision --plan plan.json')
      assert.equal(provisioned.code, 0, provisioned.stderr)
      const deployed = await causeway('deploy --plan plan.json')
      assert.equal(deployed.code, 0, deployed.stderr)
      await causeway('plan --out later.json')
      const text = await readFile(join(folder, 'later.json'), 'utf8')
      assert.doesNotMatch(text, /\$scrypt\$/)
      for (const token of ['crimagepulltoken', 'plant-client', 'plantgateway-sync-token']) {
        const value = (await causeway(`secrets show ${token}`)).stdout.trim()
        assert.ok(value.length > 12 && !text.includes(value))
      }
    })

    const moves: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
      [
        'the device was changed',
        () => {
          hub.put('gateway', '$edgeHub', { etag: 'other' })
          return Promise.resolve()
        },
        /^PLAN_STALE device gateway was changed by somebody since$/m
      ],
      [
        'the template was changed',
        () => editTemplate((text) => text.replace('7200', '3600')),
        /^PLAN_STALE device gateway: the site file, template or passwords were changed since$/m
      ],
      [
        'a password was made anew',
        () => causeway('provision --regenerate crimagepulltoken/password2'),
        /^PLAN_STALE device gateway: the site file, template or passwords/m
      ]
    ]
    for (const [what, move, said] of moves)
      it(`is refused when ${what}`, async () => {
        await causeway('provision')
        await causeway('plan --out plan.json')
        await move()
        const { code, stderr } = await causeway('deploy --plan plan.json')
        assert.equal(code, 5)
        assert.match(stderr, said)
        assert.deepEqual(hub.applied, [])
      })

    it('is refused by provision when the registry was changed', async () => {
      await causeway('plan --out plan.json')
      acr.scopeMaps.set('plant-readers', ['repositories/other/content/read'])
      const { code, stderr } = await causeway('provision --plan plan.json')
      assert.equal(code, 5)
      assert.match(stderr, /^PLAN_STALE registry was changed by somebody since$/m)
      assert.deepEqual(acr.writes, [])
    })

    it('is told to be none where it is none', async () => {
      await writeFile(join(folder, 'plan.json'), '{"schemaVersion":"9"}')
      assert.match(
        (await causeway('deploy --plan plan.json')).stderr,
        /PLAN_UNREADABLE: plan\.json is no plan of this release/
      )
    })
  })

  describe('of automatic deployments', () => {
    beforeEach(async () => {
      const rest =
        'deployments:\n  plants: { targetCondition: "tags.plant=\'one\'", priority: 1, devices: [gateway] }\n'
      await writeFile(join(folder, 'site.yaml'), siteText(undefined, rest))
      await causeway('provision')
      hub.automaticMetrics = { targetedCount: 1, appliedCount: 1, reportedSuccessfulCount: 1 }
    })

    it('is shown, rolled out, and then has nothing to say but what configure does', async () => {
      const before = await plan()
      assert.deepEqual(
        before.changes.filter(({ part }) => part === 'deployment plants').map(({ code }) => code),
        ['P301', 'P301', 'P201', 'P201', 'P204', 'P205', 'P206']
      )
      const { code, stdout, stderr } = await causeway('deploy --deployment plants')
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^plants: created; 1 of 1 devices run plants-[0-9a-f]{12}\. /m)
      const { changes } = await plan()
      assert.deepEqual(
        changes.map(({ part, code }) => [part, code]),
        [['device gateway', 'P206']]
      )
      hub.put('gateway', 'connected-registry')
      let patch: Record<string, unknown> = {}
      hub.onPatch = (_twin, sent) => {
        patch = sent
        return 3
      }
      assert.equal((await causeway('configure --no-wait')).code, 0)
      assert.deepEqual(Object.keys(patch).sort(), ['parent', 'tokens'])
    })

    it('has settings that are too large for a twin pushed before it is rolled out', async () => {
      const actions = Array.from(
        { length: 490 },
        (_, at) => `repositories/a-folder/of-repositories/number-${at}/content/read`
      )
      const rest = 'deployments:\n  plants: { targetCondition: "*", priority: 1, devices: [gateway] }\n'
      const text = siteText(undefined, rest).replace('actions: [', `actions: [${actions.join(', ')}, `)
      await writeFile(join(folder, 'site.yaml'), text)
      assert.equal((await causeway('provision')).code, 0)
      const { code, stderr } = await causeway('deploy --deployment plants')
      assert.equal(code, 0, stderr)
      assert.match(stderr, /^pushed settings to causeway\/settings\/plantgateway:[0-9a-f]{16}$/m)
    })

    it('tells whose deployment sets the same settings on a device, and which', async () => {
      assert.equal((await causeway('deploy --deployment plants')).code, 0)
      const [own = ''] = hub.automatic.keys()
      const applied = Object.fromEntries(['theirs', 'elsewhere', own].map((id) => [id, { status: 'Applied' }]))
      hub.put('gateway', '$edgeAgent', { configurations: applied })
      const layer = (id: string, module: string): Promise<unknown> =>
        hub.createConfiguration({
          id,
          labels: {},
          targetCondition: '*',
          priority: 500,
          content: {
            modulesContent: {
              [module]: {
                'properties.desired.imageSets.bridge': {},
                'properties.desired.logLevel': 'Debug',
                'properties.desired.theirs': 1
              }
            }
          }
        })
      await layer('theirs', 'connected-registry')
      await layer('elsewhere', 'camera')
      const said = /gateway: the automatic deployment theirs sets imageSets, logLevel of connected-registry too/
      const planned = await causeway('plan')
      assert.match(planned.stderr, said)
      assert.doesNotMatch(planned.stderr, /elsewhere|deployment plants-/)
      assert.match((await causeway('check')).stdout, new RegExp(`^difference C206 device ${said.source}`, 'm'))
    })

    it('is not mixed with deployments of single devices', async () => {
      const inSite = await causeway('deploy --device gateway')
      assert.deepEqual([inSite.code, hub.applied.length], [5, 0])
      assert.match(
        inSite.stderr,
        /DEPLOYMENT_MIXED: gateway belongs to the automatic deployment plants; deploy with --deployment/
      )
      await writeFile(join(folder, 'site.yaml'), siteText())
      hub.put('gateway', '$edgeAgent', { configurations: { other: { status: 'Applied' } } })
      const inHub = await causeway('deploy --device gateway')
      assert.deepEqual([inHub.code, hub.applied.length], [5, 0])
      assert.match(inHub.stderr, /DEPLOYMENT_MIXED: gateway has the automatic deployment other/)
    })

    const deploymentsOf = (name: string, condition = "tags.plant='one'"): Promise<void> =>
      writeFile(
        join(folder, 'site.yaml'),
        siteText(
          undefined,
          `deployments:\n  ${name}: { targetCondition: "${condition}", priority: 1, devices: [gateway] }\n`
        )
      )
    /** What the hub then says of it on the device. */
    function applyAll(): void {
      const configurations = Object.fromEntries([...hub.automatic.keys()].map((id) => [id, { status: 'Applied' }]))
      hub.put('gateway', '$edgeAgent', { ...hub.twins.get('gateway/$edgeAgent'), configurations })
    }

    it('takes no deployment of this name away from devices of another site, unasked', async () => {
      assert.equal((await causeway('deploy --deployment plants')).code, 0)
      await deploymentsOf('plants', "deviceId='gateway'")
      const { changes } = await plan()
      const said = /is for 1 devices that the site file does not have.*deploy needs --allow-remove/
      assert.match(changes.find(({ code }) => code === 'P303')?.warning ?? '', said)
      hub.writes.length = 0
      const refused = await causeway('deploy --deployment plants')
      assert.equal(refused.code, 5)
      assert.match(refused.stderr, /DEPLOYMENT_MIXED: .* plants of the hub is for 1 devices/)
      assert.deepEqual(hub.writes, [])
      applyAll()
      assert.equal((await plan()).changes.find(({ code }) => code === 'P303')?.warning, undefined)
      assert.equal((await causeway('deploy --deployment plants')).code, 0)
      hub.put('gateway', '$edgeAgent', { ...hub.twins.get('gateway/$edgeAgent'), configurations: {} })
      await deploymentsOf('plants', "tags.plant='one'")
      assert.equal((await causeway('deploy --deployment plants --allow-remove')).code, 0)
    })

    it('is refused by plan as by deploy where a renamed one is in the way, which is retired by its old name', async () => {
      assert.equal((await causeway('deploy --deployment plants')).code, 0)
      applyAll()
      await deploymentsOf('farms')
      const planned = await causeway('plan --output json')
      assert.equal(planned.code, 1)
      assert.match(planned.stderr, /DEPLOYMENT_MIXED: .*retire it with causeway deploy --deployment <its name>/)
      const { changes } = JSON.parse(planned.stdout) as Plan
      const retired = changes.filter(({ code }) => code === 'P302')
      assert.deepEqual(retired.map(({ subject }) => subject).sort(), [...hub.automatic.keys()].sort())
      assert.match(retired[0]?.warning ?? '', /causeway deploy --deployment plants --allow-remove retires it/)
      const before = hub.automatic.size
      assert.equal((await causeway('deploy --deployment farms')).code, 5)
      const unasked = await causeway('deploy --deployment plants')
      assert.equal(unasked.code, 5)
      assert.match(unasked.stderr, /MODULES_WOULD_GO: the site file has no deployment plants.*--allow-remove/)
      assert.equal(hub.automatic.size, before)
      const done = await causeway('deploy --deployment plants --deployment farms --allow-remove')
      assert.equal(done.code, 0, done.stderr)
      assert.match(done.stdout, /^plants: retired plants-settings-[0-9a-f]{12}$/m)
      assert.ok([...hub.automatic.keys()].every((id) => id.startsWith('farms-')))
    })

    it('is refused by plan and found by check where the site file has none any more', async () => {
      assert.equal((await causeway('deploy --deployment plants')).code, 0)
      applyAll()
      await writeFile(join(folder, 'site.yaml'), siteText())
      const planned = await causeway('plan')
      assert.equal(planned.code, 1)
      assert.match(planned.stderr, /DEPLOYMENT_MIXED: gateway has the automatic deployment plants-/)
      const { stdout } = await causeway('check')
      assert.match(stdout, /^difference C207 .*gateway has the automatic deployment plants-/m)
      assert.match(stdout, /^difference P302 .*plants-settings-/m)
      assert.match(stdout, /^difference C206 .*causeway made as plants.*retire it/m)
      assert.equal((await causeway('deploy --deployment plants --allow-remove')).code, 0)
      assert.equal(hub.automatic.size, 0)
    })

    it('is not retired where devices of another site have it', async () => {
      assert.equal((await causeway('deploy --deployment plants')).code, 0)
      await writeFile(join(folder, 'site.yaml'), siteText())
      const { code, stderr } = await causeway('deploy --deployment plants --allow-remove')
      assert.equal(code, 5)
      assert.match(stderr, /DEPLOYMENT_MIXED: .* is for 1 devices that the site file does not have/)
      applyAll()
      hub.automaticMetrics = { ...hub.automaticMetrics, targetedCount: 2 }
      assert.ok(!(await causeway('plan')).stdout.includes('P302'))
    })

    it('is not rolled out over modules that would vanish, unasked', async () => {
      hub.put('gateway', '$edgeAgent', { desired: { modules: { camera: {} } } })
      const { code, stderr } = await causeway('deploy --deployment plants')
      assert.equal(code, 5)
      assert.match(stderr, /MODULES_WOULD_GO: the devices of plants would lose camera/)
      assert.equal(hub.automatic.size, 0)
    })

    it('is told to be none where the site has none of the name', async () => {
      assert.match(
        (await causeway('deploy --deployment ships')).stderr,
        /USAGE: the site file has no deployment ships; it has plants/
      )
    })
  })

  it('is the same twice, in every form', async () => {
    await causeway('provision')
    for (const style of ['text', 'json', 'markdown', 'github', 'azdo', 'sarif']) {
      const first = await causeway(`plan --output ${style}`)
      assert.equal(first.stdout, (await causeway(`plan --output ${style}`)).stdout)
      assert.equal(first.code, 2)
    }
  })

  it('is written as services read it', async () => {
    await causeway('provision')
    content.states.set('azureiotedge-hub:1.6.1', 'absent')
    const github = await causeway('plan', { CI: 'true', GITHUB_ACTIONS: 'true' })
    assert.match(
      github.stdout,
      /^::warning file=site\.yaml,title=P104 image absent from the cloud registry::registry: add image azureiotedge-hub:1\.6\.1; it is not/m
    )
    assert.match(
      github.stdout,
      /^::notice file=site\.yaml,title=P201 module added::device gateway: add module connected-registry; \+image: /m
    )
    const azdo = await causeway('plan', { TF_BUILD: 'True' })
    assert.match(
      azdo.stdout,
      /^##vso\[task\.logissue type=warning;sourcepath=site\.yaml;code=P104\]registry: add image/m
    )
    const markdown = await causeway('plan --output markdown --summary summary.md')
    assert.equal(await readFile(join(folder, 'summary.md'), 'utf8'), markdown.stdout)
    assert.match(
      markdown.stdout,
      /^\| add \| module connected-registry \(P201\) \| `image` \| {2}\| `mycontainerregistry001/m
    )
    const sarif = JSON.parse((await causeway('plan --output sarif')).stdout) as {
      version: string
      runs: { results: { ruleId: string; level: string }[] }[]
    }
    assert.equal(sarif.version, '2.1.0')
    assert.deepEqual(
      sarif.runs[0]?.results.slice(0, 2).map(({ ruleId, level }) => [ruleId, level]),
      [
        ['P104', 'warning'],
        ['P201', 'note']
      ]
    )
  })
})
