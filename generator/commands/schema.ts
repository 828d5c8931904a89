import { z } from 'zod'
import { settingsSchema } from '../../module/settings/document.ts'
import type { Context } from '../context.ts'
import { siteEditorSchema } from '../site-file/editor-schema.ts'

/** Prints a JSON Schema, for editors: of the site file, or of the module's settings. */
export function schema(context: Context, name: 'site' | 'settings'): void {
  // `input`: what a person writes, with the defaults left out.
  const document =
    name === 'site' ? siteEditorSchema() : z.toJSONSchema(settingsSchema, { io: 'input', unrepresentable: 'any' })
  context.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`)
}
