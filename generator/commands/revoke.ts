import { twinInterval, type CommonOptions, type Context } from '../context.ts'
import { exitCodes, type ExitCode } from '../errors.ts'
import { chooseTokens, tokensOf, type RotatedToken } from '../rotation/plan.ts'
import { setRevoked } from '../rotation/revoke.ts'
import type { SecretStore } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'

export interface RevokeOptions extends CommonOptions {
  /** Takes a revocation back. */
  readonly undo?: boolean
  /** Seconds. */
  readonly timeout: number
}

/**
 * Disables a token everywhere, and tells who has not heard of it.
 *
 * @returns 2 where a device has not acknowledged it
 */
export async function revoke(context: Context, name: string, options: RevokeOptions): Promise<ExitCode | undefined> {
  const site = await context.site()
  const store = await context.secrets(site, 'write')
  const token = revocable(site, store, name)
  if (token === undefined) return undefined
  const acr = await context.acr(site)
  const hub = await context.hub(site)
  const patience = { signal: context.io.signal, interval: twinInterval, timeout: options.timeout * 1000 }
  const revoked = options.undo !== true
  const parts = { site, store, acr, hub, patience }
  const { acknowledged, waiting, neverDeployed } = await setRevoked(parts, token, revoked)
  const what = revoked ? 'disabled' : 'as the site file says again'
  context.stdout.write(`${token.name} is ${what} in ${site.loginServer}\n`)
  for (const id of acknowledged) context.stdout.write(`${id}: acknowledged\n`)
  for (const line of waiting) context.stdout.write(`${line}: not acknowledged\n`)
  for (const id of neverDeployed) context.stdout.write(`${id}: never deployed to, learns it with its deployment\n`)
  if (revoked)
    context.stderr.write(
      `it stays disabled, whatever the site file says, until causeway revoke ${token.name} --undo${
        token.user === undefined ? '' : `; device ${token.user.id} syncs with it, and no longer can`
      }\n`
    )
  return waiting.length === 0 ? undefined : exitCodes.differences
}

/** A token of the site, or one that the site file had: no device holds that any more, but the cloud registry may. */
function revocable(site: Site, store: SecretStore, name: string): RotatedToken | undefined {
  const left = name.toLowerCase()
  const isSites = tokensOf(site).some((token) => token.name.toLowerCase() === left)
  if (!isSites && store.tokens().includes(left)) return { name: left, kind: 'client', holders: [] }
  return chooseTokens(site, [name])[0]
}
