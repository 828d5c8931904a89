import { z } from 'zod'
import { deploymentSchemas, type DeploymentSchemas } from './schema.ts'

type Schema = z.core.JSONSchema.JSONSchema
type Properties = Readonly<Record<string, Schema>>

/** The JSON Schema of deployment manifests and layers, in the draft that editors know best. */
export function deploymentEditorSchema(): Schema {
  return withLayers('An IoT Edge deployment manifest or layer', deploymentSchemas(z.looseObject({})))
}

/** That of their templates: placeholders anywhere, and comments. */
export function templateEditorSchema(): Schema {
  const schemas = deploymentSchemas(z.union([z.looseObject({}), z.literal('${settings}')]))
  const schema = forTemplates(withLayers('A template of IoT Edge deployment manifests', schemas))
  const layout: Schema = { type: 'string', description: 'The convention that it follows; left out of the manifest' }
  return { ...schema, properties: { ...schema.properties, '$schema-template': layout } }
}

/** What zod has no word for: that one of the contents has to be there, and what dotted keys hold. */
function withLayers(title: string, { envelope, module, credential, route }: DeploymentSchemas): Schema {
  const document = jsonSchema(envelope)
  const dotted: Readonly<Record<string, Properties>> = {
    $edgeAgent: {
      '^properties\\.desired\\.(?:modules|runtime\\.settings\\.registryCredentials)(?:\\.|$)': {},
      '^properties\\.desired\\.modules\\.[^.]+$': jsonSchema(module),
      '^properties\\.desired\\.runtime\\.settings\\.registryCredentials\\.[^.]+$': jsonSchema(credential)
    },
    $edgeHub: {
      '^properties\\.desired\\.': {},
      '^properties\\.desired\\.routes\\.[^.]+$': jsonSchema(route)
    }
  }
  const content = ({ properties, additionalProperties, ...rest }: Schema): Schema => ({
    ...rest,
    properties: Object.fromEntries(
      Object.entries((properties ?? {}) as Properties).map(([name, section]) => [
        name,
        { ...section, patternProperties: { ...dotted[name] }, additionalProperties: false }
      ])
    ),
    additionalProperties: additionalProperties as Schema
  })
  const oneOf = (keys: readonly string[], { properties = {}, ...rest }: Schema): Schema => ({
    ...rest,
    properties: Object.fromEntries(
      Object.entries(properties as Properties).map(([key, value]) => [
        key,
        key === 'content' ? oneOf(contents, value) : contents.includes(key) ? content(value) : value
      ])
    ),
    anyOf: keys.map((key) => ({ required: [key] }))
  })
  return { $schema: 'http://json-schema.org/draft-07/schema#', title, ...oneOf([...contents, 'content'], document) }
}

/** What az calls it, and what it called it once. */
const contents: readonly string[] = ['modulesContent', 'moduleContent']

function jsonSchema(schema: z.ZodType): Schema {
  const { $schema: _, ...document } = z.toJSONSchema(schema, { io: 'input', target: 'draft-07', reused: 'inline' })
  return document
}

/** What a value may be before its placeholders are filled in. */
const placeholder: Schema = { type: 'string', pattern: '\\$(?:\\{|[A-Za-z_])' }
/** As leftovers.ts leaves them out. */
const comments: Properties = { '^(?:_+[Cc]omment|//|\\$[Cc]omment)': {} }

function forTemplates(schema: Schema): Schema {
  const { type, properties, patternProperties, additionalProperties, propertyNames: _, anyOf, ...rest } = schema
  const each = (all: Properties): Record<string, Schema> =>
    Object.fromEntries(Object.entries(all).map(([key, value]) => [key, forTemplates(value)]))
  const changed: Schema = {
    ...rest,
    ...(type === undefined ? {} : { type }),
    ...(anyOf === undefined ? {} : { anyOf: (anyOf as readonly Schema[]).map(forTemplates) }),
    ...(properties === undefined ? {} : { properties: each(properties as Properties) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: nested(additionalProperties) }),
    ...(type === 'object'
      ? { patternProperties: { ...each((patternProperties ?? {}) as Properties), ...comments } }
      : {}),
    ...(schema.items === undefined ? {} : { items: nested(schema.items as Schema | boolean) })
  }
  const isOpen = type === 'string' && schema.pattern === undefined && schema.enum === undefined && !('const' in schema)
  if (type === undefined || type === 'object' || type === 'array' || isOpen) return changed
  const { description, ...alone } = changed
  return { ...(description === undefined ? {} : { description }), anyOf: [alone, placeholder] }
}

function nested(schema: Schema | boolean): Schema | boolean {
  return typeof schema === 'boolean' ? schema : forTemplates(schema)
}
