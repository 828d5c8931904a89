import assert from 'node:assert/strict'
import { ignoredVariables, readEnvironment } from './environment.ts'
import { loginServer, resolveParent } from './parent.ts'
import { readSettings } from './validate.ts'

const connectionString =
  'ConnectedRegistryName=lower;SyncTokenName=lower-sync;SyncTokenPassword=p;' +
  'ParentGatewayEndpoint=$IOTEDGE_PARENTHOSTNAME:8000;ParentEndpointProtocol=https'

describe('environment', () => {
  it('says of a login server that it limits nothing, and of none nothing', () => {
    const lines = ignoredVariables({ ACR_REGISTRY_LOGIN_SERVER: '<Optional: connected registry login server>' })
    assert.match(lines.join(), /^ACR_REGISTRY_LOGIN_SERVER is set and limits nothing/)
    for (const value of [undefined, '', ' '])
      assert.deepEqual(ignoredVariables({ ACR_REGISTRY_LOGIN_SERVER: value }), [])
  })

  it('says where a connection string has a field that it does not know', () => {
    assert.deepEqual(ignoredVariables({ ACR_REGISTRY_CONNECTION_STRING: `${connectionString};AuthType=SyncToken` }), [
      'field 6 of ACR_REGISTRY_CONNECTION_STRING is unknown to this release, and ignored'
    ])
  })

  it('reads what IoT Edge gives', () => {
    const environment = readEnvironment({
      IOTEDGE_DEVICEID: 'gateway',
      ACR_REGISTRY_CONNECTION_STRING: connectionString,
      IOTEDGE_PARENTHOSTNAME: 'top.plant.example'
    })
    assert.deepEqual(environment.source, { kind: 'twin', deviceId: 'gateway' })
    assert.equal(environment.dataFolder, '/var/acr/data/causeway')
    assert.deepEqual(environment.listen, { host: '0.0.0.0', port: 8080 })
    assert.deepEqual(resolveParent(environment, undefined), {
      origin: 'https://top.plant.example:8000',
      tokenName: 'lower-sync',
      password: 'p'
    })
  })

  it('takes a settings file instead, a data folder and a listening address', () => {
    const environment = readEnvironment({
      CAUSEWAY_SETTINGS: 'settings.json',
      CAUSEWAY_DATA: 'data/',
      CAUSEWAY_LISTEN: '[::1]:5000'
    })
    assert.deepEqual(environment.source, { kind: 'file', path: 'settings.json' })
    assert.equal(environment.dataFolder, 'data/causeway')
    assert.deepEqual(environment.listen, { host: '::1', port: 5000 })
  })

  it("lets Microsoft's own override move the gateway endpoint", () => {
    const { connection } = readEnvironment({
      IOTEDGE_DEVICEID: 'gateway',
      ACR_REGISTRY_CONNECTION_STRING: connectionString,
      ACR_PARENT_GATEWAY_ENDPOINT: 'other.example:443'
    })
    assert.equal(connection?.parentGatewayEndpoint, 'other.example:443')
  })

  it('says what to do without IoT Edge and without a file', () => {
    assert.throws(() => readEnvironment({}), { code: 'ENVIRONMENT_INVALID', message: /CAUSEWAY_SETTINGS/ })
  })

  for (const listen of ['8080', 'host:', 'host:70000', 'a:b:1'])
    it(`refuses to listen on ${listen}`, () => {
      assert.throws(() => readEnvironment({ CAUSEWAY_SETTINGS: 'x', CAUSEWAY_LISTEN: listen }), {
        code: 'ENVIRONMENT_INVALID',
        message: /CAUSEWAY_LISTEN/
      })
    })
})

