import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { fetch, ProxyAgent } from 'undici'
import { automaticContent } from '../generator/automatic/content.ts'
import { settingsOf } from '../generator/automatic/own-settings.ts'
import { rollOut } from '../generator/automatic/rollout.ts'
import { readTemplate } from '../generator/deployment/template.ts'
import { atOnce } from '../generator/hub/at-once.ts'
import { createHubClient } from '../generator/hub/client.ts'
import { configure } from '../generator/hub/configure.ts'
import type { Hub } from '../generator/hub/hub.ts'
import { Pace } from '../generator/hub/pace.ts'
import { credentialFingerprint } from '../generator/rotation/fingerprint.ts'
import { SecretStore } from '../generator/secrets/store.ts'
import { parseSite } from '../generator/site-file/read.ts'
import { deviceNamed, siteText, testBackend, testSecretsKey } from '../generator/testing.ts'
import { readSettings } from '../module/settings/validate.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { startCloud, type Cloud, type CloudRegistry } from '../simulator/cloud.ts'
import { startHub, type Hub as PretendHub } from '../simulator/hub/hub.ts'
import { Network } from '../simulator/network.ts'
import { TwinStore } from '../simulator/twins.ts'

/** A thousand take a minute: CAUSEWAY_FLEET=1000. */
const fleet = Number(process.env['CAUSEWAY_FLEET'] ?? 200)
const half = fleet / 2
const text = siteText(
  `  "{ship,mine}-{1..${half}}": { connectedRegistry: { name: "{1}{2}registry" } }`,
  `deployments:
  ships: { targetCondition: "tags.kind='ship'", priority: 1, devices: ['ship-*'] }
  mines: { targetCondition: "tags.kind='mine'", priority: 2, devices: ['mine-*'] }
`
)
const site = parseSite(text, 'site.yaml')
const ids = Object.keys(site.devices)
const tenantId = '00000000-0000-0000-0000-0000000000aa'
const clientId = '00000000-0000-0000-0000-0000000000bb'
const clientSecret = 'a-secret-of-the-test'
const module = site.moduleName
/** Of the right form: a real one takes 45 ms, and nobody logs in to these devices. */
const anyHash = `$scrypt$ln=10,r=8,p=1$${'A'.repeat(22)}$${'B'.repeat(43)}`
const days = 86_400_000
const manifestTypes =
  'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json'

/**
 * Two automatic deployments, a sync token for each device, and a rotation of all of them by a process that is killed at its
 * worst moments, while some devices are away for days. All through the real SDKs; devices log in to the pretend ACR.
 */
