import { z } from 'zod'
import { GeneratorError } from '../errors.ts'
import { tokenRecords } from './store.ts'

const documentSchema = z.strictObject({
  version: z.literal(1),
  registries: z.record(z.string(), z.strictObject({ tokens: tokenRecords }))
})

/** What a secrets file holds, whether it is encrypted or not: tokens per registry. */
export type SecretsDocument = z.output<typeof documentSchema>

/**
 * @param place what errors call it
 * @throws {GeneratorError} `SECRETS_INVALID`, never with a value of the text in it
 */
export function parseDocument(text: string, place: string): SecretsDocument {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The cause would quote the text around the mistake, which is a secret.
    throw unusable(place, 'it is not JSON')
  }
  const parsed = documentSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw unusable(place, `it is not a secrets file of this version, at ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
}

export function unusable(place: string, reason: string): GeneratorError {
  return new GeneratorError(
    'SECRETS_INVALID',
    `${place} cannot be used: ${reason}. Restore it from where you keep it; without it, passwords have to be made anew`
  )
}
