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
 * Reads `Key=value;…`. A value may itself contain `=` (passwords do), so each pair is split at its first one. Fields of a newer
 * az are passed over, keys may be in any case, and quotes around the whole, which files of variables keep, are none of it.
 *
 * @throws {SettingsError} `CONNECTION_STRING_INVALID`, never with a value in the message
 */
export function parseConnectionString(text: string): ConnectionString {
  const values = new Map<string, string>()
  for (const { key, value } of fieldsOf(text)) {
    if (key === undefined) continue
    if (values.has(key)) throw invalid(`${key} stands twice`)
    values.set(key, value)
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

/**
 * Where fields stand that {@link parseConnectionString} passes over, counted from 1. Their names are not told: behind a stray
 * semicolon they may be part of a password.
 */
export function unknownFields(text: string): number[] {
  return fieldsOf(text).flatMap(({ key }, index) => (key === undefined ? [index + 1] : []))
}

/** @returns `key` undefined where it is none of the five */
function fieldsOf(text: string): { readonly key: (typeof keys)[number] | undefined; readonly value: string }[] {
  return text
    .trim()
    .replace(/^(["'])(.*)\1$/, '$2')
    .split(';')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const equals = part.indexOf('=')
      const name = part.slice(0, Math.max(equals, 0)).trim().toLowerCase()
      return { key: keys.find((key) => key.toLowerCase() === name), value: part.slice(equals + 1).trim() }
    })
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
