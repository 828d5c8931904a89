import { isIP } from 'node:net'
import { isExact, parseImageFilter, wantsTag } from '../../module/settings/image-filter.ts'
import { covers, readScopeMap } from '../../module/settings/scope-map.ts'
import { GeneratorError } from '../errors.ts'
import { repositoryOf, runtimeImages, type Device, type Site } from '../site-file/site.ts'
import type { Door } from './names.ts'

export interface Wishes {
  /** What the client calls the device: a name or an IPv4 address; the device's `hostName` where it is not given. */
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly through?: Door | undefined
  /** The client token; the first enabled one of the device where it is not given. */
  readonly token?: string | undefined
  /** Registries whose images are to come from the device. */
  readonly mirrors: readonly string[]
  /** The certificate that the client is to trust, as PEM. */
  readonly certificate?: string | undefined
}

/** A registry as one client sees it. */
export interface Situation {
  /** `gateway.plant.example:8000` */
  readonly registry: string
  readonly url: string
  readonly through: Door
  readonly isEncrypted: boolean
  /** The client runs on the device itself. */
  readonly isLoopback: boolean
  /** Who signed the registry's certificate. */
  readonly trust: 'nobody' | 'iot-edge' | 'own-certificate'
  /** Whether the client has to be given a certificate to trust. */
  readonly needsCertificate: boolean
  readonly certificate: string | undefined
  /** Absent where the device has none and pulls need no login. */
  readonly token: string | undefined
  /** Whether anonymous pulls are allowed. */
  readonly isAnonymous: boolean
  readonly mirrors: readonly string[]
  /** `repository:tag` of something that is there to pull. */
  readonly image: string
  readonly warnings: readonly string[]
}

const hostName = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?$/

/**
 * What a client meets that calls a device's registry in this way.
 *
 * @throws {GeneratorError} `USAGE` for what the site file does not have, or does not tell
 */
export function situationOf(site: Site, device: Device, wishes: Wishes): Situation {
  const host = wishes.host ?? device.hostName
  if (host === undefined)
    throw new GeneratorError(
      'USAGE',
      `say with --host what clients call ${device.id}, or give it a hostName in the site file; 127.0.0.1 is a client on the device itself`
    )
  if (!hostName.test(host)) throw new GeneratorError('USAGE', '--host takes a host name or an IPv4 address')
  for (const mirror of wishes.mirrors)
    if (!hostName.test(mirror.replace(/:\d{1,5}$/, '')))
      throw new GeneratorError('USAGE', '--mirror takes the address of a registry, such as docker.io')
  const isLoopback = host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.'))
  // The API proxy listens on the network; on the device itself, the shorter way has a port of its own.
  const through = wishes.through ?? (isLoopback ? 'registry' : 'api-proxy')
  const source = device.settings.registry?.tls.source ?? 'none'
  const trust =
    through === 'api-proxy' || source === 'workload' ? 'iot-edge' : source === 'files' ? 'own-certificate' : 'nobody'
  const isEncrypted = trust !== 'nobody'
  const registry = `${host}:${wishes.port ?? (through === 'api-proxy' ? site.apiProxyPort : device.port)}`
  const isAnonymous = device.settings.anonymousPull?.enabled === true
  const token = tokenOf(site, device, wishes.token, isAnonymous)
  return {
    registry,
    url: `${isEncrypted ? 'https' : 'http'}://${registry}`,
    through,
    isEncrypted,
    isLoopback,
    trust,
    // A certificate from files may be from a public authority, which clients trust as they are.
    needsCertificate: trust === 'iot-edge' || (isEncrypted && wishes.certificate !== undefined),
    certificate: isEncrypted ? wishes.certificate : undefined,
    token,
    isAnonymous,
    mirrors: wishes.mirrors,
    image: imageOf(site, device, token),
    warnings: [
      ...(isEncrypted || isLoopback ? [] : plainWarnings(device, registry, isAnonymous)),
      ...(trust === 'iot-edge' ? nameWarnings(device, host) : []),
      ...(through === 'registry' && !isLoopback
        ? [
            `deployment templates publish the registry's port on 127.0.0.1 only: for ${registry} to answer, the one of ${device.id} has to publish it on the network`
          ]
        : []),
      ...(token !== undefined && site.tokens[token]?.status === 'disabled'
        ? [`the token ${token} is disabled: logins with it are refused`]
        : [])
    ]
  }
}

function tokenOf(site: Site, device: Device, wanted: string | undefined, isAnonymous: boolean): string | undefined {
  const its = device.tokens.length === 0 ? 'none' : device.tokens.join(', ')
  if (wanted !== undefined) {
    const known = device.tokens.find((name) => name.toLowerCase() === wanted.toLowerCase())
    if (known === undefined)
      throw new GeneratorError('USAGE', `${device.id} has no client token ${wanted}; it has ${its}`)
    return known
  }
  const first = device.tokens.find((name) => site.tokens[name]?.status === 'enabled')
  if (first === undefined && !isAnonymous)
    throw new GeneratorError(
      'USAGE',
      `nobody can pull from ${device.id}: it has no client token that is enabled (it has ${its}), and no anonymous pull`
    )
  return first
}

function plainWarnings({ settings }: Device, registry: string, isAnonymous: boolean): string[] {
  return [
    `${registry} is plain HTTP: whoever is on the way reads the passwords and can change the images. Go through the API proxy (--through api-proxy), or give the registry a certificate (registry.tls in the site file's settings)`,
    ...(settings.registry?.plainHttpCredentials === 'allowed'
      ? []
      : [
          `the registry refuses passwords that come over plain HTTP from the network${isAnonymous ? ', so that only anonymous pulls work' : ''}, unless registry.plainHttpCredentials allows them`
        ])
  ]
}

/** IoT Edge signs for the name of its own configuration, and for no other. */
function nameWarnings(device: Device, host: string): string[] {
  const name = device.hostName
  if (name?.toLowerCase() === host.toLowerCase()) return []
  if (name !== undefined)
    return [`the certificate of ${device.id} is for ${name}: clients that call it ${host} refuse it`]
  return isIP(host) === 0
    ? []
    : [
        `the certificate of ${device.id} is for the hostname of its config.toml: clients that call it ${host} refuse it, unless that is the same`
      ]
}

/** What the token may read and the device holds; a workload rather than the runtime. */
function imageOf(site: Site, device: Device, token: string | undefined): string {
  const scopeMap = token === undefined ? device.settings.anonymousPull?.scopeMap : site.tokens[token]?.scopeMap
  const { permissions } = readScopeMap(scopeMap === undefined ? [] : (site.scopeMaps[scopeMap]?.actions ?? []))
  const mayRead = (repository: string): boolean =>
    (token === undefined && scopeMap === undefined) ||
    permissions.some(({ action, pattern }) => action === 'content/read' && covers(pattern, repository))
  const filters = device.imageSets
    .flatMap((name) => site.imageSets[name]?.repositories ?? [])
    .flatMap((entry) => parseImageFilter(entry) ?? [])
    .filter(({ repository }) => mayRead(repository))
  const exact = filters.find(isExact)
  if (exact !== undefined) return `${exact.repository}:${exact.tags[0] ?? 'latest'}`
  const [any] = filters
  if (any !== undefined) return `${any.repository}:${wantsTag(any, 'latest') ? 'latest' : 'TAG'}`
  return runtimeImages(site).find((image) => mayRead(repositoryOf(image))) ?? 'REPOSITORY:TAG'
}
