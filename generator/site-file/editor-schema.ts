import { z } from 'zod'
import { siteSchema } from './schema.ts'

type Schema = z.core.JSONSchema.JSONSchema

/**
 * The site file's JSON Schema as somebody writes it, with the defaults left out. Entries of `devices` and `relays` may be patterns with
 * marks in their values, and one for a single device of a pattern need not say again what the pattern says (`expand.ts`).
 */
export function siteEditorSchema(): Schema {
  const document = z.toJSONSchema(siteSchema, { io: 'input', unrepresentable: 'any' }) as Schema
  const devices = document.properties?.['devices'] as Schema
  const relays = document.properties?.['relays'] as Schema
  const device = partial(devices.additionalProperties as Schema)
  const relay = partial(relays.additionalProperties as Schema)
  return {
    ...document,
    properties: {
      ...document.properties,
      relays: { ...relays, ...patterns(relays, relay), additionalProperties: relay },
      devices: {
        ...devices,
        ...patterns(devices, device),
        additionalProperties: {
          ...device,
          properties: {
            ...device.properties,
            connectedRegistry: partial(device.properties?.['connectedRegistry'] as Schema)
          }
        }
      }
    }
  }
}

function patterns(section: Schema, entry: Schema): Pick<Schema, 'propertyNames' | 'patternProperties'> {
  return {
    propertyNames: { anyOf: [section.propertyNames as Schema, { pattern: '\\{.+\\}' }] },
    patternProperties: { '\\{': withMarks(entry) }
  }
}

function partial({ required: _, ...schema }: Schema): Schema {
  return schema
}

/** Every text may have `{1}` in it, whatever it has to be once that is filled in. */
function withMarks(schema: Schema): Schema {
  if (schema.type === 'string') return { anyOf: [schema, { type: 'string', pattern: '\\{[1-9]\\}' }] }
  if (schema.properties === undefined) return schema
  const properties = Object.entries(schema.properties).map(([key, each]) => [key, withMarks(each as Schema)])
  return partial({ ...schema, properties: Object.fromEntries(properties) as Record<string, Schema> })
}
