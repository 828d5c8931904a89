import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SecretStore } from '../secrets/store.ts'
import { FakeAcr, runCommand, siteText, testBackend } from '../testing.ts'

describe('passwords that provision makes', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-expiry-'))
  })
  after(() => rm(folder, { recursive: true }))

  /** Whole days until each password that is kept expires, by token. */
  async function provisioned(name: string, site: string): Promise<Record<string, number | undefined>> {
    await writeFile(join(folder, 'site.yaml'), site)
    const secrets = join(folder, name, 'secrets.jwe')
    const { code, stderr } = await runCommand(['provision', '--secrets', secrets], { folder, acr: new FakeAcr() })
    assert.equal(code, 0, stderr)
    const backend = await testBackend(join(folder, name))
    const store = await SecretStore.open(backend, 'mycontainerregistry001.azurecr.io', 'read')
    return Object.fromEntries(
      ['crimagepulltoken', 'plant-client', 'plantgateway-sync-token'].map((token) => {
        const record = store.slot(token, 'password1')
        assert.ok(record?.state === 'stored', token)
        const left = record.expiry === undefined ? undefined : Date.parse(record.expiry) - Date.now()
        return [token, left === undefined ? undefined : Math.ceil(left / 86_400_000)]
      })
    )
  }

  it('never expire where the site file says nothing', async () => {
    assert.deepEqual(await provisioned('never', siteText()), {
      crimagepulltoken: undefined,
      'plant-client': undefined,
      'plantgateway-sync-token': undefined
    })
  })

  it('expire as it says, of a token before of all', async () => {
    const own = siteText(
      undefined,
      'passwords: { expiresInDays: 365 }\npullToken: { passwords: { expiresInDays: 30 } }\n'
    )
    const site = own.replace(
      '{ scopeMap: plant-readers }',
      '{ scopeMap: plant-readers, passwords: { expiresInDays: 90 } }'
    )
    assert.notEqual(site, own)
    assert.deepEqual(await provisioned('both', site), {
      crimagepulltoken: 30,
      'plant-client': 90,
      'plantgateway-sync-token': 365
    })
  })
})
