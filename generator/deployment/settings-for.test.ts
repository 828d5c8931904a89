import assert from 'node:assert/strict'
import type { GeneratorError } from '../errors.ts'
import { deviceNamed, siteText, testSite } from '../testing.ts'
import { parseSite } from '../site-file/read.ts'
import { assertSettings, settingsFor } from './settings-for.ts'
import { twinSize } from './twin-size.ts'

const one = (): { slot: 'password1' }[] => [{ slot: 'password1' }]
const hash = `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`

/** References replaced by a hash, as the module would get it. */
function complete(settings: unknown): unknown {
  return JSON.parse(JSON.stringify(settings).replace(/\$\{hash:[^}]*\}/g, hash))
}

describe('the settings of a device', () => {
  const nested = testSite(
    [
      '  top: { connectedRegistry: { name: topregistry, mode: ReadWrite }, imageSets: [], tokens: [] }',
      '  middle: { connectedRegistry: { name: middleregistry }, parent: top, imageSets: [], tokens: [] }',
      '  bottom: { connectedRegistry: { name: bottomregistry, syncToken: Bottom-Token }, parent: middle, logLevel: Debug }'
    ].join('\n')
  )

  it('are what the module takes, for every layer', () => {
    for (const device of Object.values(nested.devices))
      assert.doesNotThrow(() => assertSettings(complete(settingsFor(nested, device, one)), device.id))
  })

  it('hold what the devices below hold, and their runtime', () => {
    const settings = settingsFor(nested, deviceNamed(nested, 'top'), one)
    assert.deepEqual(settings.imageSets, {
      'iotedge-runtime': {
        repositories: [
          'acr/connected-registry:causeway-0.1.0',
          'azureiotedge-agent:1.6.1',
          'azureiotedge-api-proxy:1.1.27',
          'azureiotedge-hub:1.6.1'
        ],
        priority: 0
      },
      workloads: { repositories: ['hello-world:v*'], priority: 10 }
    })
  })

  it('know the sync token of the device right below, as a client that only reads', () => {
    const settings = settingsFor(nested, deviceNamed(nested, 'middle'), one)
    assert.deepEqual(Object.keys(settings.tokens ?? {}), ['bottom-token'])
    assert.deepEqual(settings.tokens?.['bottom-token'], {
      name: 'Bottom-Token',
      scopeMap: 'bottomregistry-sync',
      status: 'enabled',
      passwords: { password1: { hash: '${hash:Bottom-Token/password1}' } }
    })
    const actions = settings.scopeMaps?.['bottomregistry-sync']?.actions ?? []
    assert.ok(actions.includes('repositories/hello-world/content/read'))
    assert.ok(actions.includes('repositories/azureiotedge-agent/metadata/read'))
    assert.deepEqual(
      actions.filter((action) => !action.endsWith('/read')),
      []
    )
    assert.deepEqual(Object.keys(settingsFor(nested, deviceNamed(nested, 'top'), one).tokens ?? {}), [
      'middleregistry-sync-token'
    ])
  })

  it('let a ReadWrite device below send up what is pushed there, and nothing more', () => {
    const text = siteText(
      [
        '  top: { connectedRegistry: { name: topregistry, mode: ReadWrite }, imageSets: [], tokens: [] }',
        '  middle: { connectedRegistry: { name: middleregistry, mode: ReadWrite }, parent: top, imageSets: [], tokens: [] }',
        '  bottom: { connectedRegistry: { name: bottomregistry, mode: ReadWrite }, parent: middle, tokens: [line-writer] }'
      ].join('\n')
    )
      .replace(
        'scopeMaps:\n',
        'scopeMaps:\n  line-writers: { actions: [repositories/results/*/content/write, repositories/old/content/delete] }\n'
      )
      .replace('tokens:\n', 'tokens:\n  line-writer: { scopeMap: line-writers }\n')
    const site = parseSite(text, 'site.yaml')
    for (const [device, scopeMap] of [
      ['middle', 'bottomregistry-sync'],
      ['top', 'middleregistry-sync']
    ] as const) {
      const settings = settingsFor(site, deviceNamed(site, device), one)
      const actions = settings.scopeMaps?.[scopeMap]?.actions ?? []
      assert.deepEqual(
        actions.filter((action) => !/\/(?:azureiotedge-|acr\/)/.test(action)),
        [
          'repositories/hello-world/content/delete',
          'repositories/hello-world/content/read',
          'repositories/hello-world/content/write',
          'repositories/hello-world/metadata/read',
          'repositories/old/content/delete',
          'repositories/old/content/read',
          'repositories/old/metadata/read',
          'repositories/results/*/content/read',
          'repositories/results/*/content/write',
          'repositories/results/*/metadata/read'
        ],
        device
      )
      assert.ok(!actions.some((action) => action.startsWith('repositories/azureiotedge') && action.includes('write')))
    }
  })

  it('are those of the site where the device has none of its own', () => {
    const site = testSite(undefined, 'sync: { intervalMinutes: 5 }\n')
    const settings = settingsFor(site, deviceNamed(site, 'gateway'), one)
    assert.deepEqual(
      [settings.sync, settings.logLevel, settings.mode],
      [{ intervalMinutes: 5 }, 'Information', 'ReadOnly']
    )
    assert.equal(settingsFor(nested, deviceNamed(nested, 'bottom'), one).logLevel, 'Debug')
  })

  it('carry further settings of the site, and of the device in their place, with the scope map they name', () => {
    const site = testSite(
      '  gateway: { connectedRegistry: { name: plantgateway }, tokens: [], settings: { registry: { challenge: Basic } } }',
      'settings: { anonymousPull: { enabled: true, scopeMap: plant-readers }, registry: { challenge: Bearer }, notifications: ["*:*:push"] }\n'
    )
    const settings = settingsFor(site, deviceNamed(site, 'gateway'), one)
    assert.deepEqual(settings.anonymousPull, { enabled: true, scopeMap: 'plant-readers' })
    assert.equal(settings.registry?.challenge, 'Basic')
    assert.deepEqual(settings.notifications, ['*:*:push'])
    assert.deepEqual(Object.keys(settings.scopeMaps ?? {}), ['plant-readers'])
    assert.doesNotThrow(() => assertSettings(complete(settings), 'gateway'))
    assert.throws(
      () => testSite(undefined, 'settings: { anonymousPull: { enabled: true, scopeMap: nobody } }\n'),
      (error: GeneratorError) => error.code === 'SITE_INVALID'
    )
  })

  it('come in the same order however the site file is ordered', () => {
    const rest = (names: readonly string[]): string =>
      siteText().replace(
        'tokens:\n',
        `tokens:\n${names.map((name) => `  ${name}: { scopeMap: plant-readers }\n`).join('')}`
      )
    const [a, b] = [
      ['token-a', 'token-b'],
      ['token-b', 'token-a']
    ].map((names) => {
      const site = parseSite(rest(names), 'site.yaml')
      return JSON.stringify(settingsFor(site, deviceNamed(site, 'gateway'), one))
    })
    assert.equal(a, b)
  })

  it('are refused where IoT Hub would not take them, by name', () => {
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [`repository-with-a-long-name-${index}`, index])
    )
    const site = testSite(undefined, `images: { agent: "azureiotedge-agent:1.6.1" }\n`)
    const scopeMaps = Object.fromEntries(
      [1, 2, 3].map((map) => [
        `readers-${map}`,
        { actions: Object.keys(many).map((name) => `repositories/${name}/content/read`) }
      ])
    )
    const settings = settingsFor(site, deviceNamed(site, 'gateway'), one)
    assert.throws(
      () => assertSettings(complete({ ...settings, scopeMaps: { ...settings.scopeMaps, ...scopeMaps } }), 'gateway'),
      (error: GeneratorError) => error.code === 'SETTINGS_TOO_LARGE' && /gateway take \d+ bytes/.test(error.message)
    )
    assert.throws(
      () => assertSettings({ schemaVersion: '1.0', tokens: { x: {} } }, 'gateway'),
      (error: GeneratorError) =>
        error.code === 'SETTINGS_INVALID' && error.details.some((line) => line.includes('gateway tokens.x.scopeMap'))
    )
  })

  it('are measured as IoT Hub does', () => {
    assert.equal(twinSize({ ab: 'é', n: 1, b: true, l: ['xy', null] }), 2 + 2 + (1 + 8) + (1 + 4) + (1 + 2))
  })
})