describe(`${fleet} devices with a sync token each`, function () {
  this.timeout(fleet > 200 ? 600_000 : 90_000)
  const trusted = tls.getCACertificates('default')
  const twins = new TwinStore()
  /** How far the cloud's clock is ahead. */
  let ahead = 0
  let folder: string
  let network: Network
  let cloud: Cloud
  let registry: CloudRegistry
  let pretend: PretendHub
  let hub: Hub
  let dispatcher: ProxyAgent
  const away = new Set<string>()
  /** What a device logs in with: what it last applied. */
  const held = new Map<string, { tokenName: string; password: string }>()
  const locked = new Set<string>()
  /** Devices that are busy with what their twin told them. */
  const busy = new Set<Promise<void>>()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-fleet-'))
    await mkdir(join(folder, 'cloud'))
    await writeFile(join(folder, 'site.yaml'), text)
    network = await Network.start()
    dispatcher = new ProxyAgent(network.proxyUrl)
    const authority = await CertificateAuthority.create()
    await writeFile(join(folder, 'ca.pem'), authority.certificate)
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    cloud = await startCloud({
      network,
      authority,
      folder: join(folder, 'cloud'),
      tenantId,
      clientId,
      clientSecret,
      subscriptionId: site.azure.subscription,
      resourceGroup: site.azure.resourceGroup,
      registries: [{ name: site.azure.registry, sku: 'Premium', region: 'westeurope' }],
      arm: { pollsUntilDone: 0 },
      now: () => Date.now() + ahead
    })
    registry = cloud.registry(site.azure.registry)
    await registry.pushImage('hello-world', 'v1')
    pretend = await startHub({
      name: site.azure.hub,
      network,
      authority,
      twins,
      devices: ids,
      units: 100,
      invokeMethod: () => Promise.reject(new Error('nobody calls a method here')),
      isConnected: () => true
    })
    for (const id of ids) twins.patchTags(id, { kind: id.slice(0, 4) })
    twins.on('desired', ({ key, version }) => {
      const [id = '', name] = key.split('/')
      if (name === '$edgeAgent')
        twins.patchReported(key, { lastDesiredVersion: version, lastDesiredStatus: { code: 200, description: '' } })
      else if (name === module && !away.has(id)) wake(id)
    })
    hub = await createHubClient(site.hubHost, {
      signal: new AbortController().signal,
      env: { https_proxy: network.proxyUrl, IOTHUB_CONNECTION_STRING: pretend.connectionString },
      credential: () => Promise.reject(new Error('no credential is needed')),
      pace: new Pace({ now: () => 0, pause: () => Promise.resolve() })
    })
    await withStore(async (store) => {
      const actions = ['repositories/hello-world/content/read', 'repositories/hello-world/metadata/read']
      const names = [
        site.pullToken.name,
        ...Object.keys(site.tokens),
        ...ids.map((id) => deviceNamed(site, id).syncToken)
      ]
      await Promise.all(
        names.map((name) => {
          const value = registry.addToken(name, actions).password
          return store.keep(name, 'password1', { value, creationTime: new Date().toISOString() }, anyHash)
        })
      )
    })
  })
  after(async () => {
    hub.close()
    await Promise.allSettled(busy)
    await dispatcher.close()
    await pretend.close()
    await cloud.close()
    await network.close()
    tls.setDefaultCACertificates(trusted)
    await rm(folder, { recursive: true })
  })

  async function withStore<Result>(use: (store: SecretStore) => Promise<Result>): Promise<Result> {
    const store = await SecretStore.open(await testBackend(join(folder, '.causeway')), site.loginServer, 'write')
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  }

  /** A token request as a container engine makes it. */
  async function login(tokenName: string, password: string): Promise<{ status: number; token: string }> {
    const query = `service=${site.loginServer}&scope=repository:hello-world:pull`
    const response = await fetch(`https://${site.loginServer}/oauth2/token?${query}`, {
      dispatcher,
      headers: { authorization: `Basic ${Buffer.from(`${tokenName}:${password}`).toString('base64')}` }
    })
    const body = (await response.json()) as { access_token?: string }
    return { status: response.status, token: body.access_token ?? '' }
  }

  /** A device looks at its twin, applies what is there, logs in with it, and tells what came of it. */
  function wake(id: string): void {
    const work = async (): Promise<void> => {
      const key = TwinStore.key(id, module)
      const { version, properties } = twins.get(key)?.desired ?? { version: 0, properties: {} }
      const reading = readSettings(properties)
      const parent = reading.ok ? reading.settings.parent : undefined
      const common = { schemaVersion: '1.0', runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' } }
      twins.patchReported(key, {
        ...common,
        connectionState: 'Online',
        lastDesiredVersion: version,
        lastDesiredStatus: { code: reading.ok ? 200 : 400, description: '' },
        ...(reading.ok ? { appliedVersion: version } : {})
      })
      if (parent === undefined) return
      held.set(id, { tokenName: parent.tokenName, password: parent.password })
      if ((await login(parent.tokenName, parent.password)).status !== 200) {
        locked.add(id)
        return
      }
      const fingerprint = credentialFingerprint(parent.tokenName, parent.password)
      const succeededAt = new Date().toISOString()
      twins.patchReported(key, { credential: { fingerprint, tokenName: parent.tokenName, succeededAt } })
    }
    const promise = work()
    busy.add(promise)
    void promise.finally(() => busy.delete(promise)).catch(() => undefined)
  }

  /** Nobody is without a password that works, whether here or away. */
  function assertNobodyLockedOut(when: string): void {
    assert.deepEqual([...locked], [], when)
    const without = ids.filter((id) => {
      const credential = held.get(id)
      return credential === undefined || !registry.accepts(credential.tokenName, credential.password)
    })
    assert.deepEqual(without, [], when)
  }

  it('are given their modules and their own settings, and each syncs with its own token', async () => {
    const template = await readTemplate('deployment.template.json', import.meta.dirname)
    const now = new Date()
    await withStore(async (secrets) => {
      for (const deployment of Object.values(site.deployments)) {
        const content = automaticContent(site, deployment, template, { secrets, now })
        const patience = { signal: new AbortController().signal, timeout: 60_000, soonest: 1, slowest: 20 }
        const done = await rollOut(hub, deployment, content, 0, patience, () => undefined)
        assert.deepEqual([done.outcome, done.targeted, done.successful], ['created', half, half])
      }
      const settings = settingsOf(site, { secrets, now })
      await atOnce(Object.values(site.devices), 8, async (device) => {
        const wanted = settings(device)
        await configure(hub, device.id, module, wanted.settings, wanted.own)
      })
    })
    await Promise.all(busy)
    assert.equal(new Set([...held.values()].map(({ tokenName }) => tokenName)).size, fleet)
    // Each pulls with what ACR gave it for its own password, and nobody's password opens another's token.
    await atOnce([...ids.entries()], 8, async ([index, id]) => {
      const { tokenName, password } = held.get(id)!
      assert.equal(tokenName, deviceNamed(site, id).syncToken)
      const { status, token } = await login(tokenName, password)
      assert.equal(status, 200)
      const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }
      assert.equal(claims.sub, tokenName)
      const manifest = await fetch(`https://${site.loginServer}/v2/hello-world/manifests/v1`, {
        dispatcher,
        headers: { authorization: `Bearer ${token}`, accept: manifestTypes }
      })
      await manifest.body?.cancel()
      assert.equal(manifest.status, 200)
      const other = held.get(ids[(index + 1) % fleet]!)!
      if (index % 20 === 0) assert.equal((await login(tokenName, other.password)).status, 401)
    })
    assertNobodyLockedOut('at first')
  })

  it('get new passwords, whenever the rotation is killed, with some of them away for days', async () => {
    const strays = ['ship-3', 'ship-7', `mine-${half}`]
    for (const id of strays) away.add(id)
    const made = counter(cloud.requests, 'POST', /\/generateCredentials$/)
    const taken = counter(cloud.requests, 'PATCH', /\/tokens\//)
    const told = counter(pretend.requests, 'PATCH', /^\/twins\//)
    const asked = counter(pretend.requests, 'POST', /^\/devices\/query$/)
    const readOne = counter(pretend.requests, 'GET', /^\/twins\//)
    const kills: readonly (readonly [string, () => boolean])[] = [
      ['while passwords are made', () => made() >= fleet / 2],
      ['while devices are told', () => told() >= fleet / 2],
      ['while old ones are taken away', () => taken() >= fleet / 3]
    ]
    for (const [when, isNow] of kills) {
      await rotate(60_000, isNow)
      await Promise.all(busy)
      assertNobodyLockedOut(`killed ${when}`)
    }
    // All but those that are away: they keep the password before, and it works.
    const late = await rotate(2000)
    assert.match(late.stderr, /TIMED_OUT|ship-3 has not applied/)
    await Promise.all(busy)
    assertNobodyLockedOut('while some are away')
    await withStore(async (store) => {
      for (const id of ids) {
        const token = deviceNamed(site, id).syncToken
        assert.equal(store.rotation(token) === undefined, !strays.includes(id), id)
      }
      return Promise.resolve()
    })
    // Days later, when every token of the pipeline and of devices has long run out.
    ahead += 9 * days
    assertNobodyLockedOut('days later')
    for (const id of strays) {
      away.delete(id)
      wake(id)
    }
    await Promise.all(busy)
    const done = await rotate(30_000)
    assert.equal(done.code, 0, done.stderr)
    await Promise.all(busy)
    assertNobodyLockedOut('at the end')

    await withStore(async (store) => {
      for (const id of ids) {
        const { syncToken } = deviceNamed(site, id)
        const record = store.slot(syncToken, 'password2')
        assert.ok(record?.state === 'stored', id)
        assert.equal(held.get(id)?.password, record.value, `${id} uses the new one`)
        assert.equal(store.slot(syncToken, 'password1'), undefined, 'the one before is forgotten')
        assert.equal(store.rotation(syncToken), undefined)
      }
      return Promise.resolve()
    })
    // One for each device, and one more for each that was on its way when the process was killed: four at a time.
    assert.ok(made() >= fleet && made() <= fleet + 4, `${made()} passwords were made`)
    // Told once; those on their way at the kill are found told.
    assert.ok(told() <= fleet + 8, `${told()} twins were changed`)
    // What it looks at it looks at in pages; one by one it reads those it tells, before and after.
    assert.ok(readOne() <= 2 * told() + strays.length * 200, `${readOne()} twins were read one by one`)
    assert.ok(asked() > 0)
  })

  /** How many such requests have come since. */
  function counter(
    requests: readonly { readonly method: string; readonly path: string }[],
    method: string,
    path: RegExp
  ): () => number {
    let next = requests.length
    let found = 0
    return () => {
      for (; next < requests.length; next++) {
        const request = requests[next]
        if (request?.method === method && path.test(request.path)) found += 1
      }
      return found
    }
  }

  /** Runs a rotation as a process of its own. @param isOver when it is killed, without a warning */
  async function rotate(timeout: number, isOver?: () => boolean): Promise<{ code: number | null; stderr: string }> {
    const { PATH, HOME } = process.env
    const child: ChildProcess = spawn(
      process.execPath,
      [join(import.meta.dirname, 'fleet/rotator.ts'), folder, String(timeout)],
      {
        cwd: folder,
        env: {
          PATH,
          HOME,
          CAUSEWAY_SECRETS_KEY: testSecretsKey,
          https_proxy: network.proxyUrl,
          NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
          AZURE_TENANT_ID: tenantId,
          AZURE_CLIENT_ID: clientId,
          AZURE_CLIENT_SECRET: clientSecret,
          IOTHUB_CONNECTION_STRING: pretend.connectionString
        },
        stdio: ['ignore', 'ignore', 'pipe']
      }
    )
    let stderr = ''
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const watch = setInterval(() => {
      if (isOver?.() === true) child.kill('SIGKILL')
    }, 2)
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    clearInterval(watch)
    if (isOver !== undefined) assert.equal(signal, 'SIGKILL', stderr)
    return { code, stderr }
  }
})
