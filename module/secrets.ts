import type { Settings } from './settings/document.ts'
import type { Environment } from './settings/environment.ts'

/** What this module holds and must give to nobody. */
export function secretsOf(
  { connection }: Environment,
  settings?: Pick<Settings, 'parent' | 'notificationsWebhook'>
): string[] {
  const webhook = URL.parse(settings?.notificationsWebhook ?? '')
  return [connection?.syncTokenPassword, settings?.parent?.password, webhook?.search, webhook?.password].filter(
    (secret) => secret !== undefined
  )
}
