import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fingerprintOf } from '../../module/parent/credentials.ts'
import { generateManifest } from '../deployment/generate.ts'
import { parseTemplate, type Template } from '../deployment/template.ts'
import { GeneratorError } from '../errors.ts'
import { deviceNamed, testSite } from '../testing.ts'
import { credentialFingerprint } from './fingerprint.ts'
import { beginRotation, chooseTokens, pendingTokens } from './plan.ts'
import { carryOutRotation, type RotationResult } from './rotate.ts'
import { RotationWorld } from './testing.ts'

const layered = testSite(
  [
    '  top: { connectedRegistry: { name: topregistry } }',
    '  low: { connectedRegistry: { name: lowregistry }, parent: top }',
    '  other: { connectedRegistry: { name: otherregistry } }'
  ].join('\n')
)

/** What people start from, with a workload that the device pulls from its own registry. */
const template = withWorkload(readFileSync(join(import.meta.dirname, '../../deployment.template.json'), 'utf8'))

describe('a rotation of passwords', () => {
  let folder: string
  let world: RotationWorld
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-rotation-'))
    world = new RotationWorld(layered, folder)
    await world.deploy()
  })
  afterEach(() => rm(folder, { recursive: true }))

  const begin = (names: readonly string[] = []): Promise<void> =>
    world.withStore((store) => beginRotation(chooseTokens(world.site, names), store, world.acr, new Date()))

  const go = (overrides: Partial<Parameters<typeof carryOutRotation>[0]> = {}): Promise<RotationResult> =>
    world.withStore((store) => {
      const patience = { signal: new AbortController().signal, interval: 1, timeout: 20_000 }
      return carryOutRotation({
        site: world.site,
        store,
        acr: world.acr,
        hub: world.hub,
        proof: world.proof,
        proofPatience: patience,
        devicePatience: patience,
        movedClients: () => false,
        onPassword: () => undefined,
        tell: () => undefined,
        ...overrides
      })
    })

  /** With as many looks as it takes the devices that are here, each resumed after the one before: those that are away are not worth more. */
  async function goWithoutAway(): Promise<RotationResult> {
    for (let look = 1; look < 5; look++) await go({ devicePatience: patient(0) }).catch(() => undefined)
    return go({ devicePatience: patient(0) })
  }

  async function assertRotated(tokens: readonly string[], othersPend = false): Promise<void> {
    for (const token of tokens) {
      assert.equal((await world.slot(token, 'password2'))?.state, 'stored', token)
      assert.equal(await world.slot(token, 'password1'), undefined, token)
      assert.deepEqual(Object.keys(world.acr.tokens.get(token)?.passwords ?? {}), ['password2'], token)
    }
    const pending = await world.withStore((store) => Promise.resolve(pendingTokens(world.site, store)))
    assert.equal(pending.length > 0, othersPend)
    assert.deepEqual([...world.locked], [], 'no device was ever without a password that works')
  }
  const syncTokens = ['topregistry-sync-token', 'lowregistry-sync-token', 'otherregistry-sync-token']

  it('tells passwords apart as the module does', () => {
    const credentials = { tokenName: 'a-token', password: 'a+password=' }
    assert.equal(credentialFingerprint(credentials.tokenName, credentials.password), fingerprintOf(credentials))
  })

  it('makes, proves, tells, waits and retires, in this order for every token', async () => {
    await begin()
    world.slowness = 5
    const steps: string[] = []
    await go({ tell: ({ token, step }) => steps.push(`${step} ${token}`) })
    for (const token of syncTokens)
      assert.deepEqual(
        steps.filter((step) => step.endsWith(token)).map((step) => step.split(' ')[0]),
        ['made', 'proved', 'retired']
      )
    await assertRotated(syncTokens)
    const top = world.hub.twins.get('top/connected-registry')?.desired
    const child = (top?.['tokens'] as Record<string, { passwords: object }>)['lowregistry-sync-token']
    assert.deepEqual(Object.keys(child?.passwords ?? {}), ['password2'], 'the old hash is gone from the device above')
  })

  it('does nothing to a device where the registry does not take the new password', async () => {
    await begin()
    const { notTaken = [] } = await go({ proof: () => Promise.resolve(false), proofPatience: patient(30) })
    assert.deepEqual(
      notTaken.map(({ code }) => code),
      syncTokens.map(() => 'PASSWORD_NOT_TAKEN')
    )
    for (const twin of world.hub.twins.values()) assert.equal(twin.desired['parent'], undefined)
    assert.ok(world.taken.has('topregistry-sync-token/password1'))
    await go()
    await assertRotated(syncTokens)
  })

  it('goes on with the others where the registry does not take one of them', async () => {
    await begin()
    const refused = 'otherregistry-sync-token'
    const { notTaken = [] } = await go({
      proof: (token, password) => (token === refused ? Promise.resolve(false) : world.proof(token, password)),
      proofPatience: patient(30)
    })
    assert.match(notTaken.map(({ message }) => message).join(), /new otherregistry-sync-token\/password2/)
    await assertRotated(syncTokens.slice(0, 2), true)
    assert.ok(world.taken.has(`${refused}/password1`), 'it still works there')
    await go()
    await assertRotated(syncTokens)
  })

  it('asks for no more passwords where so many fail that it is the registry', async () => {
    const lines = Array.from({ length: 18 }, (_, at) => `  d${at}: { connectedRegistry: { name: registry${at} } }`)
    world = new RotationWorld(testSite(lines.join('\n')), join(folder, 'refusing'))
    await world.deploy()
    await begin()
    const asked = new Set<string>()
    const { notTaken = [] } = await go({
      proof: (token) => {
        asked.add(token)
        return Promise.resolve(false)
      },
      proofPatience: patient(5)
    })
    assert.ok(notTaken.length < 18 && notTaken.length === asked.size, `${notTaken.length} of ${asked.size}`)
  })

  it('proves a password that had to be made anew after it was proved', async () => {
    world.away.add('top')
    await begin(['topregistry-sync-token'])
    await assert.rejects(goWithoutAway(), { code: 'TIMED_OUT' })
    await world.withStore((store) => store.intend('topregistry-sync-token', 'password2', new Date()))
    const steps: string[] = []
    world.wake('top')
    await go({ tell: ({ step }) => steps.push(step) })
    assert.deepEqual(steps, ['made', 'proved', 'retired'])
  })

  it('waits for a device that is away, with its old password kept, and goes on when it is back', async () => {
    world.away.add('other')
    await begin()
    await assert.rejects(goWithoutAway(), (error: GeneratorError) => {
      assert.equal(error.code, 'TIMED_OUT')
      return /other has not applied version 2 of its settings/.test(error.message) && !error.message.includes('low ')
    })
    assert.ok(world.taken.has('otherregistry-sync-token/password1'), 'it still works there')
    assert.ok(!world.taken.has('lowregistry-sync-token/password1'), 'the others are done')
    world.wake('other')
    await go()
    await assertRotated(syncTokens)
  })

  it('does not tell a device below before the one above knows', async () => {
    world.away.add('top')
    await begin()
    await assert.rejects(goWithoutAway(), /low waits for top to know its new password/)
    assert.equal(world.hub.twins.get('low/connected-registry')?.desired['parent'], undefined)
    world.wake('top')
    await go()
    await assertRotated(syncTokens)
  })

  it('leaves a device behind that is named, and tells it all the same', async () => {
    world.away.add('other')
    await begin()
    await assert.rejects(goWithoutAway(), { code: 'TIMED_OUT' })
    await world.withStore(async (store) => {
      for (const { name } of pendingTokens(world.site, store)) {
        const rotation = store.rotation(name)
        assert.ok(rotation)
        await store.noteRotation(name, { ...rotation, abandoned: ['other'] })
      }
    })
    await go()
    await assertRotated(syncTokens)
    world.wake('other')
    const reported = world.hub.twins.get('other/connected-registry')?.reported
    const record = await world.slot('otherregistry-sync-token', 'password2')
    assert.ok(record?.state === 'stored')
    assert.equal(
      (reported?.['credential'] as { fingerprint: string }).fingerprint,
      credentialFingerprint('otherregistry-sync-token', record.value),
      'it finds the new one in its twin'
    )
  })

  it('keeps both passwords of a client token until somebody says that its clients have moved', async () => {
    await begin(['plant-client'])
    assert.deepEqual((await go()).waitingForClients, ['plant-client'])
    const held = (): string[] => {
      const tokens = world.hub.twins.get('top/connected-registry')?.desired['tokens'] as Record<
        string,
        { passwords: object }
      >
      return Object.keys(tokens['plant-client']?.passwords ?? {})
    }
    assert.deepEqual(held(), ['password1', 'password2'])
    assert.equal(world.hub.twins.get('other/connected-registry')?.desired['parent'], undefined, 'not its business')
    await go({ movedClients: () => true })
    assert.deepEqual(held(), ['password2'])
    await assertRotated(['plant-client'])
  })

  /** A device runs the deployment manifest that is generated for it now. @param isTaken whether edgeAgent has it already */
  async function deployTo(id: string, isTaken = true): Promise<void> {
    const manifest = await world.withStore((secrets) =>
      Promise.resolve(generateManifest(world.site, deviceNamed(world.site, id), template, { secrets, now: new Date() }))
    )
    const desired = manifest.modulesContent['$edgeAgent']?.['properties.desired'] as Record<string, unknown>
    const desiredVersion = (world.hub.twins.get(`${id}/$edgeAgent`)?.desiredVersion ?? 0) + 1
    world.hub.put(id, '$edgeAgent', {
      desired,
      desiredVersion,
      reported: { lastDesiredVersion: isTaken ? desiredVersion : desiredVersion - 1 }
    })
  }

  /** Whose passwords edgeAgent pulls with, and whether the cloud registry still takes them. */
  const logins = (id: string): Record<string, boolean> => {
    const runtime = world.hub.twins.get(`${id}/$edgeAgent`)?.desired['runtime'] as {
      settings: { registryCredentials: Record<string, { username: string; password: string }> }
    }
    return Object.fromEntries(
      Object.values(runtime.settings.registryCredentials).map(({ username, password }) => [
        username,
        [...world.taken.values()].includes(password)
      ])
    )
  }

  it('asks for a deployment where the image pull token changes', async () => {
    await deployTo('top')
    await begin(['crimagepulltoken'])
    assert.deepEqual(await go(), { waitingForClients: [], waitingForDeployments: ['top'] })
    await go({ movedClients: () => true })
    assert.deepEqual(logins('top'), { crimagepulltoken: true, 'plant-client': true })
    await deployTo('top', false)
    await assert.rejects(goWithoutAway(), /top has not taken its deployment yet/)
    await deployTo('top')
    assert.deepEqual((await go()).waitingForClients, ['crimagepulltoken'])
    await go({ movedClients: () => true })
    await assertRotated(['crimagepulltoken'])
    assert.deepEqual(logins('top'), { crimagepulltoken: true, 'plant-client': true })
  })

  it('keeps a sync token’s old password for edgeAgent on a device below another, until that was deployed to', async () => {
    for (const id of Object.keys(world.site.devices)) await deployTo(id)
    await begin()
    assert.deepEqual(await go(), { waitingForClients: [], waitingForDeployments: ['low'] })
    assert.deepEqual(logins('low'), { 'lowregistry-sync-token': true, 'plant-client': true })
    const top = world.hub.twins.get('top/connected-registry')?.desired
    const child = (top?.['tokens'] as Record<string, { passwords: object }>)['lowregistry-sync-token']
    assert.deepEqual(Object.keys(child?.passwords ?? {}), ['password1', 'password2'], 'the device above lets both in')
    await assertRotated(
      syncTokens.filter((token) => !token.startsWith('low')),
      true
    )
    await deployTo('low')
    assert.deepEqual(await go(), { waitingForClients: [], waitingForDeployments: [] })
    await assertRotated(syncTokens)
    assert.deepEqual(logins('low'), { 'lowregistry-sync-token': true, 'plant-client': true })
  })

  it('takes no client token’s password away by which a device pulls its own workloads', async () => {
    await deployTo('top')
    await begin(['PLANT-client'])
    await go({ movedClients: () => true })
    assert.deepEqual(await go({ movedClients: () => true }), { waitingForClients: [], waitingForDeployments: ['top'] })
    assert.equal(logins('top')['plant-client'], true)
    await deployTo('top')
    await go({ movedClients: () => true })
    await assertRotated(['plant-client'])
    assert.equal(logins('top')['plant-client'], true)
  })

  it('has new passwords expire as the site file says, the token’s own word before the site’s', async () => {
    const more = 'passwords: { expiresInDays: 90 }\npullToken: { passwords: { expiresInDays: 10 } }\n'
    world = new RotationWorld(testSite(undefined, more), join(folder, 'expiring'))
    await world.deploy()
    const begun = Date.now()
    const names = ['plantgateway-sync-token', 'crimagepulltoken']
    await begin(names)
    await go({ movedClients: () => true })
    for (const [token, days] of [[names[0]!, 90] as const, [names[1]!, 10] as const]) {
      const record = await world.slot(token, 'password2')
      assert.ok(record?.state === 'stored' && record.expiry !== undefined, token)
      const left = Math.round((Date.parse(record.expiry) - begun) / 86_400_000)
      assert.equal(left, days)
    }
  })

  it('begins from a password that has run out, and asks nobody whether clients have moved from that', async () => {
    const names = ['plant-client', 'topregistry-sync-token']
    for (const name of names) {
      const kept = await world.slot(name, 'password1')
      assert.ok(kept?.state === 'stored')
      const creationTime = '2025-01-01T00:00:00.000Z'
      const expired = { value: kept.value, creationTime, expiry: '2026-01-01T00:00:00.000Z' }
      await world.withStore((store) => store.keep(name, 'password1', expired))
    }
    await begin(names)
    assert.deepEqual(await go(), { waitingForClients: [], waitingForDeployments: [] })
    await assertRotated(names)
  })

  it('refuses to begin where somebody else would lose a password', async () => {
    const token = world.acr.tokens.get('plant-client')
    assert.ok(token)
    world.acr.tokens.set('plant-client', {
      ...token,
      passwords: { ...token.passwords, password2: '2026-01-01T00:00:00Z' }
    })
    await assert.rejects(begin(['plant-client']), { code: 'PASSWORD_HELD_ELSEWHERE' })
    await world.withStore((store) =>
      store.keep('plant-client', 'password2', { value: 'imported-from-az', creationTime: '2026-01-01T00:00:00.000Z' })
    )
    await assert.rejects(begin(['plant-client']), { code: 'PASSWORDS_BOTH_TAKEN' })
    assert.deepEqual(world.acr.writes, [])
  })

  it('interrupted at each step, before or after it took effect, and resumed, comes to the same end', async function () {
    this.timeout(60_000)
    let cuts = 0
    for (const when of ['before', 'after'] as const)
      for (let at = 1; at < 60; at++) {
        world = new RotationWorld(layered, join(folder, `${when}${at}`))
        await world.deploy()
        await begin()
        let left = at
        const cut =
          <Parts extends unknown[], Result>(
            call: (...parts: Parts) => Promise<Result>
          ): ((...parts: Parts) => Promise<Result>) =>
          async (...parts) => {
            // Several are on their way at one time, and one of them is hit.
            const own = --left
            if (own < 0 || (own === 0 && when === 'before')) throw new GeneratorError('AZURE_UNREACHABLE', 'cut')
            const result = await call(...parts)
            if (own === 0) throw new GeneratorError('AZURE_UNREACHABLE', 'cut')
            return result
          }
        const { acr, hub } = world
        const finished = await go({
          acr: Object.assign(Object.create(acr) as typeof acr, {
            generatePassword: cut(acr.generatePassword.bind(acr)),
            deletePassword: cut(acr.deletePassword.bind(acr))
          }),
          hub: Object.assign(Object.create(hub) as typeof hub, { patchDesired: cut(hub.patchDesired.bind(hub)) }),
          proof: cut(world.proof)
        }).then(
          () => true,
          (error: unknown) => {
            assert.equal((error as GeneratorError).message, 'cut')
            return false
          }
        )
        if (finished) break
        cuts += 1
        await go()
        await assertRotated(syncTokens)
        const made = acr.writes.filter((write) => write.startsWith('password '))
        assert.ok(made.length <= syncTokens.length + 1, `${when} ${at}: ${made.join(', ')}`)
        assert.ok(
          made.every((write) => write.endsWith('/password2')),
          'never one that a device uses'
        )
      }
    assert.ok(cuts > 20, `${cuts} interruptions`)
  })

  it('goes over a hundred devices, some of them away', async function () {
    // More would take a scrypt hash of 45 ms each, which is what a rotation of a thousand takes too.
    this.timeout(60_000)
    const lines = Array.from(
      { length: 100 },
      (_, index) => `  d${index}: { connectedRegistry: { name: registry${index} } }`
    )
    world = new RotationWorld(testSite(lines.join('\n')), join(folder, 'many'))
    await world.deploy()
    for (const id of ['d7', 'd42', 'd99']) world.away.add(id)
    await begin()
    const reads: string[] = []
    world.hub.onRead = (key) => reads.push(key)
    await assert.rejects(
      goWithoutAway(),
      /d42 has not applied.*d7 has not applied|d7 has not applied.*d42 has not applied/
    )
    // Those that are waited for are few, and looked at again and again.
    const others = reads.filter((key) => !world.away.has(key.split('/')[0] ?? ''))
    assert.ok(others.length < 400, `${others.length} twins read one by one: the rest by query`)
    for (const id of ['d7', 'd42', 'd99']) world.wake(id)
    await go()
    await assertRotated(lines.map((_, index) => `registry${index}-sync-token`))
  })

  function patient(timeout: number): { signal: AbortSignal; interval: number; timeout: number } {
    return { signal: new AbortController().signal, interval: 1, timeout }
  }
})

function withWorkload(text: string): Template {
  const document = JSON.parse(text) as {
    modulesContent: { $edgeAgent: { 'properties.desired': { modules: Record<string, unknown> } } }
  }
  document.modulesContent.$edgeAgent['properties.desired'].modules['hello'] = {
    type: 'docker',
    status: 'running',
    restartPolicy: 'always',
    version: '1.0',
    settings: { image: '${registry.address}/hello-world:v1', createOptions: {} }
  }
  return parseTemplate(JSON.stringify(document), 'deployment.template.json')
}
