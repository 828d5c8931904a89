import assert from 'node:assert/strict'
import { GeneratorError } from '../errors.ts'
import { planRegistry } from '../plan/registry.ts'
import { parseSite } from '../site-file/read.ts'
import type { Site } from '../site-file/site.ts'
import { FakeAcr, siteText } from '../testing.ts'
import { provisionResources, type Outcome } from './provision.ts'
import { wantedOf } from './wanted.ts'

const layers = `  top: { connectedRegistry: { name: topregistry, mode: ReadWrite, resource: true } }
  low: { connectedRegistry: { name: lowregistry, resource: true }, parent: top }`

function site(devices = layers, rest = ''): Site {
  return parseSite(siteText(devices, rest), 'site.yaml')
}

async function provision(acr: FakeAcr, of: Site, remove = false): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  acr.writes.length = 0
  await provisionResources(acr, wantedOf(of), (outcome) => outcomes.push(outcome), { remove })
  return outcomes.filter(({ outcome }) => outcome !== 'unchanged')
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  assert.ok(error instanceof GeneratorError)
  return [`${error.code} ${error.message}`, ...error.details].join('\n')
}

/** What a plan says of connected registries, tokens and scope maps, each with what differs. */
async function planned(acr: FakeAcr, of: Site): Promise<string[]> {
  const { changes } = await planRegistry(acr, wantedOf(of), { slot: () => undefined, values: () => [] })
  return changes
    .filter(({ code }) => code !== 'P103')
    .map(({ code, action, subject, differences }) =>
      [
        `${action} ${subject} ${code}`,
        ...(code === 'P106' || code === 'P107'
          ? differences.map(({ path, before = '', after = '' }) => `${path}: ${before} -> ${after}`)
          : [])
      ].join('; ')
    )
}

