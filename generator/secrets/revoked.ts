import type { Site } from '../site-file/site.ts'
import type { Secrets } from './store.ts'

/**
 * A site with the tokens that were revoked: they stay disabled, in the cloud registry and on every device, whatever the site
 * file says, until somebody takes the revocation back.
 */
export function withRevocations(site: Site, secrets: Secrets): Site {
  const names = [
    site.pullToken.name,
    ...Object.keys(site.tokens),
    ...Object.values(site.devices).map(({ syncToken }) => syncToken)
  ]
  const revoked = names.filter((name) => secrets.isRevoked?.(name) === true).map((name) => name.toLowerCase())
  return revoked.length === 0 ? site : { ...site, revoked: new Set(revoked) }
}

/** What a token's status is to be. */
export function statusOf(
  site: Pick<Site, 'revoked'>,
  token: string,
  wanted: 'enabled' | 'disabled' = 'enabled'
): 'enabled' | 'disabled' {
  return site.revoked?.has(token.toLowerCase()) === true ? 'disabled' : wanted
}
