import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { siteText } from '../../testing.ts'
import { AcrWorld, group, registry, root, shellWords, type Printed } from './world.test.ts'

const site = `-r ${registry}`

describe('causeway acr token and scope-map', function () {
  this.timeout(30_000)
  let world: AcrWorld
  before(async () => {
    world = await AcrWorld.start(false)
    await world.json(`scope-map create -n plant-readers ${site} --repository Hello-World Content/Read metadata/read`)
  })
  beforeEach(() => {
    Object.assign(world.cloud.arm, { faults: [], specMode: false })
  })
  after(() => world.close())

  const refusal = async (line: string, expected: RegExp, code = 1, env: Record<string, string> = {}): Promise<void> => {
    const { code: actual, stdout, stderr } = await world.run(shellWords(line), { env })
    assert.match(stderr, expected)
    assert.equal(actual, code)
    assert.equal(stdout, '')
    assert.doesNotMatch(stderr, /\n {4}at /)
  }
  const fault = (method: string, path: RegExp, status: number, code: string, message: string): void => {
    world.cloud.arm.faults.push({ method, path, status, code, message, times: 1 })
  }

  describe('before Azure is called', () => {
    for (const [line, expected] of [
      [
        `scope-map create -n abc ${site} --repository a content/read`,
        /"abc" cannot be the name of a scope map: 5 to 50/
      ],
      [`scope-map create -n readers ${site}`, /say what it allows, with --repository or --gateway/],
      [`scope-map create -n readers ${site} --repository a`, /--repository a needs at least one action/],
      [
        `scope-map create -n readers ${site} --repository a content/read other metadata/read`,
        /other is no action; .*Each name has a --repository of its own/
      ],
      [
        `scope-map create -n readers ${site} --repository a content/raed`,
        /content\/raed is no action; .*did you mean content\/read\?/
      ],
      [
        `scope-map create -n readers ${site} --repository a/*/b content/read`,
        /a\/\*\/b\/content\/read: not a repository name/
      ],
      [
        `scope-map create -n readers ${site} --gateway child config/delete`,
        /config\/delete is no action; use config\/read/
      ],
      [
        `scope-map create -n readers ${site} --repository a content/read --description ${'x'.repeat(257)}`,
        /257 characters/
      ],
      [`scope-map update -n plant-readers ${site}`, /nothing to update/],
      [
        `scope-map update -n plant-readers ${site} --add a content/read --remove a content/read metadata/read`,
        /update ambiguity: .*repositories\/a\/content\/read/
      ],
      [`scope-map delete -n _repositories_pull ${site} --yes`, /defined by Azure/],
      [`scope-map delete -n plant-readers ${site}`, /NOT_CONFIRMED: .*There is nobody to ask: give --yes/],
      [`token create -n tok ${site} --scope-map plant-readers`, /"tok" cannot be the name of a token/],
      [`token create -n plant_client ${site} --scope-map plant-readers`, /5 to 50 letters, digits and hyphens/],
      [`token create -n plant-client ${site}`, /either --scope-map, or --repository/],
      [
        `token create -n plant-client ${site} --scope-map plant-readers --repository a content/read`,
        /either --scope-map, or/
      ],
      [
        `token create -n plant-client ${site} --scope-map plant-readers --no-passwords --expiration-in-days 3`,
        /--no-passwords goes with no expiration/
      ],
      [
        `token create -n plant-client ${site} --scope-map plant-readers --expiration 2100-01-01T00:00:00Z --expiration-in-days 3`,
        /and not both/
      ],
      [`token create -n plant-client ${site} --scope-map plant-readers --expiration 2020-01-01T00:00:00Z`, /is past/],
      [
        `token create -n plant-client ${site} --scope-map plant-readers --expiration 2100-13-01T00:00:00Z`,
        /a time in UTC/
      ],
      [
        `token create -n plant-client ${site} --scope-map plant-readers --expiration-in-days 0`,
        /a number of days from 1/
      ],
      [`token update -n plant-client ${site}`, /nothing to update/],
      [`token credential delete -n plant-client ${site}`, /no credentials to delete/],
      [`token list -r no!`, /"no!" cannot be the name of a registry/],
      [`token list ${site} -g a/b`, /cannot be the name of a resource group/],
      [`token list ${site} --subscription Pay-As-You-Go`, /must be an id, .*"Pay-As-You-Go"/],
      [`token list ${site} --query [?`, /--query: \[\? is not JMESPath/],
      [`token list ${site} -o xml`, /'xml' is none of json, table, tsv, none/],
      ['token', /^$/],
      ['token renew', /causeway acr token has no command "renew"/]
    ] as const)
      it(`answers ${line.slice(0, 110)}`, async () => {
        world.calls()
        const { code, stderr } = await world.run(shellWords(line))
        assert.match(stderr, expected)
        assert.equal(code, expected.source === '^$' ? 0 : 1)
        assert.deepEqual(world.calls(), [])
      })

    it('counts 500 actions', async () => {
      const rules = Array.from({ length: 251 }, (_, index) => `--repository r${index} content/read metadata/read`)
      await refusal(
        `scope-map create -n too-many ${site} ${rules.join(' ')}`,
        /502 actions, and a scope map holds at most 500/
      )
    })
  })

  it('lower-cases actions, and updates by difference', async () => {
    const shown = await world.json(`scope-map show -n plant-readers ${site} --query actions`)
    assert.deepEqual(shown, ['repositories/hello-world/content/read', 'repositories/hello-world/metadata/read'])
    const updated = await world.json(
      `scope-map update -n plant-readers ${site} --add-repository samples/* content/read --add-gateway child01 config/read --remove hello-world metadata/read --description "Changed"`
    )
    assert.deepEqual(updated.actions, [
      'repositories/hello-world/content/read',
      'repositories/samples/*/content/read',
      'gateway/child01/config/read'
    ])
    assert.equal(updated.description, 'Changed')
  })

  it('makes a token with a scope map of its own, once', async () => {
    const line = `token create -n own-map ${site} --repository a content/read --no-passwords`
    const token = await world.json(line)
    assert.equal(token.scopeMapId, `${root}/scopeMaps/own-map-scope-map`)
    assert.deepEqual(token.credentials, { certificates: [], passwords: [] })
    world.calls()
    await world.json(line)
    assert.ok(!world.calls().includes('PUT scopeMaps/own-map-scope-map'))
    await refusal(
      `token create -n own-map ${site} --repository b content/read --no-passwords`,
      /AZURE_CONFLICT: scope map own-map-scope-map is there already and allows something else/,
      5
    )
  })

  it('disables a token, and does not enable it by the way', async () => {
    await world.json(`token create -n withdrawn ${site} --scope-map plant-readers --no-passwords`)
    assert.equal((await world.json(`token update -n withdrawn ${site} --status Disabled`)).status, 'disabled')
    const updated = await world.json(`token update -n withdrawn ${site} --scope-map own-map-scope-map`)
    assert.deepEqual([updated.status, updated.scopeMapId], ['disabled', `${root}/scopeMaps/own-map-scope-map`])
  })

  it('makes one password or both, with an expiry, and stores them with their hash', async () => {
    await world.json(`token create -n rotating ${site} --scope-map plant-readers --status enabled`)
    const before = await world.kept('rotating')
    const one = await world.json(
      `token credential generate -n rotating ${site} --password2 --expiration 2100-12-31T12:59:59Z`
    )
    assert.deepEqual(
      one.passwords.map(({ name, expiry }) => [name, expiry]),
      [['password2', '2100-12-31T12:59:59+00:00']]
    )
    assert.equal(one.username, 'rotating')
    const after = await world.kept('rotating')
    assert.deepEqual(after.password1, before.password1)
    assert.equal(after.password2!.value, one.passwords[0]?.value)
    assert.equal(after.password2!.expiry, '2100-12-31T12:59:59.000Z')
    assert.match(after.password2!.hash, /^\$scrypt\$|^scrypt/)
    const both = await world.run(shellWords(`token credential generate -n rotating ${site} -o table`))
    assert.match(both.stdout, /^USERNAME +PASSWORD1 +PASSWORD1 EXPIRY +PASSWORD2 +PASSWORD2 EXPIRY\n/)
  })

  it('deletes a password, in Azure and in the store', async () => {
    const token = await world.json(`token credential delete -n rotating ${site} --password1`)
    assert.deepEqual(
      token.credentials.passwords.map(({ name }) => name),
      ['password2']
    )
    assert.deepEqual(Object.keys(await world.kept('rotating')), ['password2'])
    await refusal(`token credential delete -n rotating ${site} --password1`, /has no password1; nothing was deleted/)
  })

  it('touches no password that is being changed, but with its token', async () => {
    await world.json(`token create -n changing ${site} --scope-map plant-readers`)
    await world.beginRotation('changing')
    const before = await world.kept('changing')
    const printed = {
      username: 'changing',
      passwords: [{ name: 'password1', value: 'of-somebody-else', creationTime: '2100-01-01T00:00:00+00:00' }]
    }
    await writeFile(join(world.folder, 'printed.json'), JSON.stringify(printed))
    await writeFile(join(world.folder, 'site.yaml'), siteText())
    const pending = /ROTATION_PENDING: the password of token changing is being changed; .*rotate --resume/
    world.calls()
    await refusal(`token credential generate -n changing ${site}`, pending, 5)
    await refusal(`token credential delete -n changing ${site} --password2`, pending, 5)
    await refusal(`token create -n changing ${site} --repository a content/read`, pending, 5)
    const imported = await world.causeway(['secrets', 'import', 'printed.json'])
    assert.match(imported.stderr, pending)
    assert.deepEqual(await world.kept('changing'), before)
    assert.ok(world.calls().every((call) => call.startsWith('GET ')))
    await world.json(`token delete -n changing ${site} --yes`)
    assert.deepEqual(await world.kept('changing'), {})
  })

  it('asks before it deletes, and goes by the answer', async () => {
    const line = shellWords(`token delete -n rotating ${site}`)
    const kept = await world.run(line, { answer: 'perhaps\nno\n' })
    assert.match(kept.stderr, /Proceed\? \(y\/n\): .*NOT_CONFIRMED: Nothing was done/s)
    assert.equal(kept.code, 1)
    assert.match((await world.run(line, { answer: 'y\n', env: { CI: 'true' } })).stderr, /nobody to ask/)
    assert.equal((await world.run(line, { answer: 'y\n' })).code, 0)
    await refusal(
      `token show -n rotating ${site}`,
      /AZURE_NOT_FOUND: reading token rotating: .*Check the name, --registry, --resource-group and --subscription/
    )
    assert.deepEqual(await world.kept('rotating'), {})
  })

  it('keeps passwords out of the log of a CI, and stores them', async () => {
    const line = `token create -n for-ci ${site} --scope-map plant-readers --only-show-errors`
    for (const env of [{ CI: 'true' }, { TF_BUILD: 'True' }]) {
      const { code, stdout, stderr } = await world.run(shellWords(line), { env })
      assert.equal(code, 0, stderr)
      const { credentials } = JSON.parse(stdout) as Printed
      assert.deepEqual(
        credentials.passwords.map(({ name, value }) => [name, value]),
        [
          ['password1', null],
          ['password2', null]
        ]
      )
      assert.match(stderr, /^NOTE: the passwords of for-ci are in .*secrets\.jwe, and not printed .*--show-secrets/)
      const kept = await world.kept('for-ci')
      for (const { value } of [kept.password1!, kept.password2!]) assert.ok(!`${stdout}${stderr}`.includes(value))
    }
    const value = '--query credentials.passwords[0].value -o tsv'
    assert.equal((await world.run(shellWords(`${line} ${value}`), { env: { CI: '1' } })).stdout, '')
    const shown = await world.run(shellWords(`${line} ${value} --show-secrets`), { env: { CI: '1' } })
    assert.equal(shown.stdout, `${(await world.kept('for-ci')).password1?.value}\n`)
  })

  it('makes nothing where it could not keep it', async () => {
    const file = join(world.folder, 'a-file')
    await writeFile(file, '')
    world.calls()
    const line = `token create -n unkept ${site} --scope-map plant-readers`
    const { code } = await world.run(shellWords(`${line} --secrets ${join(file, 'secrets.json')}`))
    assert.equal(code, 1)
    await mkdir(join(world.folder, 'broken'))
    await writeFile(join(world.folder, 'broken', 'secrets.json'), 'not JSON with a-password-in-it')
    await refusal(`${line} --secrets broken/secrets.json`, /SECRETS_READ_ONLY: .*those are only read/)
    assert.ok(!world.calls().some((call) => !call.startsWith('GET')))
    await rm(file)
  })

  it('leaves an intent where the reply was lost, and none where Azure refused', async () => {
    await world.json(`token create -n unlucky ${site} --scope-map plant-readers --no-passwords`)
    const line = `token credential generate -n unlucky ${site} --password1`
    fault('POST', /generateCredentials/, 403, 'AuthorizationFailed', 'No role.')
    await refusal(line, /AZURE_FORBIDDEN: making password1 of token unlucky: AuthorizationFailed: No role/, 4)
    assert.equal((await world.kept('unlucky')).password1, undefined)
    fault('POST', /generateCredentials/, 500, 'InternalServerError', 'Sorry.')
    await refusal(line, /AZURE_UNAVAILABLE: /)
    assert.equal((await world.kept('unlucky')).password1?.state, 'pending')
  })

  it('tells what Azure refuses', async () => {
    await refusal('token list -r nosuchregistry', /AZURE_NOT_FOUND: no registry nosuchregistry is in subscription/)
    await refusal(
      `token list ${site} -g elsewhere`,
      /AZURE_NOT_FOUND: listing tokens: ResourceGroupNotFound: .*--resource-group/
    )
    await refusal(`scope-map delete -n plant-readers ${site} -y`, /ScopeMapInUse/, 5)
    await refusal(`token create -n orphan ${site} --scope-map nosuchmap`, /ScopeMapNotFound/)
    fault('GET', /\/tokens$/, 429, 'TooManyRequests', 'Slow down.')
    await refusal(`token list ${site}`, /AZURE_THROTTLED: listing tokens: .*run this again in a minute/)
  })

  it('tells an operation that failed on its way', async () => {
    world.cloud.arm.failing = {
      resource: /tokens\/failing/,
      error: { code: 'TokenInvalid', message: 'It went wrong.' }
    }
    await refusal(
      `token create -n failing ${site} --scope-map plant-readers`,
      /AZURE_REFUSED: creating token failing: .*TokenInvalid/
    )
    world.cloud.arm.failing = undefined
    assert.deepEqual(await world.kept('failing'), {})
  })

  it('stops at Ctrl-C, at the question and before', async () => {
    const line = shellWords(`token delete -n withdrawn ${site}`)
    const stopping = new AbortController()
    stopping.abort()
    const { code, stderr } = await world.run(line, { answer: '', signal: stopping.signal })
    assert.equal(code, 130)
    assert.match(stderr, /CANCELLED/)
    assert.equal((await world.json(`token show -n withdrawn ${site}`)).name, 'withdrawn')
  })

  it('takes a login server for a name, and a resource group without a look at all resources', async () => {
    world.calls()
    await world.json(`scope-map list -r ${registry}.azurecr.io -g ${group} --query [0].scopeMapType`)
    assert.deepEqual(world.calls(), ['GET scopeMaps'])
  })

  it('shows tables of its own', async () => {
    const { stdout } = await world.run(shellWords(`token list ${site} -o table`))
    assert.match(
      stdout,
      /^NAME +SCOPE MAP +PASSWORD1 EXPIRY +PASSWORD2 EXPIRY +STATUS +PROVISIONING STATE +CREATION DATE\n[- ]+\nown-map +own-map-scope-map +Enabled +Succeeded +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n/
    )
    assert.match(stdout, /^for-ci +plant-readers +Never +Never +Enabled/m)
    const maps = await world.run(shellWords(`scope-map list ${site} -o table`))
    assert.match(
      maps.stdout,
      /^_repositories_admin +SystemDefined +\S+ +Can perform all read, write and delete operations on the \.\.\.$/m
    )
  })
})
