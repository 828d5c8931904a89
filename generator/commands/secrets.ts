import type { CommonOptions, Context } from '../context.ts'
import { GeneratorError } from '../errors.ts'
import { currentSlot, type Slot } from '../secrets/store.ts'

export interface SecretsShowOptions extends CommonOptions {
  readonly slot?: Slot
}

/** Writes one password to stdout and nothing else, for `docker login --password-stdin`. */
export async function secretsShow(context: Context, token: string, options: SecretsShowOptions): Promise<void> {
  const site = await context.site()
  const store = await context.secrets(site, 'read')
  const slot = options.slot ?? currentSlot(store, token, new Date())
  const record = slot === undefined ? undefined : store.slot(token, slot)
  if (record?.state !== 'stored')
    throw new GeneratorError(
      'SECRET_MISSING',
      `no password of token ${token}${options.slot === undefined ? '' : ` in ${options.slot}`} is in ${store.place}; run causeway provision`
    )
  context.io.stdout.write(`${record.value}\n`)
}
