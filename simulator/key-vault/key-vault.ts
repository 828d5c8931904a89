import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Exchange, Host } from '../cloud-http.ts'
import type { CloudNames } from '../cloud-names.ts'
import { audiencesOf } from '../login/entra.ts'
import { EntraTokenError, type EntraTokens } from '../login/entra-tokens.ts'
import { VaultError } from './errors.ts'
import { VaultSecrets, type DeletedSecret, type SecretVersion } from './secrets.ts'

/** Switches of a pretend vault. */
export interface VaultKnobs {
  /** Roles of the caller; without `set` it is one that may only read. */
  permissions: Set<'get' | 'list' | 'set' | 'delete' | 'recover' | 'purge'>
  /** Whether it takes requests and answers none, as behind a link that swallows packets. */
  silent: boolean
  /** So many of the next requests are too many; `retryAfter` is in seconds, and not sent where it is not given. */
  throttled: { times: number; readonly retryAfter?: number }
  /** Milliseconds until a deleted secret can be purged or had back: the real one takes seconds. */
  deletion: number
  /** What a person does in the portal. */
  delete(name: string): void
}

export interface VaultOptions {
  readonly names: CloudNames
  readonly name: string
  readonly tokens: EntraTokens
  readonly now: () => number
}

/** A page never holds more, whatever is asked for. */
const largestPage = 25
/** Bytes of one secret's value. */
const largestValue = 25 * 1024

/**
 * The pretend key vault's secrets: the challenge without a token, versions, soft delete, names and sizes as
 * https://learn.microsoft.com/rest/api/keyvault/secrets and .../key-vault/general/authentication-requests-and-responses say.
 */
export function keyVault(options: VaultOptions): { readonly host: Host; readonly knobs: VaultKnobs } {
  const secrets = new VaultSecrets(`${options.name}.${options.names.keyVault}`, options.now)
  const knobs: VaultKnobs = {
    permissions: new Set(['get', 'list', 'set', 'delete', 'recover', 'purge']),
    silent: false,
    throttled: { times: 0 },
    deletion: 0,
    delete: (name) => void secrets.delete(name, knobs.deletion)
  }
  return {
    knobs,
    async host(exchange) {
      if (knobs.silent) {
        await once(exchange.response, 'close')
        return
      }
      try {
        throttle(knobs)
        await route(exchange, { ...options, knobs }, secrets)
      } catch (error) {
        if (!(error instanceof VaultError)) throw error
        exchange.json(error.status, error.toBody(), { ...commonHeaders(), ...error.headers })
      }
    }
  }
}

function throttle({ throttled }: VaultKnobs): void {
  if (throttled.times === 0) return
  throttled.times -= 1
  const { retryAfter } = throttled
  const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
  throw new VaultError('Throttled', 'Request was not processed because too many requests were received.', headers)
}

type OpenVault = VaultOptions & { readonly knobs: VaultKnobs }

async function route(exchange: Exchange, options: OpenVault, secrets: VaultSecrets): Promise<void> {
  await authenticate(exchange, options)
  const { method, url } = exchange
  if (!/^(?:7\.\d|2025-07-01)/.test(url.searchParams.get('api-version') ?? ''))
    throw new VaultError('BadParameter', 'The query parameter api-version is missing or not supported.')
  const may = (permission: Permission): void => {
    allow(options, permission)
  }
  const send = (status: number, body: unknown): void => {
    exchange.json(status, body, commonHeaders())
  }
  // The SDK writes a slash behind a name where it asks for no version.
  const [collection, name, third] = decodeURIComponent(url.pathname)
    .split('/')
    .filter((segment) => segment !== '')
  if (collection === 'secrets' && name === undefined && method === 'GET') {
    may('list')
    send(
      200,
      page(
        exchange,
        secrets.list().map((secret) => describe(secret))
      )
    )
  } else if (collection === 'secrets' && name !== undefined && third === 'versions' && method === 'GET') {
    may('list')
    send(
      200,
      page(
        exchange,
        secrets.versions(name).map((secret) => describe(secret, true))
      )
    )
  } else if (collection === 'secrets' && name !== undefined && method === 'GET') {
    may('get')
    send(200, reveal(secrets.get(name, third)))
  } else if (collection === 'secrets' && name !== undefined && third === undefined && method === 'PUT') {
    may('set')
    send(200, reveal(secrets.set(checkName(name), await readValue(exchange))))
  } else if (collection === 'secrets' && name !== undefined && third === undefined && method === 'DELETE') {
    may('delete')
    send(200, describeDeleted(secrets.delete(name, options.knobs.deletion), options))
  } else if (collection === 'deletedsecrets' && name !== undefined && third === undefined && method === 'GET') {
    may('get')
    send(200, describeDeleted(secrets.deleted(name), options))
  } else if (collection === 'deletedsecrets' && name !== undefined && third === 'recover' && method === 'POST') {
    may('recover')
    send(200, describe(secrets.recover(name)))
  } else if (collection === 'deletedsecrets' && name !== undefined && third === undefined && method === 'DELETE') {
    may('purge')
    secrets.purge(name)
    exchange.empty(204, commonHeaders())
  } else throw new VaultError('BadParameter', `${method} ${url.pathname} is not simulated.`)
}