describe('connected registries as Azure resources', () => {
  const settings = `resourceSettings:
  schedule: 0 12 * * *
  syncWindow: PT4H
  notifications: ['hello-world:*:push']
  logLevel: Warning
  garbageCollection: { enabled: false }
`

  it('are made as the site file says, and a device’s own settings go before the site’s', async () => {
    const acr = new FakeAcr()
    const own = layers.replace('parent: top', 'parent: top, resourceSettings: { logLevel: Debug, messageTtl: P7D }')
    await provision(acr, site(own, settings))
    const common = {
      notifications: ['hello-world:*:push'],
      active: false,
      clientTokens: ['plant-client'],
      schedule: '0 12 * * *',
      syncWindow: 'PT4H',
      garbageCollection: { enabled: false }
    }
    assert.deepEqual(acr.registries.get('topregistry'), {
      name: 'topregistry',
      mode: 'ReadWrite',
      syncToken: 'topregistry-sync-token',
      logLevel: 'Warning',
      ...common
    })
    assert.deepEqual(acr.registries.get('lowregistry'), {
      name: 'lowregistry',
      mode: 'ReadOnly',
      syncToken: 'lowregistry-sync-token',
      parent: 'topregistry',
      logLevel: 'Debug',
      messageTtl: 'P7D',
      ...common
    })
    assert.deepEqual(await provision(acr, site(own, settings)), [])
    assert.deepEqual(acr.writes, [])
  })

  it('are changed by what differs alone, and a plan says so beforehand', async () => {
    const acr = new FakeAcr()
    await provision(acr, site())
    const before = acr.registries.get('topregistry')
    assert.ok(before)
    acr.registries.set('topregistry', {
      ...before,
      schedule: '* * * * *',
      messageTtl: 'PT48H',
      clientTokens: ['PLANT-CLIENT', 'old-client'],
      notifications: ['hello-world:*:push', 'old:*:*'],
      logLevel: 'warning',
      garbageCollection: { enabled: true, schedule: '0 0 * * *' }
    })
    const wanted = site(layers.split('\n')[0], `${settings}  messageTtl: P2D\n`)
    assert.deepEqual(await planned(acr, wanted), [
      'change scope map topregistry-sync P101',
      'change connected registry topregistry P106; clientTokens: old-client -> ; notifications: old:*:* -> ; schedule: * * * * * -> 0 12 * * *; syncWindow:  -> PT4H; garbageCollection.enabled: true -> false'
    ])
    assert.equal((await provision(acr, wanted)).length, 2)
    // The window goes with the schedule, and what is the same in other words is not sent.
    assert.deepEqual(acr.writes.slice(1), [
      'update connected registry topregistry clientTokens notifications schedule syncWindow garbageCollection'
    ])
    assert.deepEqual(await planned(acr, wanted), [])
  })

  it('keep what the site file does not say', async () => {
    const acr = new FakeAcr()
    await provision(acr, site())
    const before = acr.registries.get('lowregistry')
    assert.ok(before)
    acr.registries.set('lowregistry', { ...before, schedule: '0 1 * * *', syncWindow: 'PT2H', logLevel: 'Debug' })
    assert.deepEqual(await provision(acr, site()), [])
  })

  it('are deactivated where that is wanted and somebody runs as them', async () => {
    const acr = new FakeAcr()
    const wanted = site(layers, 'resourceSettings: { deactivate: true }\n')
    await provision(acr, wanted)
    assert.deepEqual(await provision(acr, wanted), [])
    const before = acr.registries.get('topregistry')
    assert.ok(before)
    acr.registries.set('topregistry', { ...before, active: true })
    assert.deepEqual(await planned(acr, wanted), [
      'change connected registry topregistry P106; activation: Active -> Inactive'
    ])
    await provision(acr, wanted)
    assert.deepEqual(acr.writes, ['deactivate connected registry topregistry'])
  })

  describe('that Azure cannot change in place', () => {
    const changed = site(layers.replace('mode: ReadWrite, ', ''))
    let acr: FakeAcr
    beforeEach(async () => {
      acr = new FakeAcr()
      await provision(acr, site())
    })

    it('are shown by the plan as made anew, with those below them', async () => {
      const plan = (await planned(acr, changed)).filter((line) => line.includes('P107'))
      assert.deepEqual(plan, [
        'change connected registry topregistry P107; mode: ReadWrite -> ReadOnly',
        'change connected registry lowregistry P107; parent: topregistry -> topregistry, made anew'
      ])
    })

    it('stay as they are without --allow-remove, and so does everything else', async () => {
      const told = await refusal(provision(acr, changed))
      assert.match(told, /^CONNECTED_REGISTRY_DIFFERS .*--allow-remove.*\n.*topregistry: mode ReadWrite to ReadOnly$/m)
      assert.deepEqual(acr.writes, [])
    })

    it('go and come back in the order that Azure needs, with what the site file does not say of them', async () => {
      const before = acr.registries.get('lowregistry')
      assert.ok(before)
      acr.registries.set('lowregistry', { ...before, schedule: '0 1 * * *', syncWindow: 'PT2H' })
      await provision(acr, changed, true)
      assert.deepEqual(
        acr.writes.filter((write) => write.includes('connected registry')),
        [
          'delete connected registry lowregistry',
          'delete connected registry topregistry',
          'connected registry topregistry',
          'connected registry lowregistry'
        ]
      )
      assert.deepEqual([acr.registries.get('topregistry')?.mode, before.mode], ['ReadOnly', 'ReadOnly'])
      assert.equal(acr.registries.get('lowregistry')?.syncWindow, 'PT2H')
      assert.deepEqual(await provision(acr, changed), [])
    })

    it('are left where somebody else’s is below them', async () => {
      await acr.createConnectedRegistry({
        name: 'foreign',
        mode: 'ReadOnly',
        syncToken: 'foreign',
        parent: 'topregistry'
      })
      assert.match(
        await refusal(provision(acr, changed, true)),
        /^CONNECTED_REGISTRY_DIFFERS .*topregistry cannot be changed .*foreign below it is not of this site file/
      )
      assert.deepEqual(acr.writes, [])
    })
  })

  describe('that are retired', () => {
    const without = site(layers.split('\n')[0], 'retired: [lowregistry]\n')
    let acr: FakeAcr
    beforeEach(async () => {
      acr = new FakeAcr()
      await provision(acr, site())
    })

    it('go with their token and scope map, and their gateway above them, where that is allowed', async () => {
      assert.match(
        await refusal(provision(acr, without)),
        /^RESOURCES_WOULD_GO .*\nRESOURCES_WOULD_GO connected registry lowregistry\nRESOURCES_WOULD_GO token lowregistry-sync-token\nRESOURCES_WOULD_GO scope map lowregistry-sync$/
      )
      assert.deepEqual(acr.writes, [])
      assert.deepEqual(await planned(acr, without), [
        'change scope map topregistry-sync P101',
        'remove connected registry lowregistry P106',
        'remove token lowregistry-sync-token P102',
        'remove scope map lowregistry-sync P101'
      ])
      await provision(acr, without, true)
      assert.deepEqual(acr.writes, [
        'scope map topregistry-sync',
        'delete connected registry lowregistry',
        'delete token lowregistry-sync-token',
        'delete scope map lowregistry-sync'
      ])
      assert.ok(!acr.scopeMaps.get('topregistry-sync')?.some((action) => action.includes('lowregistry')))
      assert.deepEqual(await provision(acr, without), [])
    })

    it('leave what a run before this one did not come to', async () => {
      await acr.deleteConnectedRegistry('lowregistry')
      await provision(acr, without, true)
      assert.ok(!acr.tokens.has('lowregistry-sync-token') && !acr.scopeMaps.has('lowregistry-sync'))
    })

    it('keep the token of a device that goes on without the resource', async () => {
      const goesOn = site(
        '  low: { connectedRegistry: { name: lowregistry } }\n  top: { connectedRegistry: { name: topregistry, mode: ReadWrite, resource: true } }',
        'retired: [lowregistry]\n'
      )
      await provision(acr, goesOn, true)
      assert.ok(!acr.registries.has('lowregistry'))
      assert.ok(acr.tokens.has('lowregistry-sync-token') && acr.scopeMaps.has('lowregistry-sync'))
      assert.deepEqual(await provision(acr, goesOn), [])
    })

    it('close their gateway in registries above that are not of this site', async () => {
      const foreign = { name: 'foreigntop', mode: 'ReadWrite', syncToken: 'foreign-sync-token' }
      await acr.createConnectedRegistry(foreign)
      acr.scopeMaps.set('foreign-sync', ['gateway/foreigntop/config/read', 'gateway/oldregistry/config/read'])
      acr.scopeMaps.set('oldregistry', ['gateway/oldregistry/config/read'])
      acr.tokens.set('foreign-sync-token', { scopeMap: 'foreign-sync', status: 'enabled', passwords: {} })
      acr.tokens.set('oldregistry', { scopeMap: 'oldregistry', status: 'enabled', passwords: {} })
      await acr.createConnectedRegistry({
        name: 'oldregistry',
        mode: 'ReadOnly',
        syncToken: 'oldregistry',
        parent: 'foreigntop'
      })
      await provision(acr, site(layers, 'retired: [oldregistry]\n'), true)
      assert.deepEqual(acr.scopeMaps.get('foreign-sync'), ['gateway/foreigntop/config/read'])
      assert.ok(!acr.tokens.has('oldregistry') && !acr.scopeMaps.has('oldregistry'))
    })
  })

  describe('before Azure is asked', () => {
    const resource = (id: number): string => `  d${id}: { connectedRegistry: { name: registry${id}, resource: true } }`
    const mistakes = (devices: string, rest = ''): string => {
      try {
        parseSite(siteText(devices, rest), 'site.yaml')
        return ''
      } catch (error) {
        return (error as GeneratorError).details.join('\n')
      }
    }

    for (const [what, devices, rest, expected] of [
      [
        '51 resources',
        Array.from({ length: 51 }, (_, id) => resource(id)).join('\n'),
        '',
        /51 devices have resource: true, and a cloud registry has at most 50/
      ],
      ['settings nothing follows', undefined, 'resourceSettings: { logLevel: Debug }\n', /no device here has resource/],
      [
        'a device’s settings nothing follows',
        '  a: { connectedRegistry: { name: aregistry }, resourceSettings: { logLevel: Debug } }',
        '',
        /devices\.a\.resourceSettings: needs resource: true/
      ],
      ['a schedule without a window', layers, 'resourceSettings: { schedule: "0 1 * * *" }\n', /needs syncWindow/],
      ['a window without a schedule', layers, 'resourceSettings: { syncWindow: PT1H }\n', /goes with a schedule/],
      ['no schedule', layers, 'resourceSettings: { schedule: hourly }\n', /must be five cron fields/],
      ['too long a window', layers, 'resourceSettings: { syncWindow: P8D }\n', /must be .* from PT1H to P7D/],
      ['too short a time to live', layers, 'resourceSettings: { messageTtl: PT1H }\n', /must be .* from P1D to P90D/],
      ['no notification', layers, 'resourceSettings: { notifications: ["x:pull"] }\n', /must be REPOSITORY\[:TAG\]/],
      ['an unknown log level', layers, 'resourceSettings: { logLevel: Loud }\n', /resourceSettings\.logLevel/],
      ['one to make and delete', layers, 'retired: [TopRegistry]\n', /top has resource: true under this name/],
      [
        'more client tokens than one may have',
        `  gateway: { connectedRegistry: { name: plantgateway, resource: true }, tokens: [${Array.from({ length: 51 }, () => 'plant-client').join(', ')}] }`,
        '',
        /devices\.gateway\.tokens: has 51 client tokens, .* at most 50/
      ]
    ] as const)
      it(`refuses ${what}`, () => {
        assert.match(mistakes(devices ?? '  gateway: { connectedRegistry: { name: plantgateway } }', rest), expected)
      })

    it('a small registry is refused with what to do, and nothing is changed', async () => {
      const acr = new FakeAcr()
      acr.sku = 'Standard'
      assert.match(await refusal(provision(acr, site())), /^SKU_TOO_SMALL .*is Standard\. Change it with az acr update/)
      assert.deepEqual(acr.writes, [])
    })

    it('a registry that has no room left is too', async () => {
      const acr = new FakeAcr()
      for (let id = 0; id < 49; id++)
        await acr.createConnectedRegistry({ name: `foreign${id}`, mode: 'ReadOnly', syncToken: `foreign${id}` })
      assert.match(
        await refusal(provision(acr, site())),
        /^REGISTRY_FULL .*has 49 connected registries, 2 more are wanted \(topregistry, lowregistry\), and Azure allows 50/
      )
      assert.deepEqual(acr.writes, [])
    })
  })
})
