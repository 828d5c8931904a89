import { parseConnectionString, unknownFields, type ConnectionString } from './connection-string.ts'
import { SettingsError } from './errors.ts'
import { endpointProblem } from './parent-endpoint.ts'

/** What the module reads from its environment, once, at start. */
export interface Environment {
  /** Where settings come from: the module twin, or a file where there is no IoT Edge. */
  readonly source:
    { readonly kind: 'twin'; readonly deviceId: string } | { readonly kind: 'file'; readonly path: string }
  readonly connection?: ConnectionString
  /** Why no parent can be reached by the connection string; absent where one may be, and where there is no connection string. */
  readonly connectionProblem?: string
  readonly parentHostName?: string
  /** The module's own folder; Microsoft's files beside it are never touched. */
  readonly dataFolder: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Where the API proxy of this device answers, where it does not under its module's name. */
  readonly apiProxy?: { readonly host: string; readonly port: number }
}

/** Microsoft's module keeps its data here, so a device's bind mount can be taken over as it is. */
const defaultData = '/var/acr/data'
/** The port that published deployment manifests and the API proxy's route expect. */
const defaultListen = '0.0.0.0:8080'

/**
 * Reads the environment that IoT Edge, a container engine or a person gives.
 *
 * @throws {SettingsError} `ENVIRONMENT_INVALID`, saying which variable and what it takes. A connection string is no reason not to
 *   start: what is here is served, and the settings may name another parent.
 */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const parentHostName = nonEmpty(variables['IOTEDGE_PARENTHOSTNAME'])
  const apiProxy = nonEmpty(variables['CAUSEWAY_API_PROXY'])
  return {
    source: readSource(variables),
    ...readConnection(variables, parentHostName),
    ...(parentHostName === undefined ? {} : { parentHostName }),
    dataFolder: `${(nonEmpty(variables['CAUSEWAY_DATA']) ?? defaultData).replace(/\/+$/, '')}/causeway`,
    listen: readListen(variables),
    ...(apiProxy === undefined ? {} : { apiProxy: readAddress('CAUSEWAY_API_PROXY', apiProxy, 'IoTEdgeAPIProxy:8000') })
  }
}

function readConnection(
  variables: Readonly<Record<string, string | undefined>>,
  parentHostName: string | undefined
): Pick<Environment, 'connection' | 'connectionProblem'> {
  const text = nonEmpty(variables['ACR_REGISTRY_CONNECTION_STRING'])
  if (text === undefined) return {}
  const gateway = nonEmpty(variables['ACR_PARENT_GATEWAY_ENDPOINT'])
  try {
    const parsed = parseConnectionString(text)
    const connection = gateway === undefined ? parsed : { ...parsed, parentGatewayEndpoint: gateway }
    const where =
      gateway === undefined ? 'ParentGatewayEndpoint of ACR_REGISTRY_CONNECTION_STRING' : 'ACR_PARENT_GATEWAY_ENDPOINT'
    const problem = endpointProblem(connection.parentGatewayEndpoint, parentHostName)
    return { connection, ...(problem === undefined ? {} : { connectionProblem: `${where} ${problem}` }) }
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    return { connectionProblem: error.message }
  }
}

/**
 * What is set for Microsoft's module and means nothing here, as lines for the log.
 *
 * Its `ACR_REGISTRY_LOGIN_SERVER` names the one host that requests may be for. No published manifest sets it. It keeps nobody
 * out, since a client says whatever host it likes, and it locks people out: the API proxy passes no `Host` on, one device is
 * called by several names, and what `get-settings` prints for it is a placeholder.
 */
export function ignoredVariables(variables: Readonly<Record<string, string | undefined>>): string[] {
  const server = nonEmpty(variables['ACR_REGISTRY_LOGIN_SERVER'])
  return [
    ...unknownFields(variables['ACR_REGISTRY_CONNECTION_STRING'] ?? '').map(
      (place) => `field ${place} of ACR_REGISTRY_CONNECTION_STRING is unknown to this release, and ignored`
    ),
    ...(server === undefined
      ? []
      : [
          'ACR_REGISTRY_LOGIN_SERVER is set and limits nothing: this registry answers under every name that leads to it'
        ])
  ]
}

function readSource(variables: Readonly<Record<string, string | undefined>>): Environment['source'] {
  const path = nonEmpty(variables['CAUSEWAY_SETTINGS'])
  if (path !== undefined) return { kind: 'file', path }
  const deviceId = nonEmpty(variables['IOTEDGE_DEVICEID'])
  if (deviceId === undefined)
    throw new SettingsError(
      'ENVIRONMENT_INVALID',
      'neither IoT Edge nor a settings file: run this as an IoT Edge module, or set CAUSEWAY_SETTINGS to a settings file'
    )
  return { kind: 'twin', deviceId }
}

/** @throws {SettingsError} `ENVIRONMENT_INVALID` */
export function readListen(variables: Readonly<Record<string, string | undefined>>): Environment['listen'] {
  return readAddress('CAUSEWAY_LISTEN', nonEmpty(variables['CAUSEWAY_LISTEN']) ?? defaultListen, defaultListen)
}

function readAddress(variable: string, text: string, example: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 65535)
    throw new SettingsError('ENVIRONMENT_INVALID', `${variable} must be host:port, such as ${example}`)
  return { host, port: Number(port) }
}

function nonEmpty(text: string | undefined): string | undefined {
  const trimmed = text?.trim()
  return trimmed === '' ? undefined : trimmed
}
