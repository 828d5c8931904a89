import { isObject, readObject, readOptionalString, refuse, type Properties } from './read.ts'

/**
 * Joins `createOptions`, `createOptions01` … `createOptions99` and parses what they hold
 * (deployment-manifests.md §1.2: keys in any case, no gap, no `createOptions00`; empty and "null" mean none). Whatever has the
 * word in it counts as a piece, sorted as OrdinalIgnoreCase does, and only the number behind it is compared: ChunkedProperty
 * of JsonEx.cs.
 */
export function readCreateOptions(settings: Properties, path: string): Properties {
  const chunks = Object.entries(settings)
    .filter(([key]) => /createoptions/i.test(key))
    .map(([key, value]) => ({ key, value, order: key.toUpperCase() }))
    .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
  const text = chunks.map(({ key, value }, position) => {
    const [, number = ''] = /createoptions(\d*)/i.exec(key) ?? []
    const follows = position === 0 ? number === '' : number !== '' && Number(number) === position
    if (!follows) {
      const expected = position === 0 ? 'createOptions' : `createOptions${String(position).padStart(2, '0')}`
      refuse(`${path}: expected ${expected} found ${key}`)
    }
    // DockerConfig.cs makes a text of whatever stands there; only of an object does that give JSON it can use.
    if (isObject(value)) return JSON.stringify(value)
    if (typeof value !== 'string') refuse(`${path}.${key} must be a string that holds JSON`)
    return value
  })
  return parse(text.join(''), path)
}

function parse(text: string, path: string): Properties {
  if (text.trim() === '') return {}
  let options: unknown
  try {
    options = JSON.parse(strictly(text))
  } catch {
    refuse(`${path}.createOptions is not JSON`)
  }
  if (options === null) return {}
  if (!isObject(options)) refuse(`${path}.createOptions must hold a JSON object`)
  deserialize(options, 'CreateContainerParameters', `${path}.createOptions`)
  return options
}

const token = new RegExp(
  [
    String.raw`(?<string>"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*')`,
    String.raw`(?<comment>/\*[^]*?\*/|//[^\r\n]*)`,
    String.raw`(?<key>[\p{L}\p{Nd}_$]+)(?=\s*:)`,
    String.raw`(?<comma>,)(?=\s*[}\]])`
  ].join('|'),
  'gu'
)

/**
 * The JSON that Newtonsoft reads in a text that is none: `DockerConfig.cs` deserializes with it, and it takes single quotes, keys
 * without any, comments, line breaks in texts, and a comma behind the last of a list (JsonTextReader.cs).
 */
function strictly(text: string): string {
  return text.replace(token, (all, ...rest: unknown[]) => {
    const { string, comment, key, comma } = rest.at(-1) as Readonly<Record<string, string | undefined>>
    if (key !== undefined) return JSON.stringify(key)
    if (comment !== undefined || comma !== undefined) return ' '
    if (string === undefined) return all
    const inside = string.slice(1, -1).replace(/\\'|\\[^]|"|[\u0001-\u001f]/g, (character) => {
      if (character === "\\'") return "'"
      return character.startsWith('\\') ? character : JSON.stringify(character).slice(1, -1)
    })
    return `"${inside}"`
  })
}

/** The classes that edgeAgent deserializes into, as far as it has its own (edge-agent's Docker/models): `[T]` is a list of T, `{T}` a dictionary. */
const classes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  CreateContainerParameters: {
    Env: '[string]',
    ExposedPorts: '{EmptyStruct}',
    HostConfig: 'HostConfig',
    Labels: '{string}',
    NetworkingConfig: 'NetworkingConfig'
  },
  EmptyStruct: {},
  EndpointSettings: { Aliases: '[string]' },
  HostConfig: {
    Binds: '[string]',
    LogConfig: 'LogConfig',
    Mounts: '[Mount]',
    NetworkMode: 'string',
    PortBindings: '{[PortBinding]}',
    Privileged: 'bool'
  },
  LogConfig: { Config: '{string}', Type: 'string' },
  Mount: {},
  NetworkingConfig: { EndpointsConfig: '{EndpointSettings}' },
  PortBinding: { HostIP: 'string', HostPort: 'string' }
}

/** Refuses what Newtonsoft does not make such a value of. */
function deserialize(value: unknown, type: string, path: string): void {
  if (value === null || value === undefined) return
  if (type === 'string') {
    readOptionalString(value, path)
    return
  }
  if (type === 'bool') {
    const isWord = typeof value === 'string' && ['true', 'false', ''].includes(value.trim().toLowerCase())
    if (typeof value === 'object' || (typeof value === 'string' && !isWord))
      refuse(`Could not convert string to boolean: ${path}`)
    return
  }
  // CoerceEmptyStringToNull, for whatever may be null.
  if (value === '' && type !== 'EmptyStruct') return
  const element = type.slice(1, -1)
  if (type.startsWith('[')) {
    if (!Array.isArray(value)) refuse(`${path} must be a list`)
    value.forEach((item, index) => {
      deserialize(item, element, `${path}[${index}]`)
    })
    return
  }
  const known = type.startsWith('{') ? undefined : classes[type]
  for (const [name, inside] of Object.entries(readObject(value, path))) {
    const field = Object.keys(known ?? {}).find((each) => each.toLowerCase() === name.toLowerCase())
    const wanted = known === undefined ? element : known[field ?? '']
    if (wanted !== undefined) deserialize(inside, wanted, `${path}.${name}`)
  }
}

/** A port of the container published on the device. */
export interface PortBinding {
  readonly containerPort: number
  readonly hostPort: number
  /** Bound to 127.0.0.1 only: the device itself reaches it, the network does not. */
  readonly loopbackOnly: boolean
}

/** The TCP entries of `HostConfig.PortBindings`; those without a fixed host port are left out. */
export function portBindings(options: Properties): PortBinding[] {
  const bindings = hostConfig(options)['PortBindings']
  if (!isObject(bindings)) return []
  return Object.entries(bindings).flatMap(([port, hosts]) => {
    const [, number] = /^(\d{1,5})(?:\/tcp)?$/.exec(port) ?? []
    if (number === undefined || !Array.isArray(hosts)) return []
    return hosts.filter(isObject).flatMap((host) => {
      const hostPort = Number(host['HostPort'])
      if (!Number.isInteger(hostPort) || hostPort < 1 || hostPort > 65535) return []
      const address = host['HostIp']
      const loopbackOnly = typeof address === 'string' && /^(127\.|::1$|localhost$)/.test(address)
      return [{ containerPort: Number(number), hostPort, loopbackOnly }]
    })
  })
}

/** The host folder or volume behind a path in the container, as `HostConfig.Binds` or `Mounts` say. */
export function bindSource(options: Properties, target: string): string | undefined {
  const { Binds: binds, Mounts: mounts } = hostConfig(options)
  for (const bind of Array.isArray(binds) ? binds : []) {
    const [source, inside] = String(bind).split(':')
    if (inside === target) return source
  }
  for (const mount of Array.isArray(mounts) ? mounts : [])
    if (isObject(mount) && mount['Target'] === target && typeof mount['Source'] === 'string') return mount['Source']
  return undefined
}

/** `Env` of the create options: `KEY=value` strings. */
export function containerEnvironment(options: Properties): Record<string, string> {
  const list = options['Env']
  return Object.fromEntries(
    (Array.isArray(list) ? list : []).map((entry) => {
      const text = String(entry)
      const equals = text.indexOf('=')
      return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
    })
  )
}

function hostConfig(options: Properties): Properties {
  const config = options['HostConfig']
  return isObject(config) ? config : {}
}
