import { z } from 'zod'
import { settingsSchema } from '../../module/settings/document.ts'
import type { Context } from '../context.ts'
import { siteSchema } from '../site-file/schema.ts'

/** Prints a JSON Schema, for editors: of the site file, or of the module's settings. */
export function schema(context: Context, name: 'site' | 'settings'): void {
  // `input`: what a person writes, with the defaults left out.
  const document = z.toJSONSchema(name === 'site' ? siteSchema : settingsSchema, {
    io: 'input',
    unrepresentable: 'any'
  })
  context.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`)
}
