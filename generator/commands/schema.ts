import { z } from 'zod'
import { settingsSchema } from '../../module/settings/document.ts'
import type { Context } from '../context.ts'
import { deploymentEditorSchema, templateEditorSchema } from '../deployment/editor-schema.ts'
import { siteEditorSchema } from '../site-file/editor-schema.ts'

/** What a person writes, with the defaults left out: `input`. */
const schemas = {
  site: siteEditorSchema,
  settings: () => z.toJSONSchema(settingsSchema, { io: 'input', unrepresentable: 'any' }),
  deployment: deploymentEditorSchema,
  template: templateEditorSchema
} as const

/** Prints a JSON Schema, for editors: of the site file, the module's settings, deployment manifests or their templates. */
export function schema(context: Context, name: keyof typeof schemas): void {
  context.stdout.write(`${JSON.stringify(schemas[name](), undefined, 2)}\n`)
}
