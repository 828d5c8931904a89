import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseConnectionString } from '../../../module/settings/connection-string.ts'
import { AcrWorld, group, registry, root, shellWords, subscription } from './world.test.ts'

const site = '-r mycontainerregistry001'

/** The command lines of Azure's quickstarts, with `az acr` replaced by `causeway acr`; the steps build on each other. */
for (const [mood, specMode] of [
  ['as it was recorded', false],
  ['as the specification allows', true]
] as const)
  describe(`causeway acr, the documented commands, with Azure ${mood}`, function () {
    this.timeout(30_000)
    let world: AcrWorld
    before(async () => {
      world = await AcrWorld.start(specMode)
    })
    after(() => world.close())

    it('imports the images', async () => {
      for (const line of [
        `import --name ${registry} --source mcr.microsoft.com/hello-world:latest --image hello-world:v1`,
        `import --name ${registry} --source mcr.microsoft.com/azureiotedge-agent:1.6.1`
      ])
        assert.equal(await world.json(line), undefined)
      assert.ok(world.registry.tags('hello-world').includes('v1'))
      assert.ok(world.registry.tags('azureiotedge-agent').includes('1.6.1'))
      const again = await world.run(
        shellWords(`import -n ${registry} --source mcr.microsoft.com/hello-world:latest -t hello-world:v1`)
      )
      assert.equal(again.code, 5)
      assert.match(again.stderr, /^error AZURE_CONFLICT: hello-world:v1 is there already; --force /m)
      await world.json(`import -n ${registry} --source mcr.microsoft.com/hello-world:latest -t hello-world:v1 --force`)
      await world.json(`import -n ${registry} --source hello-world:v1 --registry ${registry} --image copies/hello:v1`)
      assert.ok(world.registry.tags('copies/hello').includes('v1'))
    })

    it('enables the data endpoint', async () => {
      const updated = await world.json(`update --name ${registry} --data-endpoint-enabled`)
      assert.equal(updated.dataEndpointEnabled, true)
      assert.equal(updated.resourceGroup, group)
      assert.deepEqual(updated.dataEndpointHostNames, [`${registry}.westeurope.data.azurecr.io`])
      assert.equal(updated.policies.azureAdAuthenticationAsArmPolicy?.status, 'enabled')
    })

    it('creates a connected registry', async () => {
      world.calls()
      const created = await world.json(
        `connected-registry create --registry ${registry} --name myconnectedregistry --repository "hello-world" "acr/connected-registry" "azureiotedge-agent" "azureiotedge-hub" "azureiotedge-api-proxy" --mode ReadWrite`
      )
      assert.deepEqual(
        [created.name, created.mode, created.connectionState, created.activation.status, created.resourceGroup],
        ['myconnectedregistry', 'ReadWrite', 'Offline', 'Inactive', group]
      )
      assert.deepEqual(created.parent, {
        id: null,
        syncProperties: {
          gatewayEndpoint: `${registry}.westeurope.data.azurecr.io`,
          lastSyncTime: null,
          messageTtl: 'P2D',
          schedule: '* * * * *',
          syncWindow: null,
          tokenId: `${root}/tokens/myconnectedregistry`
        }
      })
      // az's order (facts: arm-wire §9); what is read after an operation is the SDK's affair.
      assert.deepEqual(
        world.calls().filter((call, index, all) => !call.startsWith('GET') || !all[index - 1]?.startsWith('P')),
        [
          'GET /resources',
          'GET registry',
          'GET scopeMaps/myconnectedregistry',
          'PUT scopeMaps/myconnectedregistry',
          'PUT tokens/myconnectedregistry',
          'PUT connectedRegistries/myconnectedregistry'
        ]
      )
      const { actions } = await world.json(`connected-registry permissions show ${site} -n myconnectedregistry`)
      assert.equal(actions.length, 5 * 5 + 4)
    })

    it('creates a scope map and a client token, and prints its passwords', async () => {
      const scopeMap = await world.json(
        `scope-map create --name hello-world-scopemap --registry ${registry} --repository hello-world content/read metadata/read --description "Sample scope map"`
      )
      assert.deepEqual(Object.keys(scopeMap), [
        'actions',
        'creationDate',
        'description',
        'id',
        'name',
        'provisioningState',
        'resourceGroup',
        'scopeMapType',
        'systemData',
        'type',
        'typePropertiesType'
      ])
      assert.match(scopeMap.creationDate, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?\+00:00$/)
      const token = await world.json(
        `token create --name myconnectedregistry-client-token --registry ${registry} --scope-map hello-world-scopemap`
      )
      assert.deepEqual(Object.keys(token), [
        'creationDate',
        'credentials',
        'id',
        'name',
        'provisioningState',
        'resourceGroup',
        'scopeMapId',
        'status',
        'systemData',
        'type'
      ])
      assert.equal(token.credentials.username, 'myconnectedregistry-client-token')
      assert.deepEqual(
        token.credentials.passwords.map((password: object) => Object.keys(password)),
        [
          ['creationTime', 'expiry', 'name', 'value'],
          ['creationTime', 'expiry', 'name', 'value']
        ]
      )
      const kept = await world.kept('myconnectedregistry-client-token')
      assert.deepEqual(
        token.credentials.passwords.map(({ value }) => value),
        [kept.password1?.value, kept.password2?.value]
      )
    })

    it('adds the client token to the connected registry, by the prefix that the documentation writes', async () => {
      const updated = await world.json(
        `connected-registry update --name myconnectedregistry --registry ${registry} --add-client-token myconnectedregistry-client-token`
      )
      assert.deepEqual(updated.clientTokenIds, [`${root}/tokens/myconnectedregistry-client-token`])
      const tokens = await world.texts(
        `connected-registry list-client-tokens ${site} -n myconnectedregistry --query [].name`
      )
      assert.deepEqual(tokens, ['myconnectedregistry-client-token'])
    })

    it('gets the settings, and a connection string that the module takes', async () => {
      const plain = await world.json(
        `connected-registry get-settings ${site} -n myconnectedregistry --parent-protocol https`
      )
      assert.match(plain.SYNC_TOKEN_PASSWORD, /^<use --generate-password /)
      const settings = await world.json(
        `connected-registry get-settings --name myconnectedregistry --registry ${registry} --parent-protocol http --generate-password 1 --yes`
      )
      assert.deepEqual(Object.keys(settings), [
        'ACR_REGISTRY_CERTIFICATE_VOLUME',
        'ACR_REGISTRY_CONNECTION_STRING',
        'ACR_REGISTRY_DATA_VOLUME',
        'ACR_REGISTRY_LOGIN_SERVER',
        'SYNC_TOKEN_PASSWORD',
        'SYNC_TOKEN_USER'
      ])
      const { password1 } = await world.kept('myconnectedregistry')
      assert.deepEqual(parseConnectionString(settings.ACR_REGISTRY_CONNECTION_STRING), {
        connectedRegistryName: 'myconnectedregistry',
        syncTokenName: 'myconnectedregistry',
        syncTokenPassword: password1?.value,
        parentGatewayEndpoint: `${registry}.westeurope.data.azurecr.io`,
        parentEndpointProtocol: 'https'
      })
    })

    it('creates the registry of the layer below, and extends the one above', async () => {
      await world.json(
        `connected-registry create --registry ${registry} --parent myconnectedregistry --name myconnectedmirror --repository "hello-world" "acr/connected-registry" --mode ReadOnly`
      )
      const { actions } = await world.json(`connected-registry permissions show ${site} -n myconnectedregistry`)
      assert.ok(actions.includes('gateway/myconnectedmirror/message/write'))
      const { stdout } = await world.run(shellWords(`connected-registry list --registry ${registry} --output table`))
      assert.match(stdout, /^NAME +MODE +CONNECTION STATE +PARENT +LOGIN SERVER +LAST SYNC \(UTC\)\n-+ /)
      assert.match(stdout, /^myconnectedmirror +ReadOnly +Offline +myconnectedregistry$/m)
    })

    it('shows anonymous pull, and switches it', async () => {
      const query = `show -n ${registry} --query anonymousPullEnabled`
      assert.equal(await world.json(query), false)
      const { stderr } = await world.run(shellWords(`update --name ${registry} --anonymous-pull-enabled`))
      assert.match(stderr, /WARNING: Anonymous pull makes every repository .* readable/)
      assert.equal((await world.run(shellWords(`${query} -o tsv`))).stdout, 'true\n')
      await world.json(`update --name ${registry} --anonymous-pull-enabled false`)
      assert.equal(await world.json(query), false)
    })

    it('deactivates, and deletes with all that was made', async () => {
      world.registry.reportConnectedRegistry('myconnectedmirror', { activation: 'Active' })
      await world.json(`connected-registry deactivate ${site} -n myconnectedmirror --yes`)
      assert.equal(
        (await world.json(`connected-registry show ${site} -n myconnectedmirror`)).activation.status,
        'Inactive'
      )
      await world.json(`connected-registry delete --cleanup -n myconnectedmirror ${site} -y`)
      assert.deepEqual(await world.json(`connected-registry list ${site} --query "[].name"`), ['myconnectedregistry'])
      const tokens = await world.json(`token list ${site} --query "[].name"`)
      assert.deepEqual(tokens, ['myconnectedregistry', 'myconnectedregistry-client-token'])
      const { actions } = await world.json(`connected-registry permissions show ${site} -n myconnectedregistry`)
      assert.ok(!actions.some((action) => action.startsWith('gateway/myconnectedmirror')))
    })
  })

describe('causeway acr as a process', function () {
  this.timeout(30_000)
  let world: AcrWorld
  before(async () => {
    world = await AcrWorld.start(false)
  })
  after(() => world.close())

  it('finds its registry through proxy and sign-in of the environment', async () => {
    const main = join(import.meta.dirname, '..', '..', 'main.ts')
    const words = ['acr', 'show', '-n', registry, '--query', 'loginServer', '-o', 'tsv', '--subscription', subscription]
    const child = spawn(process.execPath, [main, ...words], {
      env: { PATH: process.env['PATH'], ...(await world.environment()) },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => (output[name] += chunk.toString()))
    const [code] = await once(child, 'close')
    assert.equal(code, 0, output.stderr)
    assert.equal(output.stdout, `${registry}.azurecr.io\n`)
  })
})
