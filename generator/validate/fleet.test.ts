import assert from 'node:assert/strict'
import { formatManifest, manifestMaker } from '../deployment/generate.ts'
import { parseTemplate, readTemplate, type Template } from '../deployment/template.ts'
import type { GeneratorError } from '../errors.ts'
import type { Secrets } from '../secrets/store.ts'
import type { Device } from '../site-file/site.ts'
import { testSite } from '../testing.ts'
import { assertValid } from './assert.ts'
import { FleetValidator } from './fleet.ts'

const now = new Date('2026-11-21T00:00:00Z')

/** What a fleet's validator says of each device, by whether the whole look says the same. */
async function verdicts(
  devices: string,
  {
    edit = (text) => text,
    password = (token) => `password-of-${token}`
  }: { edit?: (template: string) => string; password?: (token: string) => string } = {}
): Promise<{ device: string; valid: boolean; warnings: number }[]> {
  const site = testSite(devices)
  const shipped = await readTemplate('deployment.template.json', import.meta.dirname)
  const text = edit(JSON.stringify({ modulesContent: shipped.modulesContent }))
  const template: Template = { ...parseTemplate(text, 't.json') }
  const secrets: Secrets = {
    slot: (token, slot) =>
      slot === 'password2'
        ? undefined
        : {
            state: 'stored',
            value: password(token),
            hash: `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`,
            creationTime: '2026-01-01T00:00:00.000Z'
          },
    values: () => []
  }
  const make = manifestMaker(site, template, { secrets, now })
  const validator = new FleetValidator(site)
  const verdict = (look: () => readonly string[]): { valid: boolean; warnings: number } => {
    try {
      return { valid: true, warnings: look().length }
    } catch (error) {
      assert.equal((error as GeneratorError).code, 'VALIDATION_FAILED')
      return { valid: false, warnings: 0 }
    }
  }
  return Object.values(site.devices).map((device: Device) => {
    const made = formatManifest(make(device))
    const own = { names: [device.id, device.registryName, device.syncToken], passwords: [password(device.syncToken)] }
    const found = verdict(() => validator.assertValid(made, 'made.json', own))
    assert.equal(found.valid, verdict(() => assertValid(made, 'made.json', site)).valid, device.id)
    return { device: device.id, ...found }
  })
}

const entry = (id: string, name: string, more = ''): string =>
  `  ${id}: { connectedRegistry: { name: ${name} }${more} }`
/** The API proxy's image in the template, another one. */
const image =
  (name: string) =>
  (text: string): string =>
    text.replace('${registry.address}/${images.apiProxy}', name)

describe('the manifests of a fleet', () => {
  it('have the verdict of a whole look, each', async () => {
    const found = await verdicts('  ship-{001..020}: { connectedRegistry: { name: "registry{1}" } }')
    assert.ok(found.every(({ valid }) => valid))
  })

  it('say what is to be warned of once for each kind', async () => {
    const found = await verdicts(
      '  ship-{1..5}: { connectedRegistry: { name: "registry{1}" } }\n  ship-3: { port: 9000 }',
      { edit: image('other.azurecr.io/tool:1.0') }
    )
    assert.deepEqual(
      found.map(({ warnings }) => warnings),
      [1, 0, 1, 0, 0]
    )
  })

  it('are looked at whole where a name is a word that the rules know', async () => {
    const versions = [entry('1.0.0', 'registry1'), entry('1.9.9', 'registry2')].join('\n')
    const edit = (text: string): string => text.replace('"schemaVersion":"1.1"', '"schemaVersion":"${device.id}"')
    assert.deepEqual(
      (await verdicts(versions, { edit })).map(({ valid }) => valid),
      [true, false]
    )
  })

  it('are looked at whole where one has a name that others have as a constant', async () => {
    const edit = (text: string): string =>
      image('${device.id}/tool:1.0')(text).replace(
        'crimagepulltoken":{',
        'other":{"address":"ship.2:8000","username":"${device.id}","password":"x"},"crimagepulltoken":{'
      )
    const devices = [entry('ship.1', 'registry1'), entry('ship.2', 'registry2'), entry('ship.3', 'registry3')]
    const found = await verdicts(devices.join('\n'), { edit })
    assert.deepEqual(
      found.map(({ warnings }) => warnings),
      [0, 1, 0]
    )
  })

  it('are looked at whole where a password is none that ACR makes', async () => {
    const devices = [entry('ship-1', 'registry1'), entry('ship-2', 'registry2')].join('\n')
    const found = await verdicts(devices, {
      password: (token) => (token.startsWith('registry2') ? '${NEVER_FILLED_IN}' : `password-of-${token}`)
    })
    assert.deepEqual(
      found.map(({ warnings }) => warnings),
      [0, 1]
    )
  })
})
