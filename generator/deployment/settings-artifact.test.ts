import assert from 'node:assert/strict'
import { wantedOf } from '../acr/wanted.ts'
import { deviceNamed } from '../testing.ts'
import { parseSite } from '../site-file/read.ts'
import type { Site } from '../site-file/site.ts'
import { twinSize } from './twin-size.ts'
import { artifactOf, twinSettingsFor } from './settings-artifact.ts'
import { assertSettings, settingsFor } from './settings-for.ts'

const one = (): { slot: 'password1' }[] => [{ slot: 'password1' }]
const hash = `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`

/** A site of two layers, of which only the lower one has a scope map of so many actions. */
function siteOf(actions: number, tokens = 50): Site {
  const device = (name: string, more: object): object => ({ connectedRegistry: { name }, ...more })
  const names = Array.from({ length: tokens }, (_, at) => `client-${at}`)
  return parseSite(
    JSON.stringify({
      schemaVersion: '1.0',
      azure: {
        subscription: '00000000-0000-0000-0000-000000000001',
        resourceGroup: 'demo',
        registry: 'contoso',
        hub: 'causeway-hub'
      },
      scopeMaps: {
        everything: {
          actions: Array.from(
            { length: actions },
            (_, at) => `repositories/a-folder/of-repositories/number-${at}/content/read`
          )
        }
      },
      tokens: Object.fromEntries(names.map((name) => [name, { scopeMap: 'everything' }])),
      imageSets: { all: { repositories: ['my.repo/app:1.0'] } },
      devices: {
        upper: device('upperregistry', { tokens: [] }),
        lower: device('lowerregistry', { parent: 'upper' })
      }
    }),
    'site.yaml'
  )
}

describe('settings that are too large for a twin', () => {
  const large = siteOf(500)
  const upper = deviceNamed(large, 'upper')
  const lower = deviceNamed(large, 'lower')
  const artifact = artifactOf(large, lower)

  it('go on in an artifact, which with the twin is the whole', () => {
    assert.ok(artifact)
    const twin = twinSettingsFor(large, lower, one)
    const { repository, digest } = artifact
    assert.deepEqual(twin.settingsArtifact, { repository: 'causeway/settings/lowerregistry', digest })
    assert.equal(repository, 'causeway/settings/lowerregistry')
    const complete: unknown = JSON.parse(JSON.stringify(twin).replace(/\$\{hash:[^}]*\}/g, hash))
    assert.ok(twinSize(complete) < 24 * 1024)
    assert.doesNotThrow(() => assertSettings(complete, 'lower', artifact))
    const content = JSON.parse(artifact.blobs.at(-1)!.toString()) as Record<string, unknown>
    const whole = settingsFor(large, lower, one)
    assert.deepEqual(
      { ...content, schemaVersion: '1.0' },
      { schemaVersion: '1.0', imageSets: whole.imageSets, scopeMaps: whole.scopeMaps }
    )
    assert.deepEqual(Object.keys(content).sort(), ['imageSets', 'schemaVersion', 'scopeMaps'], 'and no token, no hash')
  })

  it('come to the same digest each time, and to another with each change', () => {
    assert.equal(artifactOf(siteOf(500), deviceNamed(siteOf(500), 'lower'))?.digest, artifact?.digest)
    assert.notEqual(artifactOf(siteOf(499), deviceNamed(siteOf(499), 'lower'))?.digest, artifact?.digest)
  })

  it('do so from 24 KB alone, whichever passwords are kept', () => {
    const small = siteOf(20, 5)
    assert.equal(artifactOf(small, deviceNamed(small, 'lower')), undefined)
    assert.deepEqual(
      twinSettingsFor(small, deviceNamed(small, 'lower'), one),
      settingsFor(small, deviceNamed(small, 'lower'), one)
    )
    assert.ok(!wantedOf(small).tokens.some(({ name }) => name === 'causeway-settings-push'))
  })

  it('are brought down by the device above, and may be read there by the one below', () => {
    assert.equal(artifactOf(large, upper), undefined)
    const settings = twinSettingsFor(large, upper, one)
    assert.ok(artifact)
    const runtime = settings.imageSets?.['iotedge-runtime']?.repositories ?? []
    assert.ok(runtime.includes(`causeway/settings/lowerregistry:${artifact.tag}`))
    const actions = settings.scopeMaps?.['lowerregistry-sync']?.actions ?? []
    assert.ok(actions.includes('repositories/causeway/settings/lowerregistry/content/read'))
  })

  it('are pushed by a token of their own, and read in the cloud by those on the way', () => {
    const { scopeMaps, tokens } = wantedOf(large)
    const actionsOf = (name: string): readonly string[] => scopeMaps.find((map) => map.name === name)?.actions ?? []
    assert.deepEqual(actionsOf('causeway-settings-push'), [
      'repositories/causeway/settings/*/content/read',
      'repositories/causeway/settings/*/content/write',
      'repositories/causeway/settings/*/metadata/read'
    ])
    assert.ok(tokens.some(({ name, scopeMap }) => name === 'causeway-settings-push' && scopeMap === name))
    for (const name of ['upperregistry-sync', 'lowerregistry-sync'])
      assert.ok(actionsOf(name).includes('repositories/causeway/settings/lowerregistry/content/read'), name)
  })
})
