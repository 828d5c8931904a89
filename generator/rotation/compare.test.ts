import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { provisionResources } from '../acr/provision.ts'
import { wantedOf } from '../acr/wanted.ts'
import { configure } from '../hub/configure.ts'
import { generateSettings } from '../deployment/generate.ts'
import { testSite } from '../testing.ts'
import { compareTokens } from './compare.ts'
import { chooseTokens } from './plan.ts'
import { setRevoked, type Revocation } from './revoke.ts'
import { RotationWorld } from './testing.ts'

const site = testSite(
  [
    '  top: { connectedRegistry: { name: topregistry } }',
    '  low: { connectedRegistry: { name: lowregistry }, parent: top }'
  ].join('\n')
)

describe('tokens, revoked and compared', () => {
  let folder: string
  let world: RotationWorld
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-compare-'))
    world = new RotationWorld(site, folder)
    await world.deploy()
    await provisionResources(world.acr, wantedOf(site), () => undefined, { remove: false })
    await world.withStore(async (secrets) => {
      for (const device of Object.values(site.devices))
        await configure(world.hub, device.id, site.moduleName, {
          ...generateSettings(site, device, { secrets, now: new Date() })
        })
    })
  })
  afterEach(() => rm(folder, { recursive: true }))

  const compare = (now = new Date()): Promise<string[]> =>
    world.withStore(async (secrets) => {
      const twins = new Map([...world.hub.twins.values()].map((twin) => [twin.deviceId, twin]))
      const found = await compareTokens({ site, secrets, acr: world.acr, twins, now, warnDays: 30 })
      return found.map(({ severity, token, where, message }) => `${severity} ${where} ${token} ${message}`)
    })
  const revoke = (name: string, revoked = true, timeout = 0): Promise<Revocation> =>
    world.withStore((store) => {
      const [token] = chooseTokens(site, [name])
      assert.ok(token)
      const patience = { signal: new AbortController().signal, interval: 1, timeout }
      return setRevoked({ site, store, acr: world.acr, hub: world.hub, patience }, token, revoked)
    })
  const heldBy = (device: string, token: string): unknown => {
    const tokens = world.hub.twins.get(`${device}/connected-registry`)?.desired['tokens'] as Record<
      string,
      { status: string }
    >
    return tokens[token]?.status
  }

  it('agree where nothing was touched', async () => {
    assert.deepEqual(await compare(), [])
  })

  it('a revoked one is disabled everywhere, and stays so through provision', async () => {
    const result = await revoke('plant-client')
    assert.deepEqual(result, { acknowledged: ['low', 'top'], waiting: [], neverDeployed: [] })
    assert.equal(world.acr.tokens.get('plant-client')?.status, 'disabled')
    assert.deepEqual([heldBy('top', 'plant-client'), heldBy('low', 'plant-client')], ['disabled', 'disabled'])
    assert.deepEqual(await compare(), [])
    await revoke('plant-client', false)
    assert.equal(world.acr.tokens.get('plant-client')?.status, 'enabled')
    assert.equal(heldBy('top', 'plant-client'), 'enabled')
  })

  it('lists who has not acknowledged a revocation', async () => {
    world.away.add('low')
    const { acknowledged, waiting } = await revoke('plant-client')
    assert.deepEqual(acknowledged, ['top'])
    assert.match(waiting.join(), /^low has not applied version 3 of its settings$/)
    assert.match((await compare()).join('\n'), /^warning low plant-client has not applied version 3 of its settings$/)
  })

  it('tells devices apart that were never spoken to', async () => {
    world.hub.twins.delete('low/connected-registry')
    assert.deepEqual(await revoke('plant-client'), { acknowledged: ['top'], waiting: [], neverDeployed: ['low'] })
  })

  it('revokes a device’s sync token in the cloud and at the device above', async () => {
    await revoke('lowregistry-sync-token')
    assert.equal(world.acr.tokens.get('lowregistry-sync-token')?.status, 'disabled')
    assert.equal(heldBy('top', 'lowregistry-sync-token'), 'disabled')
  })

  it('tells of a token whose last change failed, and revokes one whose revocation failed', async () => {
    const shown = world.acr.tokens.get('plant-client')
    assert.ok(shown)
    world.acr.tokens.set('plant-client', { ...shown, failed: true })
    assert.deepEqual(await compare(), [
      'error registry plant-client is not as Azure shows it: its last change failed; run causeway provision'
    ])
    world.acr.tokens.set('plant-client', { ...shown, status: 'disabled', failed: true })
    await revoke('plant-client')
    assert.equal(world.acr.tokens.get('plant-client')?.failed, undefined, 'it was written again')
  })

  it('tells each way in which the cloud registry differs', async () => {
    const token = world.acr.tokens.get('plant-client')
    assert.ok(token)
    world.acr.tokens.set('plant-client', {
      scopeMap: 'another',
      status: 'disabled',
      passwords: { password2: '2020-01-01T00:00:00.000Z' }
    })
    world.acr.scopeMaps.set('plant-readers', ['repositories/hello-world/content/read', 'repositories/x/content/read'])
    world.acr.tokens.delete('crimagepulltoken')
    assert.deepEqual(await compare(), [
      'error registry plant-client is disabled, and should be enabled',
      'error registry plant-client has scope map another, and should have plant-readers',
      'error registry plant-client may not repositories/hello-world/metadata/read',
      'warning registry plant-client may do 1 things more than it should',
      'error registry plant-client password1 is kept here, and the registry no longer has it',
      'warning registry plant-client password2 was made elsewhere, and is not kept here',
      'error registry crimagepulltoken is not there; run causeway provision'
    ])
  })

  it('finds nothing wrong with a device that still has the hash of what ran out', async () => {
    const kept = await world.slot('plant-client', 'password1')
    assert.ok(kept?.state === 'stored')
    const { value, hash, creationTime } = kept
    const expiry = '2100-01-01T00:00:00.000Z'
    await world.withStore((store) => store.keep('plant-client', 'password1', { value, creationTime, expiry }, hash))
    assert.deepEqual(await compare(new Date('2100-02-01T00:00:00Z')), [
      `error registry plant-client password1 ran out on ${expiry}; run causeway rotate plant-client`
    ])
  })

  it('tells each way in which a device differs, and a password that runs out', async () => {
    const twin = world.hub.twins.get('top/connected-registry')
    assert.ok(twin)
    const tokens = twin.desired['tokens'] as Record<string, Record<string, unknown>>
    const { 'lowregistry-sync-token': _, ...rest } = tokens
    const client = { ...rest['plant-client'], status: 'disabled', passwords: { password2: { hash: 'another' } } }
    const reported = {
      ...twin.reported,
      credential: { fingerprint: '000000000000', tokenName: 'topregistry-sync-token' }
    }
    world.hub.twins.set('top/connected-registry', {
      ...twin,
      reported,
      desired: { ...twin.desired, tokens: { 'plant-client': client } }
    })
    await world.withStore((store) =>
      store.keep('plant-client', 'password2', {
        value: 'made-for-ten-days',
        creationTime: '2026-01-01T00:00:00.000Z',
        expiry: '2026-02-10T00:00:00.000Z'
      })
    )
    const found = await compare(new Date('2026-02-01T00:00:00Z'))
    for (const line of [
      'error top topregistry-sync-token last logged in with a password that is not kept here',
      'error top lowregistry-sync-token does not know it; run causeway configure',
      'error top plant-client has it disabled, and should have it enabled',
      'error top plant-client does not know password1; run causeway configure',
      'error top plant-client knows another password2 than is kept here; run causeway configure',
      'warning registry plant-client password2 runs out in 9 days, on 2026-02-10T00:00:00.000Z; run causeway rotate plant-client'
    ])
      assert.ok(found.includes(line), `${line}\n${found.join('\n')}`)
  })
})
