import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import tls from 'node:tls'
import { readSettings } from '../../module/settings/validate.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startHub, type Hub as PretendHub } from '../../simulator/hub/hub.ts'
import { Network } from '../../simulator/network.ts'
import { TwinStore } from '../../simulator/twins.ts'
import { formatManifest } from '../deployment/generate.ts'
import { readTemplate, type Template } from '../deployment/template.ts'
import type { GeneratorError } from '../errors.ts'
import { readFleet } from '../fleet/status.ts'
import { atOnce } from '../hub/at-once.ts'
import { createHubClient } from '../hub/client.ts'
import { configure } from '../hub/configure.ts'
import type { Hub } from '../hub/hub.ts'
import { Pace } from '../hub/pace.ts'
import { Fingerprints } from '../plan/fingerprints.ts'
import type { Secrets } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'
import { deviceNamed, testSite } from '../testing.ts'
import { validateManifest } from '../validate/manifest.ts'
import { automaticContent } from './content.ts'
import { settingsOf } from './own-settings.ts'
import { planAutomatic } from './plan.ts'
import { rollOut, type RolledOut } from './rollout.ts'

const fleet = 200
const now = new Date('2026-11-21T12:00:00Z')
const ids = Array.from({ length: fleet }, (_, index) => `${index % 2 === 0 ? 'ship' : 'mine'}-${index}`)

/** A password for every token; hashes of the right form, since real ones take their time. */
const secrets: Secrets = {
  slot: (token, slot) =>
    slot === 'password2'
      ? undefined
      : {
          state: 'stored',
          value: `the password of ${token}`,
          hash: `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${createHash('sha256').update(token).digest('base64').slice(0, 43)}`,
          creationTime: '2026-01-01T00:00:00Z'
        },
  values: () => ['the password of crimagepulltoken']
}

function siteOf(more = ''): Site {
  return testSite(
    ids.map((id, index) => `  ${id}: { connectedRegistry: { name: registry${index} } }`).join('\n'),
    `${more}deployments:
  ships: { targetCondition: "tags.kind='ship'", priority: 1, devices: ['ship-*'] }
  mines: { targetCondition: "tags.kind='mine'", priority: 2, devices: ['mine-*'] }
`
  )
}

