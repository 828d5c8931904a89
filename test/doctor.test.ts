import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { bundle } from '../packaging/bundle.ts'
import { run, skip } from './real-tools.ts'
import type { Ran } from './world.ts'

const absent = { CAUSEWAY_SETTINGS: '/nowhere/settings.json' }
const entry = join(import.meta.dirname, '../module/main.ts')

describe('module doctor', function () {
  this.timeout(30_000)
  let folder: string
  let world: CloudFixture
  let settings: SettingsInput

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-doctor-'))
    await mkdir(join(folder, 'causeway'))
    world = await CloudFixture.start()
    const { username, password } = world.cloud
      .registry('contoso')
      .addToken('sync-token', ['repositories/*/content/read'])
    settings = {
      schemaVersion: '1.0',
      parent: { endpoint: 'contoso.azurecr.io', tokenName: username, password },
      storage: { reserveMebibytes: 0 }
    }
  })
  after(async () => {
    await world.close()
    await rm(folder, { recursive: true })
  })

  async function doctor(given: SettingsInput | undefined, ...words: string[]): Promise<Ran> {
    const path = join(folder, 'settings.json')
    if (given !== undefined) await writeFile(path, JSON.stringify(given), { mode: 0o600 })
    return run(process.execPath, [entry, 'doctor', ...words], {
      CAUSEWAY_SETTINGS: given === undefined ? join(folder, 'absent.json') : path,
      CAUSEWAY_DATA: folder,
      https_proxy: world.network.proxyUrl,
      NODE_EXTRA_CA_CERTS: world.caFile
    })
  }

  it('finds a device well that is', async () => {
    const { code, stdout, stderr } = await doctor(settings)
    assert.equal(code, 0, stdout + stderr)
    for (const check of ['volume', 'disk', 'proxy', 'parent', 'credentials', 'clock', 'settings'])
      assert.match(stdout, new RegExp(`^ok +${check} `, 'm'))
    assert.match(stdout, /^skipped +names +the outbound proxy resolves contoso\.azurecr\.io$/m)
  })

  it('says what is wrong and what to do, and never a password', async () => {
    const parent = { endpoint: 'contoso.azurecr.io', tokenName: 'sync-token', password: 'not-this-one' }
    const { code, stdout } = await doctor({ ...settings, parent }, '--json')
    assert.equal(code, 1)
    const findings = JSON.parse(stdout) as { check: string; outcome: string; message: string }[]
    const wrong = findings.filter(({ outcome }) => outcome === 'failed')
    assert.deepEqual(
      wrong.map(({ check }) => check),
      ['credentials']
    )
    assert.match(wrong[0]?.message ?? '', /sync-token/)
    assert.doesNotMatch(stdout, /not-this-one/)
  })

  it('looks with the rights of the module, not with those of whoever calls it', async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can become the user that the image names')
    const { code, stdout } = await run(process.execPath, [entry, 'doctor'], {
      CAUSEWAY_SETTINGS: join(folder, 'settings.json'),
      CAUSEWAY_DATA: folder,
      CAUSEWAY_RUN_AS: '13650:13650'
    })
    assert.equal(code, 1)
    assert.match(stdout, /^failed +volume .*EACCES.*sudo chown -R 13650:13650/m)
  })

  it('finds a fresh folder well that the first start will make for the user that the image names', async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can become the user that the image names')
    const fresh = await mkdtemp(join(tmpdir(), 'causeway-fresh-'))
    try {
      await chmod(fresh, 0o755)
      const variables = { CAUSEWAY_DATA: fresh, CAUSEWAY_RUN_AS: '13650:13650', ...absent }
      const { stdout } = await run(process.execPath, [entry, 'doctor'], variables)
      for (const check of ['volume', 'disk']) assert.match(stdout, new RegExp(`^(?:ok|warning) +${check} `, 'm'))
    } finally {
      await rm(fresh, { recursive: true })
    }
  })

  it('gives the command that mends a fresh folder that is not its own', async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can give a folder away, and become somebody else')
    const fresh = await mkdtemp(join(tmpdir(), 'causeway-fresh-'))
    try {
      await chmod(fresh, 0o755)
      // As where an engine starts the container by User: it was never root.
      const asUser = [
        '--reuid=13650',
        '--regid=13650',
        '--clear-groups',
        process.execPath,
        join(folder, 'program/main.js')
      ]
      await bundle('module', join(folder, 'program'))
      await chmod(folder, 0o755)
      const { stdout } = await run('setpriv', [...asUser, 'doctor'], { CAUSEWAY_DATA: fresh, ...absent })
      assert.match(stdout, /^failed +volume .*: sudo mkdir -p \S+causeway && sudo chown -R 13650:13650 \S+causeway /m)
      assert.match(stdout, /^(?:ok|warning) +disk /m)
    } finally {
      await rm(fresh, { recursive: true })
    }
  })

  it('is no second module where it is misspelt', async () => {
    const { code, stdout } = await run(process.execPath, [entry, 'docter'], { CAUSEWAY_DATA: folder, ...absent })
    assert.equal(code, 1)
    assert.match(stdout, /there is no command docter: only doctor, or none, which serves/)
  })

  it('works where there are no settings', async () => {
    const { code, stdout } = await doctor(undefined)
    assert.equal(code, 1)
    assert.match(stdout, /^failed +settings +there are no settings in .*causeway schema settings/m)
    assert.match(stdout, /^skipped +credentials +no parent is set/m)
  })
})
