import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { siteText } from '../testing.ts'
import { AcrWorld, group, shellWords } from './acr/world.test.ts'

describe('causeway anonymous-pull', () => {
  let world: AcrWorld
  before(async () => {
    world = await AcrWorld.start(false)
    const rest = 'settings: { anonymousPull: { enabled: true, scopeMap: plant-readers } }\n'
    const text = siteText(undefined, rest).replace('resourceGroup: demo', `resourceGroup: ${group}`)
    await writeFile(join(world.folder, 'site.yaml'), text)
    await writeFile(join(world.folder, 'never.yaml'), text.replace('scopeMaps:', '  anonymousPull: false\nscopeMaps:'))
    await writeFile(join(world.folder, 'small.yaml'), text.replace('MyContainerRegistry001', 'smallregistry'))
  })
  after(() => world.close())

  const run = (line: string): ReturnType<AcrWorld['causeway']> =>
    world.causeway(['anonymous-pull', ...shellWords(line)])

  it('shows the cloud registry and, beside it, each device', async () => {
    const { code, stdout, stderr } = await run('show')
    assert.equal(code, 0, stderr)
    assert.equal(
      stdout,
      'mycontainerregistry001.azurecr.io (Premium): disabled\ngateway: enabled for what plant-readers reads (its own setting, in the site file)\n'
    )
  })

  it('warns, and enables only for who means it', async () => {
    world.calls()
    const { code, stderr } = await run('enable')
    assert.equal(code, 1)
    assert.match(stderr, /WARNING: every repository .*\nWARNING: tokens and scope maps no longer restrict pulls/)
    assert.match(stderr, /error NOT_CONFIRMED: .*--yes/)
    assert.ok(!world.calls().some((call) => !call.startsWith('GET')))
    const enabled = await run('enable --yes --output json')
    assert.equal(enabled.code, 0, enabled.stderr)
    const shown = JSON.parse(enabled.stdout) as { registry: object; devices: object[] }
    assert.deepEqual(shown.registry, {
      loginServer: 'mycontainerregistry001.azurecr.io',
      sku: 'Premium',
      anonymousPullEnabled: true
    })
    assert.deepEqual(shown.devices, [{ device: 'gateway', anonymousPullEnabled: true, scopeMap: 'plant-readers' }])
    world.calls()
    assert.equal((await run('enable')).code, 0, 'nothing to do')
    assert.ok(!world.calls().some((call) => call.startsWith('PATCH')))
    assert.match((await run('disable')).stdout, /\(Premium\): disabled/)
  })

  it('tells where provision will undo it', async () => {
    assert.match(
      (await run('enable --yes --site never.yaml')).stderr,
      /WARNING: the site file says .*: false, and provision/
    )
    assert.doesNotMatch((await run('disable --site never.yaml')).stderr, /the site file says/)
  })

  it('knows which registries cannot, before Azure says so', async () => {
    const { code, stderr } = await run('enable --yes --site small.yaml')
    assert.equal(code, 1)
    assert.match(stderr, /error SKU_TOO_SMALL: smallregistry\.azurecr\.io is a Basic registry/)
  })
})
