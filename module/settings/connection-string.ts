import { SettingsError } from './errors.ts'

/** The fields of `ACR_REGISTRY_CONNECTION_STRING`, as `az acr connected-registry get-settings` prints them. */
export interface ConnectionString {
  readonly connectedRegistryName: string
  readonly syncTokenName: string
  readonly syncTokenPassword: string
  readonly parentGatewayEndpoint: string
  readonly parentEndpointProtocol: 'https' | 'http'
}

const keys = [
  'ConnectedRegistryName',
  'SyncTokenName',
  'SyncTokenPassword',
  'ParentGatewayEndpoint',
  'ParentEndpointProtocol'
] as const

/**
 * Reads `Key=value;…`. A value may itself contain `=` (passwords do), so each pair is split at its first one.
 *
 * @throws {SettingsError} `CONNECTION_STRING_INVALID`, never with a value in the message
 */
export function parseConnectionString(text: string): ConnectionString {
  const values = new Map<string, string>()
  for (const pair of text.split(';').filter((part) => part.trim() !== '')) {
    const equals = pair.indexOf('=')
    const key = pair.slice(0, Math.max(equals, 0)).trim()
    if (!(keys as readonly string[]).includes(key)) throw invalid('it holds a field that is none of its five')
    if (values.has(key)) throw invalid(`${key} stands twice`)
    values.set(key, pair.slice(equals + 1).trim())
  }
  const value = (key: (typeof keys)[number]): string => {
    const found = values.get(key)
    if (found === undefined || found === '') throw invalid(`${key} is missing`)
    return found
  }
  const protocol = (values.get('ParentEndpointProtocol') ?? 'https').toLowerCase()
  if (protocol !== 'https' && protocol !== 'http') throw invalid('ParentEndpointProtocol must be https or http')
  return {
    connectedRegistryName: value('ConnectedRegistryName'),
    syncTokenName: value('SyncTokenName'),
    syncTokenPassword: value('SyncTokenPassword'),
    parentGatewayEndpoint: value('ParentGatewayEndpoint'),
    parentEndpointProtocol: protocol
  }
}

/** Writes what {@link parseConnectionString} reads, in az's order. */
export function formatConnectionString(connection: ConnectionString): string {
  return [
    `ConnectedRegistryName=${connection.connectedRegistryName}`,
    `SyncTokenName=${connection.syncTokenName}`,
    `SyncTokenPassword=${connection.syncTokenPassword}`,
    `ParentGatewayEndpoint=${connection.parentGatewayEndpoint}`,
    `ParentEndpointProtocol=${connection.parentEndpointProtocol}`
  ].join(';')
}

function invalid(reason: string): SettingsError {
  return new SettingsError(
    'CONNECTION_STRING_INVALID',
    `ACR_REGISTRY_CONNECTION_STRING cannot be used: ${reason}. It reads ${keys.map((key) => `${key}=…`).join(';')}`
  )
}