describe('parent', () => {
  it('finds the login server behind a data endpoint, in every cloud', () => {
    assert.equal(loginServer('myreg.westus2.data.azurecr.io'), 'myreg.azurecr.io')
    assert.equal(loginServer('MyReg.usgovvirginia.data.azurecr.us:443'), 'myreg.azurecr.us:443')
    assert.equal(loginServer('myreg.azurecr.io'), 'myreg.azurecr.io')
    assert.equal(loginServer('top.plant.example:8000'), 'top.plant.example:8000')
  })

  it('prefers the desired parent to the connection string', () => {
    const reading = readSettings({
      schemaVersion: '1.0',
      parent: { endpoint: 'myreg.azurecr.io', tokenName: 'device-7', password: 'x' }
    })
    assert.ok(reading.ok)
    assert.deepEqual(resolveParent({}, reading.settings), {
      origin: 'https://myreg.azurecr.io',
      tokenName: 'device-7',
      password: 'x'
    })
    assert.equal(resolveParent({}, undefined), undefined)
  })

  it('keeps the other credential for the same parent, and for no other', () => {
    const connection = {
      connectedRegistryName: 'gateway',
      syncTokenName: 'gateway-sync',
      syncTokenPassword: 'in the connection string',
      parentGatewayEndpoint: 'myreg.westus2.data.azurecr.io',
      parentEndpointProtocol: 'https'
    } as const
    const desired = (endpoint: string, password: string) => {
      const reading = readSettings({
        schemaVersion: '1.0',
        parent: { endpoint, tokenName: 'gateway-sync', password }
      })
      assert.ok(reading.ok)
      const parent = resolveParent({ connection }, reading.settings)
      assert.ok(parent && 'origin' in parent)
      return parent.otherCredentials
    }
    assert.deepEqual(desired('myreg.azurecr.io', 'in the twin'), {
      tokenName: 'gateway-sync',
      password: 'in the connection string'
    })
    assert.equal(desired('other.azurecr.io', 'in the twin'), undefined)
    assert.equal(desired('myreg.azurecr.io', 'in the connection string'), undefined)
    assert.ok(!('otherCredentials' in (resolveParent({ connection }, undefined) ?? {})))
  })

  const named = (variables: Readonly<Record<string, string>>, endpoint?: string): unknown => {
    const environment = readEnvironment({ IOTEDGE_DEVICEID: 'gateway', ...variables })
    return resolveParent(
      environment,
      endpoint === undefined
        ? undefined
        : { parent: { endpoint, protocol: 'https', tokenName: 'twin', password: 'in the twin' } }
    )
  }
  const at = (endpoint: string): Readonly<Record<string, string>> => ({
    ACR_REGISTRY_CONNECTION_STRING: connectionString.replace('$IOTEDGE_PARENTHOSTNAME:8000', endpoint)
  })
  const theGateway = 'ParentGatewayEndpoint of ACR_REGISTRY_CONNECTION_STRING'
  for (const [what, variables, endpoint, problem] of [
    ['a placeholder', at('<parent gateway endpoint>'), undefined, `${theGateway} must be host or host:port`],
    ['an address with its protocol', at('https://my.azurecr.io'), undefined, `${theGateway} must be host or host:port`],
    ['no port', at('my.azurecr.io:99999'), undefined, `${theGateway} must be host or host:port`],
    [
      'a variable that is not set',
      at('$IOTEDGE_PARENTHOSTNAME:8000'),
      undefined,
      `${theGateway} names $IOTEDGE_PARENT`
    ],
    [
      'a variable that holds no host',
      { ...at('$IOTEDGE_PARENTHOSTNAME'), IOTEDGE_PARENTHOSTNAME: 'a b' },
      undefined,
      `${theGateway} names $IOTEDGE_PARENTHOSTNAME, and`
    ],
    [
      'an override that is none',
      { ...at('a'), ACR_PARENT_GATEWAY_ENDPOINT: 'a b' },
      undefined,
      'ACR_PARENT_GATEWAY_ENDPOINT must be'
    ],
    [
      'a string without its token',
      { ACR_REGISTRY_CONNECTION_STRING: 'SyncTokenPassword=secret' },
      undefined,
      'ACR_REGISTRY_CONNECTION_STRING cannot be used: ConnectedRegistryName is missing'
    ],
    [
      'a variable in the twin that is not set',
      {},
      '$IOTEDGE_PARENTHOSTNAME',
      'parent.endpoint of the settings names $IOTEDGE_PARENTHOSTNAME'
    ]
  ] as const)
    it(`says of ${what} where it stands and what it takes`, () => {
      const parent = named(variables, endpoint) as { problem: string }
      assert.deepEqual(Object.keys(parent), ['problem'])
      assert.ok(parent.problem.startsWith(problem), parent.problem)
      assert.ok(!parent.problem.includes('secret'))
    })

  it('asks the desired parent whatever is wrong with the connection string', () => {
    assert.deepEqual(named({ ACR_REGISTRY_CONNECTION_STRING: 'oops' }, 'my.azurecr.io'), {
      origin: 'https://my.azurecr.io',
      tokenName: 'twin',
      password: 'in the twin'
    })
  })
})
