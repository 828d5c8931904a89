import type { ConnectionString } from './connection-string.ts'
import type { Settings } from './document.ts'

/** Where the module syncs from, and as whom. */
export interface ParentSettings {
  /** `https://host[:port]` */
  readonly origin: string
  readonly tokenName: string
  readonly password: string
  /** The device's other credential for the same parent, for where these are refused. */
  readonly otherCredentials?: { readonly tokenName: string; readonly password: string }
}

/**
 * The parent in force: desired `parent` before the connection string (automatic deployments have one content for all their
 * devices, so what differs between devices rides in the twin).
 *
 * @param parentHostName `IOTEDGE_PARENTHOSTNAME`, which IoT Edge gives to modules of nested devices and does not itself
 *   expand in other variables
 */
export function resolveParent(
  connection: ConnectionString | undefined,
  settings: Pick<Settings, 'parent'> | undefined,
  parentHostName: string | undefined
): ParentSettings | undefined {
  const connected = connection && fromConnection(connection, parentHostName)
  const desired = settings?.parent
  if (desired === undefined) return connected
  const { tokenName, password } = desired
  const origin = `${desired.protocol}://${loginServer(expand(desired.endpoint, parentHostName))}`
  // A password is for the host that it was made for, and for no other.
  const isAnother =
    connected?.origin === origin && (connected.tokenName !== tokenName || connected.password !== password)
  return {
    origin,
    tokenName,
    password,
    ...(isAnother ? { otherCredentials: { tokenName: connected.tokenName, password: connected.password } } : {})
  }
}

function fromConnection(connection: ConnectionString, parentHostName: string | undefined): ParentSettings {
  return {
    origin: `${connection.parentEndpointProtocol}://${loginServer(expand(connection.parentGatewayEndpoint, parentHostName))}`,
    tokenName: connection.syncTokenName,
    password: connection.syncTokenPassword
  }
}

/**
 * The registry behind a gateway endpoint: Microsoft's module is given the data endpoint `<name>.<region>.data.azurecr.io`,
 * and pulls and tokens are at `<name>.azurecr.io`. Other hosts stay as they are.
 */
export function loginServer(endpoint: string): string {
  return endpoint.toLowerCase().replace(/^([a-z0-9-]+)\.[a-z0-9-]+\.data\.(azurecr\.(?:io|us|cn))(:\d+)?$/, '$1.$2$3')
}

function expand(endpoint: string, parentHostName: string | undefined): string {
  return parentHostName === undefined ? endpoint : endpoint.replaceAll('$IOTEDGE_PARENTHOSTNAME', parentHostName)
}
