import assert from 'node:assert/strict'
import { AcrWorld, registry, root, shellWords } from './world.test.ts'

const site = `-r ${registry}`

describe('causeway acr connected-registry', function () {
  this.timeout(30_000)
  let world: AcrWorld
  before(async () => {
    world = await AcrWorld.start(false)
  })
  beforeEach(() => {
    Object.assign(world.cloud.arm, { faults: [], specMode: false })
  })
  after(() => world.close())

  const actionsOf = async (name: string): Promise<readonly string[]> =>
    world.texts(`connected-registry permissions show ${site} -n ${name} --query actions`)
  const holds = async (name: string, repository: string): Promise<boolean> =>
    (await actionsOf(name)).includes(`repositories/${repository}/content/read`)
  const refusal = async (line: string, expected: RegExp, code = 1): Promise<void> => {
    const { code: actual, stderr } = await world.run(shellWords(line))
    assert.match(stderr, expected)
    assert.equal(actual, code)
    assert.doesNotMatch(stderr, /\n {4}at /)
  }

  describe('before Azure is called', () => {
    const create = `connected-registry create ${site} -n plantroot -m ReadOnly`
    for (const [line, expected] of [
      [`${create} --repository a --sync-token token`, /either --sync-token or --repository/],
      [create, /either --sync-token or --repository/],
      [`connected-registry create ${site} -n root --repository a`, /5 to 40 letters and digits, a letter first/],
      [`connected-registry create ${site} -n 1plantroot --repository a`, /a letter first/],
      [`connected-registry create ${site} -n plant-root --repository a`, /5 to 40 letters and digits/],
      [`${create} --repository UPPER%`, /not a repository name/],
      [`${create} --repository a -m Mirror`, /'Mirror' is none of ReadOnly, ReadWrite/],
      [`${create} --repository a --sync-schedule "0 12 * * *"`, /--sync-schedule needs --sync-window/],
      [`${create} --repository a -s "0 25 * * *" -w PT4H`, /five cron fields/],
      [`${create} --repository a -s "* * * *" -w PT4H`, /five cron fields/],
      [
        `${create} --repository a -s "0 12 * * *" -w PT30M`,
        /--sync-window takes an ISO 8601 duration from PT1H to P7D/
      ],
      [`${create} --repository a --sync-message-ttl 2D`, /--sync-message-ttl takes .* "2D"/],
      [`${create} --repository a --log-level Trace`, /'Trace' is none of Debug/],
      [`${create} --repository a --notifications hello-world:push:pull`, /is not REPOSITORY\[:TAG\]\[@DIGEST\]:ACTION/],
      [`${create} --repository a --client-tokens ok-token no_token`, /"no_token" cannot be the name of a token/],
      [`connected-registry update ${site} -n plantroot`, /nothing to update/],
      [
        `connected-registry update ${site} -n plantroot --add-client-tokens token1 token2 --remove-client-tokens token2`,
        /update ambiguity: in --add-client-tokens and in --remove-client-tokens: token2/
      ],
      [`connected-registry update ${site} -n plantroot --add token1`, /ambiguous option: --add could match/],
      [`connected-registry permissions update ${site} -n plantroot`, /no repository permissions to update/],
      [`connected-registry permissions update ${site} -n plantroot --add a --remove A`, /update ambiguity: .*: a/],
      [`connected-registry get-settings ${site} -n plantroot`, /required: --parent-protocol/],
      [`connected-registry delete ${site} -n plantroot --cleanup`, /NOT_CONFIRMED/],
      [`connected-registry deactivate ${site} -n plantroot`, /NOT_CONFIRMED/]
    ] as const)
      it(`answers ${line.slice(0, 130)}`, async () => {
        world.calls()
        await refusal(line, expected)
        assert.deepEqual(world.calls(), [])
      })
  })

  it('needs the data endpoint, and asks', async () => {
    const line = `connected-registry create ${site} -n plantroot --repository hello-world -m ReadWrite --gc-enabled false --gc-schedule "0 5 * * *" --notifications hello-world:*:push *:*`
    await refusal(line, /NOT_CONFIRMED: Dedicated data endpoints must be enabled .* give --yes/)
    assert.deepEqual(
      world.calls().filter((call) => !call.startsWith('GET')),
      []
    )
    const { code, stderr } = await world.run(shellWords(line), { answer: 'y\n' })
    assert.equal(code, 0, stderr)
    const shown = await world.json(`connected-registry show ${site} -n plantroot`)
    assert.deepEqual(shown.garbageCollection, { enabled: false, schedule: '0 5 * * *' })
    assert.deepEqual(shown.notificationsList, ['hello-world:*:push', '*:*'])
    await refusal(
      'connected-registry create -r smallregistry -n plantroot --repository a -y',
      /need the Premium SKU, and registry smallregistry is Basic/
    )
  })

  it('builds a family, each one above knowing all below', async () => {
    for (const [name, parent] of [
      ['plantone', 'plantroot'],
      ['planttwo', 'plantroot'],
      ['cellone', 'plantone'],
      ['celltwo', 'planttwo']
    ] as const)
      await world.json(`connected-registry create ${site} -n ${name} -p ${parent} --repository ${name}/app -m ReadOnly`)
    assert.ok(await holds('plantroot', 'cellone/app'))
    assert.ok(await holds('plantone', 'cellone/app'))
    assert.ok(!(await holds('planttwo', 'cellone/app')))
    assert.ok((await actionsOf('plantroot')).includes('gateway/celltwo/message/write'))
    await refusal(
      `connected-registry create ${site} -n cellbad -p plantone --repository a -m ReadWrite`,
      /can't create the registry 'cellbad' with mode 'ReadWrite' when the mode of its parent 'plantone' is 'ReadOnly'/
    )
    await refusal(
      `connected-registry create ${site} -n cellbad -p nosuchparent --repository a`,
      /AZURE_NOT_FOUND: the parent connected registry 'nosuchparent' could not be found/
    )
  })

  it('lists a family, all of it or the next below, by exact names', async () => {
    const names = (options: string): Promise<readonly string[]> =>
      world.texts(`connected-registry list ${site} ${options} --query [].name`)
    assert.deepEqual(await names('--parent plantroot'), ['plantone', 'cellone', 'planttwo', 'celltwo'])
    assert.deepEqual(await names('--parent PLANTROOT --no-children'), ['plantone', 'planttwo'])
    assert.deepEqual(await names('--no-children'), ['plantroot'])
    // az goes by the end of the id, and would list those of plantroot.
    await refusal(`connected-registry list ${site} --parent troot --no-children`, /has no connected registry troot/)
    const { stdout } = await world.run(shellWords(`connected-registry list ${site} -o table`))
    assert.deepEqual(
      stdout
        .split('\n')
        .slice(2, -1)
        .map((row) => row.split(' ', 1)[0]),
      ['plantroot', 'plantone', 'cellone', 'planttwo', 'celltwo']
    )
  })

  it('adds repositories here and above, and removes them here and in every branch below', async () => {
    await world.json(`connected-registry permissions update ${site} -n cellone --add New/App second`)
    for (const name of ['cellone', 'plantone', 'plantroot']) assert.ok(await holds(name, 'new/app'), name)
    assert.ok(!(await holds('planttwo', 'new/app')))
    await world.json(`connected-registry permissions update ${site} -n celltwo --add second`)
    await world.json(`connected-registry permissions update ${site} -n plantroot --remove second`)
    // az forgets all branches but the last.
    for (const name of ['plantroot', 'plantone', 'planttwo', 'cellone', 'celltwo'])
      assert.ok(!(await holds(name, 'second')), name)
    assert.ok(await holds('cellone', 'new/app'))
    await refusal(
      `connected-registry permissions update ${site} -n nobodyhere --add a`,
      /no connected registry nobodyhere/
    )
  })

  it('changes nothing where one above would come to more than 500 actions', async () => {
    const many = Array.from({ length: 240 }, (_, index) => `bulk/r${index}`).join(' ')
    world.calls()
    await refusal(
      `connected-registry permissions update ${site} -n cellone --add ${many}`,
      /scope map plantroot of connected registry plantroot would come to \d+ actions, and ACR allows 500; nothing was changed/
    )
    assert.deepEqual(
      world.calls().filter((call) => !call.startsWith('GET')),
      []
    )
  })

  it('takes a sync token that is there, and extends those above by what it may do', async () => {
    await world.json(
      `token create -n ready-sync ${site} --repository ready/app content/read metadata/read --gateway cellsix config/read config/write message/read message/write --no-passwords`
    )
    await world.json(`connected-registry create ${site} -n cellsix -p plantone --sync-token ready-sync -m ReadOnly`)
    assert.ok(await holds('plantroot', 'ready/app'))
    assert.ok((await actionsOf('plantone')).includes('gateway/cellsix/config/write'))
    const settings = await world.json(`connected-registry get-settings ${site} -n cellsix --parent-protocol http`)
    assert.equal(
      settings.ACR_REGISTRY_CONNECTION_STRING,
      'ConnectedRegistryName=cellsix;SyncTokenName=ready-sync;SyncTokenPassword=<use --generate-password to generate a new password>;ParentGatewayEndpoint=<parent gateway endpoint>;ParentEndpointProtocol=http'
    )
  })

  it('updates what was given, and nothing else', async () => {
    for (const name of ['client-one', 'client-two'])
      await world.json(`token create -n ${name} ${site} --scope-map _repositories_pull --no-passwords`)
    const update = `connected-registry update ${site} -n plantroot`
    await world.json(`${update} --add-client-tokens client-one client-two -s "0 12 * * *" -w PT4H --log-level warning`)
    const updated = await world.json(
      `${update} --remove-client-token Client-One --add-notifications extra:*:delete --remove-notifications *:* -s "0 6 * * *"`
    )
    assert.deepEqual(updated.clientTokenIds, [`${root}/tokens/client-two`])
    assert.deepEqual(updated.notificationsList, ['hello-world:*:push', 'extra:*:delete'])
    // A schedule sent alone would have taken the window away.
    assert.equal(updated.parent.syncProperties.syncWindow, 'PT4H')
    assert.equal(updated.parent.syncProperties.schedule, '0 6 * * *')
    assert.equal(updated.logging.logLevel, 'Warning')
    const always = await world.json(`${update} --sync-schedule "* * * * *"`)
    assert.equal(always.parent.syncProperties.syncWindow, null)
    await refusal(`${update} --sync-schedule "0 12 * * *"`, /--sync-schedule needs --sync-window/)
  })

  it('keeps a new sync password out of the log of a CI', async () => {
    const line = `connected-registry get-settings ${site} -n plantroot --parent-protocol https --generate-password 2 -y`
    const { stdout, stderr } = await world.run(shellWords(line), { env: { CI: 'true' } })
    const settings = JSON.parse(stdout)
    assert.deepEqual([settings.SYNC_TOKEN_PASSWORD, settings.ACR_REGISTRY_CONNECTION_STRING], [null, null])
    const { password1, password2 } = await world.kept('plantroot')
    assert.equal(password1, undefined)
    assert.ok(!`${stdout}${stderr}`.includes(password2!.value))
    assert.match(stderr, /NOTE: the passwords of plantroot are in /)
  })

  it('makes no sync password anew that is being changed', async () => {
    await world.beginRotation('plantroot')
    const before = await world.kept('plantroot')
    const line = `connected-registry get-settings ${site} -n plantroot --parent-protocol https --generate-password 1 -y`
    await refusal(line, /ROTATION_PENDING: the password of token plantroot is being changed/, 5)
    assert.deepEqual(await world.kept('plantroot'), before)
  })

  it('deletes, and says what is left', async () => {
    const { code, stderr } = await world.run(shellWords(`connected-registry delete ${site} -n celltwo --yes`))
    assert.equal(code, 0)
    for (const command of [
      `causeway acr token delete -n celltwo -r ${registry} --yes`,
      `causeway acr scope-map delete -n celltwo -r ${registry} --yes`
    ]) {
      assert.ok(stderr.includes(command), stderr)
      assert.equal((await world.run(shellWords(command).slice(2))).code, 0)
    }
    assert.match(stderr, /--remove-gateway celltwo config\/read config\/write message\/read message\/write/)
    await refusal(`connected-registry delete ${site} -n plantroot --yes`, /ConnectedRegistryHasChildren/, 5)
  })

  it('says what is left where the clean-up stopped', async () => {
    world.cloud.arm.faults.push({
      method: 'DELETE',
      path: /scopeMaps/,
      status: 403,
      code: 'AuthorizationFailed',
      message: 'No role.',
      times: 1
    })
    await refusal(
      `connected-registry delete ${site} -n cellone --cleanup --yes`,
      /is deleted, and not all that was made for it:\n.*scope-map delete -n cellone .*AZURE_FORBIDDEN: deleting scope map cellone/s,
      4
    )
  })
})
