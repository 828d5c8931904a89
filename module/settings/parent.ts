import type { ConnectionString } from './connection-string.ts'
import type { Settings } from './document.ts'
import type { Environment } from './environment.ts'
import { endpointProblem, expandEndpoint } from './parent-endpoint.ts'

/** Where the module syncs from, and as whom. */
export interface ParentSettings {
  /** `https://host[:port]` */
  readonly origin: string
  readonly tokenName: string
  readonly password: string
  /** The device's other credential for the same parent, for where these are refused. */
  readonly otherCredentials?: { readonly tokenName: string; readonly password: string }
}

/** A parent is named, and nothing can be reached by that. */
export interface ParentProblem {
  /** Which variable or setting, and what it takes. */
  readonly problem: string
}

/**
 * The parent in force: desired `parent` before the connection string (automatic deployments have one content for all their
 * devices, so what differs between devices rides in the twin).
 *
 * @returns undefined where none is named
 */
export function resolveParent(
  {
    connection,
    connectionProblem,
    parentHostName
  }: Pick<Environment, 'connection' | 'connectionProblem' | 'parentHostName'>,
  settings: Pick<Settings, 'parent'> | undefined
): ParentSettings | ParentProblem | undefined {
  const desired = settings?.parent
  if (desired === undefined && connectionProblem !== undefined) return { problem: connectionProblem }
  const connected = connection && fromConnection(connection, parentHostName)
  if (desired === undefined) return connected
  const problem = endpointProblem(desired.endpoint, parentHostName)
  if (problem !== undefined) return { problem: `parent.endpoint of the settings ${problem}` }
  const { tokenName, password } = desired
  const origin = `${desired.protocol}://${loginServer(expandEndpoint(desired.endpoint, parentHostName))}`
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
    origin: `${connection.parentEndpointProtocol}://${loginServer(expandEndpoint(connection.parentGatewayEndpoint, parentHostName))}`,
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
