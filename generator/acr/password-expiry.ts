import type { Site } from '../site-file/site.ts'

const day = 86_400_000

/**
 * When a password of this token that is made now is to expire, as the site file says: undefined for never. Azure cannot change it
 * later, so a rotation is what brings another one.
 */
export function passwordExpiry(
  site: Pick<Site, 'passwords' | 'pullToken' | 'tokens'>,
  token: string,
  now: Date
): Date | undefined {
  const own = token === site.pullToken.name ? site.pullToken.passwords : site.tokens[token]?.passwords
  const days = own?.expiresInDays ?? site.passwords.expiresInDays
  return days === undefined ? undefined : new Date(now.getTime() + days * day)
}