describe(`${fleet} devices under two automatic deployments`, function () {
  this.timeout(60_000)
  const trusted = tls.getCACertificates('default')
  const twins = new TwinStore()
  let network: Network
  let pretend: PretendHub
  let hub: Hub
  let template: Template

  before(async () => {
    network = await Network.start()
    const authority = await CertificateAuthority.create()
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    pretend = await startHub({
      name: 'causeway-hub',
      network,
      authority,
      twins,
      devices: ids,
      // A hub for a fleet has more units; the paces of one are tested by themselves.
      units: 100,
      invokeMethod: () => Promise.reject(new Error('nobody calls a method here')),
      isConnected: () => true
    })
    for (const id of ids) twins.patchTags(id, { kind: id.slice(0, 4) })
    // Every device takes what it is given.
    twins.on('desired', ({ key, version }) => {
      if (key.endsWith('/$edgeAgent')) {
        twins.patchReported(key, { lastDesiredVersion: version, lastDesiredStatus: { code: 200, description: '' } })
        return
      }
      if (!key.endsWith('/connected-registry')) return
      const ok = readSettings(twins.get(key)?.desired.properties).ok
      twins.patchReported(key, {
        schemaVersion: '1.0',
        runtime: { version: '0.1.0', startedAt: now.toISOString() },
        connectionState: 'Online',
        lastDesiredVersion: version,
        lastDesiredStatus: { code: ok ? 200 : 400, description: '' },
        ...(ok ? { appliedVersion: version } : {})
      })
    })
    hub = await createHubClient('causeway-hub.azure-devices.net', {
      signal: new AbortController().signal,
      env: { https_proxy: network.proxyUrl, IOTHUB_CONNECTION_STRING: pretend.connectionString },
      credential: () => Promise.reject(new Error('no credential is needed')),
      pace: new Pace({ now: () => 0, pause: () => Promise.resolve() }),
      retryDelay: 1
    })
    template = await readTemplate('deployment.template.json', import.meta.dirname)
  })
  after(async () => {
    hub.close()
    await pretend.close()
    await network.close()
    tls.setDefaultCACertificates(trusted)
  })

  const noTwins = (): Promise<never> => Promise.reject(new Error('nothing is in doubt here'))
  const patience = { signal: new AbortController().signal, timeout: 20_000, soonest: 1, slowest: 20 }
  const out = (site: Site, name: string, from = template): Promise<RolledOut> => {
    const deployment = site.deployments[name]!
    const content = automaticContent(site, deployment, from, { secrets, now })
    return rollOut(hub, deployment, content, 0, patience, () => undefined)
  }
  const desired = (id: string, module = 'connected-registry'): Record<string, unknown> =>
    twins.get(TwinStore.key(id, module))?.desired.properties ?? {}
  async function configureAll(site: Site, most = fleet): Promise<string[]> {
    const settings = settingsOf(site, { secrets, now })
    const results = await atOnce(Object.values(site.devices).slice(0, most), 8, async (device) => {
      const wanted = settings(device)
      return (await configure(hub, device.id, site.moduleName, wanted.settings, wanted.own)).outcome
    })
    return [...new Set(results)]
  }

  it('get one content a deployment, which validates, and ids that name it', () => {
    const site = siteOf()
    const contents = Object.values(site.deployments).map((deployment) =>
      automaticContent(site, deployment, template, { secrets, now })
    )
    for (const { base, settings } of contents) {
      for (const { content } of [base, settings]) {
        const report = validateManifest(formatManifest(content), 'made')
        assert.deepEqual(
          report.findings.filter(({ severity }) => severity === 'error'),
          []
        )
      }
      assert.match(base.id, /^(ships|mines)-[0-9a-f]{12}$/)
      assert.ok(!('connected-registry' in base.content.modulesContent))
      assert.doesNotMatch(JSON.stringify([base, settings]), /sync-token|ACR_REGISTRY_CONNECTION_STRING/)
    }
    const again = automaticContent(siteOf(), site.deployments['ships']!, template, { secrets, now })
    assert.deepEqual(again, contents[0])
    const rotated: Secrets = {
      ...secrets,
      slot: (token, slot) => {
        const record = secrets.slot(token, slot)
        return record?.state === 'stored' ? { ...record, hash: record.hash.replace(/.$/, 'x') } : record
      }
    }
    const changed = automaticContent(site, site.deployments['ships']!, template, { secrets: rotated, now })
    assert.notEqual(changed.base.id, again.base.id, 'a changed password changes the id')
    assert.equal(changed.settings.id, again.settings.id)
  })

  it('each syncs as itself: shared settings come from the layer, their own from the twin', async () => {
    const site = siteOf()
    for (const name of ['ships', 'mines']) {
      const { outcome, targeted, successful } = await out(site, name)
      assert.deepEqual([outcome, targeted, successful], ['created', fleet / 2, fleet / 2])
    }
    assert.deepEqual(await configureAll(site), ['updated'])
    const parents = ids.map((id) => desired(id)['parent'] as { tokenName: string; password: string })
    assert.equal(new Set(parents.map(({ tokenName }) => tokenName)).size, fleet)
    ids.forEach((id, index) => {
      assert.equal(parents[index]!.password, `the password of registry${index}-sync-token`)
      assert.ok(readSettings(desired(id)).ok, id)
    })
    assert.equal((await hub.configurations()).length, 4)
  })

  it('have nothing to do the second time, for either', async () => {
    const site = siteOf()
    const before = pretend.requests.length
    assert.equal((await out(site, 'ships')).outcome, 'unchanged')
    assert.deepEqual(await configureAll(site, 20), ['unchanged'])
    const writes = pretend.requests.slice(before).filter(({ method }) => method !== 'GET' && method !== 'POST')
    assert.deepEqual(writes, [])
    const content = automaticContent(site, site.deployments['ships']!, template, { secrets, now })
    const { planned } = await planAutomatic(
      hub,
      noTwins,
      site.deployments['ships']!,
      content,
      site.moduleName,
      new Fingerprints([])
    )
    assert.deepEqual(planned.changes, [])
  })

  it('take a changed layer, and keep what is their own', async () => {
    const site = siteOf('logLevel: Debug\n')
    const version = twins.get(TwinStore.key('ship-0', '$edgeAgent'))!.desired.version
    const content = automaticContent(site, site.deployments['ships']!, template, { secrets, now })
    const { planned } = await planAutomatic(
      hub,
      noTwins,
      site.deployments['ships']!,
      content,
      site.moduleName,
      new Fingerprints([])
    )
    assert.deepEqual(
      planned.changes.map(({ code, action }) => [code, action]),
      [
        ['P302', 'remove'],
        ['P301', 'add'],
        ['P206', 'change']
      ]
    )
    assert.equal((await out(site, 'ships')).outcome, 'replaced')
    assert.equal(desired('ship-0')['logLevel'], 'Debug')
    assert.equal(desired('mine-1')['logLevel'], 'Information')
    assert.equal((desired('ship-2')['parent'] as { tokenName: string }).tokenName, 'registry2-sync-token')
    assert.equal((await hub.configurations()).length, 4)
    assert.ok(twins.get(TwinStore.key('ship-0', '$edgeAgent'))!.desired.version >= version)
  })

  it('are shown in pages, within what a hub allows', async () => {
    const before = pretend.requests.length
    const devices = await readFleet(hub, ids, 'connected-registry', now)
    assert.equal(devices.length, fleet)
    assert.ok(
      devices.every(
        ({ connectionState, appliedVersion, desiredVersion }) =>
          connectionState === 'Online' && appliedVersion === desiredVersion
      )
    )
    assert.ok(pretend.requests.length - before <= Math.ceil(fleet / 100))
  })

  it('lose the new deployment where one of them refuses it', async () => {
    const edited = {
      ...template,
      modulesContent: JSON.parse(
        JSON.stringify(template.modulesContent).replaceAll('"7200"', '"1"').replace('7200', '60')
      ) as Template['modulesContent']
    }
    const refuse = ({ key, version }: { key: string; version: number }): void => {
      if (key !== 'ship-4/$edgeAgent') return
      twins.patchReported(key, {
        lastDesiredVersion: version - 1,
        lastDesiredStatus: { code: 400, description: 'bad' }
      })
    }
    const held = (await hub.configurations()).map(({ id, priority }) => [id, priority]).sort()
    twins.on('desired', refuse)
    await assert.rejects(out(siteOf('logLevel: Debug\n'), 'ships', edited), (error: GeneratorError) => {
      assert.deepEqual(error.details, ['DEPLOYMENT_FAILED ship-4: (400): bad'])
      return error.code === 'DEPLOYMENT_FAILED' && error.message.includes('It was rolled back')
    })
    twins.off('desired', refuse)
    await pretend.automatic.settled()
    assert.deepEqual((await hub.configurations()).map(({ id, priority }) => [id, priority]).sort(), held)
    const ttl = (desired('ship-0', '$edgeHub')['storeAndForwardConfiguration'] as { timeToLiveSecs: number })
      .timeToLiveSecs
    assert.equal(ttl, 7200)
  })

  it('find out what they share once, however often one of them is looked at', () => {
    const site = siteOf()
    let looks = 0
    const device = deviceNamed(site, 'ship-0')
    const watched = Object.defineProperty({ ...device }, 'imageSets', {
      get: () => {
        looks++
        return device.imageSets
      }
    })
    const counted: Site = { ...site, devices: { ...site.devices, 'ship-0': watched } }
    const others = ids.filter((id) => id.startsWith('ship-') && id !== 'ship-0')
    // As a rotation does: each device by itself, look after look.
    for (const id of others) settingsOf(counted, { secrets, now })(deviceNamed(site, id))
    assert.ok(looks > 0 && looks < 10, `${looks} looks at one device, while ${others.length} others were`)
  })

  it('cannot share what differs between them', () => {
    const site = testSite(
      '  ship-1: { connectedRegistry: { name: registry1 }, port: 8081 }\n  ship-2: { connectedRegistry: { name: registry2 } }',
      'deployments:\n  ships: { targetCondition: "*", priority: 1, devices: ["*"] }\n'
    )
    assert.throws(
      () => automaticContent(site, site.deployments['ships']!, template, { secrets, now }),
      (error: GeneratorError) =>
        error.code === 'DEPLOYMENT_DIFFERS' && /for ship-1, and .* for ship-2/.test(error.message)
    )
  })
})
