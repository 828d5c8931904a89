import { TwinError } from './errors.ts'

/** Who this module is, as edgeAgent says in its environment. */
export interface ModuleIdentity {
  readonly workloadUri: string
  readonly deviceId: string
  readonly moduleId: string
  readonly generationId: string
  readonly iothubHostName: string
  /** edgeHub's name on the module network, with a port where it is not 8883. */
  readonly gatewayHostName: string | undefined
}

/**
 * Reads what edgeAgent sets for every module.
 *
 * @throws {TwinError} `TWIN_ENVIRONMENT_INVALID`, naming every variable that is missing
 */
export function readModuleIdentity(variables: Readonly<Record<string, string | undefined>>): ModuleIdentity {
  const missing: string[] = []
  const required = (name: string): string => {
    const value = variables[name]?.trim() ?? ''
    if (value === '') missing.push(name)
    return value
  }
  const gateway = variables['IOTEDGE_GATEWAYHOSTNAME']?.trim() ?? ''
  const identity = {
    workloadUri: required('IOTEDGE_WORKLOADURI'),
    deviceId: required('IOTEDGE_DEVICEID'),
    moduleId: required('IOTEDGE_MODULEID'),
    generationId: required('IOTEDGE_MODULEGENERATIONID'),
    iothubHostName: required('IOTEDGE_IOTHUBHOSTNAME'),
    gatewayHostName: gateway === '' ? undefined : gateway
  }
  const scheme = required('IOTEDGE_AUTHSCHEME')
  if (missing.length > 0)
    throw new TwinError(
      'TWIN_ENVIRONMENT_INVALID',
      `IoT Edge sets ${missing.join(', ')} for its modules, and here it is not set`
    )
  if (scheme.toLowerCase() !== 'sastoken')
    throw new TwinError('TWIN_ENVIRONMENT_INVALID', 'IOTEDGE_AUTHSCHEME must be sasToken: the SDK knows no other')
  return identity
}
