import type { Site } from '../site-file/site.ts'
import type { Secrets } from './store.ts'

/**
 * A site with the tokens that were revoked: they stay disabled, in the cloud registry and on every device, whatever the site
 * file says, until somebody takes the revocation back.
 */
export function withRevocations(site: Site, secrets: Secrets): Site {
  const ofSite = known.get(site) ?? new WeakMap<Secrets, Site>()
  known.set(site, ofSite)
  const found = ofSite.get(secrets) ?? {
    ...site,
    revoked: { has: (token: string) => secrets.isRevoked?.(token) === true }
  }
  ofSite.set(secrets, found)
  return found
}

/** The same site for the same secrets, so that what is kept of a site is found again; the secrets are asked each time. */
const known = new WeakMap<Site, WeakMap<Secrets, Site>>()

/** What a token's status is to be. */
export function statusOf(
  site: Pick<Site, 'revoked'>,
  token: string,
  wanted: 'enabled' | 'disabled' = 'enabled'
): 'enabled' | 'disabled' {
  return site.revoked?.has(token) === true ? 'disabled' : wanted
}
