import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SecretStore } from '../secrets/store.ts'
import { runCommand, siteText, testBackend, type CommandLine } from '../testing.ts'

const value = 'Az+prints/this=once=and-no-more'
const created = {
  creationDate: '2026-11-21T18:48:02.695302+00:00',
  credentials: {
    certificates: [],
    passwords: [
      { creationTime: '2026-11-21T18:48:12.12424+00:00', expiry: null, name: 'password1', value },
      {
        creationTime: '2026-11-21T18:48:12.12424+00:00',
        expiry: '2100-12-31T12:59:59+00:00',
        name: 'password2',
        value: `${value}2`
      }
    ],
    username: 'plant-client'
  },
  id: '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/mycontainerregistry001/tokens/plant-client',
  name: 'plant-client',
  status: 'enabled'
}

describe('causeway secrets import', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-import-'))
    await writeFile(join(folder, 'site.yaml'), siteText())
  })
  afterEach(() => rm(folder, { recursive: true }))

  const give = (stdin: string): Promise<CommandLine> => runCommand(['secrets', 'import'], { folder, stdin })
  const stored = async (): Promise<SecretStore> =>
    SecretStore.open(await testBackend(join(folder, '.causeway')), 'mycontainerregistry001.azurecr.io', 'read')

  it('takes what az acr token create printed, once', async () => {
    const first = await give(JSON.stringify(created))
    assert.equal(first.stdout, 'created   password plant-client/password1\ncreated   password plant-client/password2\n')
    const record = (await stored()).slot('plant-client', 'password2')
    assert.ok(record?.state === 'stored')
    assert.deepEqual(
      [record.value, record.creationTime, record.expiry],
      [`${value}2`, '2026-11-21T18:48:12.124Z', '2100-12-31T12:59:59.000Z']
    )
    const again = await give(JSON.stringify(created))
    assert.match(again.stdout, /^unchanged password plant-client\/password1$/m)
    const kept = (await stored()).slot('plant-client', 'password2')
    assert.ok(kept?.state === 'stored' && kept.hash === record.hash, 'hashed once')
    assert.equal((await runCommand(['secrets', 'show', 'plant-client'], { folder })).stdout, `${value}\n`)
  })

  it('and show tells one that has run out from one that is not kept', async () => {
    const [password] = created.credentials.passwords
    const expired = { ...password, expiry: '2026-01-01T00:00:00+00:00' }
    await give(JSON.stringify({ ...created, credentials: { ...created.credentials, passwords: [expired] } }))
    const show = (words: string): Promise<CommandLine> =>
      runCommand(['secrets', 'show', ...words.split(' ')], { folder })
    const current = await show('plant-client')
    assert.deepEqual([current.code, current.stdout], [1, ''])
    assert.match(
      current.stderr,
      /SECRET_EXPIRED: plant-client\/password1 expired on 2026-01-01T00:00:00\.000Z; make another with causeway rotate plant-client$/m
    )
    const asked = await show('plant-client --slot password1')
    assert.equal(asked.stdout, `${value}\n`)
    assert.match(asked.stderr, /expired on 2026-01-01/)
    assert.match((await show('crimagepulltoken')).stderr, /SECRET_MISSING.*run causeway provision/)
  })

  it('takes what credential generate printed, from a file, as PowerShell writes it', async () => {
    const text = JSON.stringify({ username: 'other-token', passwords: created.credentials.passwords.slice(0, 1) })
    await writeFile(join(folder, 'token.json'), Buffer.from(`\uFEFF${text}`, 'utf16le'))
    const { code, stdout, stderr } = await runCommand(['secrets', 'import', 'token.json'], { folder })
    assert.deepEqual([code, stdout], [0, 'created   password other-token/password1\n'], stderr)
    assert.match(stderr, /the site file has no token other-token/)
  })

  it('takes several at once, and a plain secrets file with its hashes', async () => {
    const other = { username: 'other-token', passwords: created.credentials.passwords.slice(0, 1) }
    assert.equal((await give(JSON.stringify([created, other]))).stdout.trim().split('\n').length, 3)
    const hash = `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'B'.repeat(43)}`
    const tokens = {
      'third-token': { password1: { state: 'stored', value, hash, creationTime: '2026-01-01T00:00:00.000Z' } }
    }
    const plain = { version: 1, registries: { 'mycontainerregistry001.azurecr.io': { tokens } } }
    assert.equal((await give(JSON.stringify(plain))).stdout, 'created   password third-token/password1\n')
    const record = (await stored()).slot('third-token', 'password1')
    assert.ok(record?.state === 'stored' && record.hash === hash)
  })

  it('refuses what is truncated or malformed with its place, and echoes none of it', async () => {
    const text = JSON.stringify(created, undefined, 2)
    const line = text.slice(0, text.indexOf(value)).split('\n').length
    for (const [bad, place] of [
      [text.slice(0, text.indexOf(value) + 10), new RegExp(`stdin:${line}:\\d+: `)],
      [text.slice(0, -3), /stdin:\d+:\d+: /],
      [`WARNING: You can only see it once\n${text}`, /stdin:1:1: /],
      [text.replace(`"${value}"`, value), new RegExp(`stdin:${line}:\\d+: `)],
      ['', /stdin:1:1: /],
      ['[]', /stdin:1:1: /]
    ] as const) {
      const { code, stderr, stdout } = await give(bad)
      assert.equal(code, 3, stderr)
      assert.match(stderr, /^error IMPORT_INVALID: /m)
      assert.match(stderr, place)
      assert.ok(!`${stderr}${stdout}`.includes(value.slice(0, 10)), stderr)
    }
    assert.deepEqual((await stored()).tokens(), [])
  })

  it('refuses a token as az shows it later, without its passwords, and one of another registry', async () => {
    const shown = structuredClone(created) as { credentials: { passwords: { value: string | null }[] } }
    for (const password of shown.credentials.passwords) password.value = null
    assert.match(
      (await give(JSON.stringify(shown))).stderr,
      /at credentials\.passwords\.0\.value .*only when it is made/
    )
    const other = { ...created, id: created.id.replace('mycontainerregistry001', 'another') }
    assert.match((await give(JSON.stringify(other))).stderr, /one of registry another, and the site file names/)
  })

  it('writes nothing newer over', async () => {
    await give(JSON.stringify(created))
    const old = JSON.stringify(created).replaceAll('18:48:12', '18:00:00').replaceAll(value, `old${value}`)
    const { code, stderr } = await give(old)
    assert.equal(code, 5)
    assert.match(stderr, /PASSWORD_SUPERSEDED: plant-client\/password1 .*Nothing was changed/)
    assert.equal((await give(JSON.stringify(created))).stdout.match(/unchanged/g)?.length, 2)
  })
})