async function authenticate(exchange: Exchange, { tokens, names }: VaultOptions): Promise<void> {
  try {
    await tokens.verify(exchange.header('authorization'), audiencesOf(names).keyVault)
  } catch (error) {
    if (!(error instanceof EntraTokenError)) throw error
    const challenge = `Bearer authorization="https://${names.login}/${tokens.tenantId}", resource="https://${names.keyVault}"`
    const message =
      error.reason === 'missing'
        ? 'AKV10000: Request is missing a Bearer or PoP token.'
        : error.reason === 'audience'
          ? 'AKV10022: Invalid audience.'
          : 'AKV10046: The access token is not valid.'
    throw new VaultError('Unauthorized', message, { 'www-authenticate': challenge })
  }
}

type Permission = VaultKnobs['permissions'] extends Set<infer Each> ? Each : never

function allow({ knobs, name }: OpenVault, permission: Permission): void {
  if (knobs.permissions.has(permission)) return
  throw new VaultError(
    'Forbidden',
    `Caller is not authorized to perform action on resource. Action: 'Microsoft.KeyVault/vaults/secrets/${permission}/action', Vault: ${name}`
  )
}

interface NewSecret {
  readonly value: string
  readonly contentType?: string
}

async function readValue(exchange: Exchange): Promise<NewSecret> {
  const body = await exchange.body(1 << 20)
  let parsed: { readonly value?: unknown; readonly contentType?: unknown }
  try {
    parsed = JSON.parse(body.toString('utf8')) as typeof parsed
  } catch {
    throw new VaultError('BadParameter', 'The request body is not valid JSON.')
  }
  const { value, contentType } = parsed
  if (typeof value !== 'string') throw new VaultError('BadParameter', 'Property value is missing.')
  if (Buffer.byteLength(value) > largestValue)
    throw new VaultError('BadParameter', `The secret value may have at most ${largestValue} bytes.`)
  return typeof contentType === 'string' ? { value, contentType } : { value }
}

function checkName(name: string): string {
  if (/^[0-9a-zA-Z-]{1,127}$/.test(name)) return name
  throw new VaultError('BadParameter', `The request URI contains an invalid name: ${name}`)
}

function page(exchange: Exchange, all: readonly unknown[]): unknown {
  const { searchParams } = exchange.url
  const size = Math.min(Number(searchParams.get('maxresults') ?? largestPage), largestPage)
  const start = Number(searchParams.get('$skiptoken') ?? 0)
  const next = new URL(exchange.url)
  next.searchParams.set('$skiptoken', String(start + size))
  return {
    value: all.slice(start, start + size),
    nextLink: start + size < all.length ? next.href : null
  }
}

function describe(secret: SecretVersion, versioned = false): Record<string, unknown> {
  const seconds = (time: number): number => Math.floor(time / 1000)
  return {
    id: versioned ? `${secret.id}/${secret.version}` : secret.id,
    attributes: {
      enabled: true,
      created: seconds(secret.created),
      updated: seconds(secret.created),
      recoveryLevel: 'Recoverable+Purgeable',
      recoverableDays: 90
    },
    ...(secret.contentType === undefined ? {} : { contentType: secret.contentType }),
    tags: {}
  }
}

function reveal(secret: SecretVersion): Record<string, unknown> {
  return { value: secret.value, ...describe(secret, true) }
}

function describeDeleted({ secret, deletedAt }: DeletedSecret, { name, names }: VaultOptions): Record<string, unknown> {
  return {
    recoveryId: `https://${name}.${names.keyVault}/deletedsecrets/${secret.name}`,
    deletedDate: Math.floor(deletedAt / 1000),
    scheduledPurgeDate: Math.floor(deletedAt / 1000) + 90 * 86_400,
    ...describe(secret, true)
  }
}

function commonHeaders(): Record<string, string> {
  return {
    'cache-control': 'no-cache',
    pragma: 'no-cache',
    expires: '-1',
    'x-ms-keyvault-region': 'westeurope',
    'x-ms-request-id': randomUUID(),
    'x-ms-keyvault-service-version': '1.9.2000.1',
    'strict-transport-security': 'max-age=31536000;includeSubDomains',
    'x-content-type-options': 'nosniff'
  }
}
