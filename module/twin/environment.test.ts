import assert from 'node:assert/strict'
import { readModuleIdentity } from './environment.ts'

describe('readModuleIdentity', () => {
  const variables = {
    IOTEDGE_WORKLOADURI: 'unix:///var/run/iotedge/workload.sock',
    IOTEDGE_DEVICEID: 'edge1',
    IOTEDGE_MODULEID: 'causeway',
    IOTEDGE_MODULEGENERATIONID: '637',
    IOTEDGE_IOTHUBHOSTNAME: 'hub1.azure-devices.net',
    IOTEDGE_AUTHSCHEME: 'SasToken'
  }

  it('reads what edgeAgent sets, with and without a gateway', () => {
    assert.equal(readModuleIdentity(variables).gatewayHostName, undefined)
    assert.deepEqual(readModuleIdentity({ ...variables, IOTEDGE_GATEWAYHOSTNAME: 'gw' }), {
      workloadUri: 'unix:///var/run/iotedge/workload.sock',
      deviceId: 'edge1',
      moduleId: 'causeway',
      generationId: '637',
      iothubHostName: 'hub1.azure-devices.net',
      gatewayHostName: 'gw'
    })
  })

  it('names all that is missing at once', () => {
    assert.throws(() => readModuleIdentity({}), {
      code: 'TWIN_ENVIRONMENT_INVALID',
      message: /IOTEDGE_WORKLOADURI, .*IOTEDGE_AUTHSCHEME/
    })
  })

  it('refuses a scheme that the SDK does not know', () => {
    assert.throws(() => readModuleIdentity({ ...variables, IOTEDGE_AUTHSCHEME: 'x509' }), /must be sasToken/)
  })
})
