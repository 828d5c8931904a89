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

  it('reads what IoT Edge gives', () => {
    const environment = readEnvironment({
      IOTEDGE_DEVICEID: 'gateway',
      ACR_REGISTRY_CONNECTION_STRING: connectionString,
      IOTEDGE_PARENTHOSTNAME: 'top.plant.example'
    })
    assert.deepEqual(environment.source, { kind: 'twin', deviceId: 'gateway' })
    assert.equal(environment.dataFolder, '/var/acr/data/causeway')
    assert.deepEqual(environment.listen, { host: '0.0.0.0', port: 8080 })
    assert.equal(
      resolveParent(environment.connection, undefined, environment.parentHostName)?.origin,
      'https://top.plant.example:8000'
    )
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
    assert.deepEqual(resolveParent(undefined, reading.settings, undefined), {
      origin: 'https://myreg.azurecr.io',
      tokenName: 'device-7',
      password: 'x'
    })
    assert.equal(resolveParent(undefined, undefined, undefined), undefined)
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
      return resolveParent(connection, reading.settings, undefined)?.otherCredentials
    }
    assert.deepEqual(desired('myreg.azurecr.io', 'in the twin'), {
      tokenName: 'gateway-sync',
      password: 'in the connection string'
    })
    assert.equal(desired('other.azurecr.io', 'in the twin'), undefined)
    assert.equal(desired('myreg.azurecr.io', 'in the connection string'), undefined)
    assert.equal(resolveParent(connection, undefined, undefined)?.otherCredentials, undefined)
  })
})
