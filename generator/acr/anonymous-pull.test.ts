import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeAcr, FakeContent, FakeHub, runCommand, siteText, type CommandLine } from '../testing.ts'

describe('anonymous pull of the cloud registry, in the site file', () => {
  let folder: string
  let acr: FakeAcr
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-anonymous-'))
    acr = new FakeAcr()
    await copyFile(
      join(import.meta.dirname, '../../deployment.template.json'),
      join(folder, 'deployment.template.json')
    )
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function causeway(command: string, anonymousPull?: boolean): Promise<CommandLine> {
    const line = anonymousPull === undefined ? '' : `  anonymousPull: ${anonymousPull}\n`
    await writeFile(join(folder, 'site.yaml'), siteText().replace('scopeMaps:', `${line}scopeMaps:`))
    const hub = new FakeHub()
    for (const module of ['$edgeAgent', '$edgeHub']) hub.put('gateway', module)
    return runCommand(command.split(' '), { folder, acr, hub, content: new FakeContent() })
  }
  const changed = (): string[] => acr.writes.filter((write) => write.startsWith('anonymous'))

  it('is planned with a warning, enabled once, told by check, and disabled again', async () => {
    assert.equal((await causeway('provision')).code, 0)
    const planned = await causeway('plan', true)
    assert.equal(planned.code, 2)
    assert.match(planned.stdout, /^ {2}~ anonymous pull \(P108\)\n {6}! enabled: every repository .* becomes readable/m)
    assert.match(planned.stderr, /^warning ANONYMOUS_PULL: tokens and scope maps no longer restrict pulls/m)
    assert.match((await causeway('check', true)).stdout, /^difference P108 registry: change anonymous pull; enabled/m)
    assert.deepEqual(changed(), [])
    const provisioned = await causeway('provision', true)
    assert.match(provisioned.stdout, /^updated {3}anonymous pull of the registry \(enabled: every repository/m)
    assert.match(provisioned.stderr, /^warning ANONYMOUS_PULL: every repository/m)
    await causeway('provision', true)
    assert.doesNotMatch((await causeway('plan', true)).stdout, /P108/)
    await causeway('provision', false)
    assert.deepEqual(changed(), ['anonymous pull enabled', 'anonymous pull disabled'])
  })

  it('stays as it is where the site file says nothing', async () => {
    acr.anonymousPullEnabled = true
    assert.equal((await causeway('provision')).code, 0)
    assert.doesNotMatch((await causeway('plan')).stdout, /P108/)
    assert.deepEqual(changed(), [])
  })

  it('is refused for a Basic registry before anything is changed', async () => {
    acr.sku = 'Basic'
    const { code, stderr } = await causeway('provision', true)
    assert.equal(code, 1)
    assert.match(stderr, /error SKU_TOO_SMALL: anonymous pull .* needs a Standard or Premium registry/)
    assert.deepEqual(acr.writes, [])
    assert.equal((await causeway('provision', false)).code, 0)
  })
})
