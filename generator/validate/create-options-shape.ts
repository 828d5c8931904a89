import { memberOf, type JsonNode } from './json.ts'
import { join, type Spot } from './place.ts'
import { angleHole, templateHole } from './placeholders.ts'

/** `struct` is a class that has no null, so that a blank text is none either. */
type Shape =
  | 'value'
  | 'flag'
  | 'struct'
  | { readonly list: Shape }
  | { readonly map: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> }

const texts: Shape = { list: 'value' }
const textsByName: Shape = { map: 'value' }
const object: Shape = { fields: {} }

/**
 * What edgeAgent's own classes want (CreateContainerParameters.cs, HostConfig.cs, NetworkingConfig.cs and what they name); all
 * else is handed on to the engine as it is.
 */
const createContainer: Shape = {
  fields: {
    Env: texts,
    ExposedPorts: { map: 'struct' },
    Labels: textsByName,
    HostConfig: {
      fields: {
        Binds: texts,
        LogConfig: { fields: { Config: textsByName, Type: 'value' } },
        Mounts: { list: object },
        NetworkMode: 'value',
        PortBindings: { map: { list: { fields: { HostIP: 'value', HostPort: 'value' } } } },
        Privileged: 'flag',
        Devices: { list: object },
        CapAdd: texts,
        CapDrop: texts,
        ExtraHosts: texts,
        RestartPolicy: object,
        Sysctls: textsByName,
        Ulimits: { list: object }
      }
    },
    NetworkingConfig: { fields: { EndpointsConfig: { map: { fields: { Aliases: texts } } } } }
  }
}

/**
 * Checks that parsed create options are of the kinds that edgeAgent deserializes. Newtonsoft turns numbers and booleans into
 * texts, and back, and takes a blank text for no object and no list.
 *
 * @param spot where findings go
 * @param guessed whether variables in it were filled in with something: then no text is known
 */
export function checkShape(options: JsonNode, spot: Spot, guessed: boolean): void {
  const tell = (path: string, what: string): void => {
    spot.finding('M044', `${path} must be ${what}`)
  }
  const visit = (node: JsonNode, shape: Shape, path: string): void => {
    if (node.kind === 'null' || node.kind === 'placeholder') return
    if (shape === 'flag') {
      if (!guessed && !isFlag(node)) tell(path, 'true or false')
    } else if (shape === 'value') {
      if (node.kind === 'object' || node.kind === 'array') tell(path, 'a text or number')
    } else if (shape !== 'struct' && node.kind === 'string' && node.value === '') return
    else if (shape !== 'struct' && 'list' in shape) {
      if (node.kind !== 'array') tell(path, 'a list')
      else for (const [index, item] of node.items.entries()) visit(item, shape.list, `${path}[${index}]`)
    } else if (node.kind !== 'object') tell(path, 'an object')
    else if (shape === 'struct') return
    else if ('map' in shape) for (const { key, value } of node.members) visit(value, shape.map, join(path, key))
    else
      for (const [name, inside] of Object.entries(shape.fields)) {
        const member = memberOf(node, name)
        if (member !== undefined) visit(member.value, inside, join(path, member.key))
      }
  }
  visit(options, createContainer, '')
}

/** ReadAsBoolean, and .NET's bool.TryParse: the two words in any case. */
function isFlag(node: JsonNode): boolean {
  if (node.kind === 'boolean' || node.kind === 'number') return true
  if (node.kind !== 'string') return false
  const open = templateHole(node.value) ?? angleHole(node.value)
  return open !== undefined || /^\s*(?:true|false)?\s*$/i.test(node.value)
}
