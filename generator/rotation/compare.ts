import type { Acr, TokenState } from '../acr/acr.ts'
import { wantedOf, type Wanted } from '../acr/wanted.ts'
import { readReported } from '../hub/configure.ts'
import type { HubTwin } from '../hub/hub.ts'
import { isRecord } from '../deployment/template.ts'
import { statusOf, withRevocations } from '../secrets/revoked.ts'
import { slots, storedSlots, type Secrets } from '../secrets/store.ts'
import type { Device, Site } from '../site-file/site.ts'
import { credentialFingerprint } from './fingerprint.ts'
import { tokensOf, type RotatedToken } from './plan.ts'

/** Where a token stands otherwise than it should. Holds no secret. */
export interface TokenFinding {
  /** `expiry` and `delay` are for time to mend, or for a rotation; a `difference` is for somebody. */
  readonly kind: 'difference' | 'expiry' | 'delay'
  readonly severity: 'error' | 'warning'
  readonly token: string
  /** `registry`, or a device's id. */
  readonly where: string
  readonly message: string
}

export interface TokenComparison {
  readonly site: Site
  readonly secrets: Secrets
  readonly acr: Pick<Acr, 'token' | 'scopeMap'>
  /** The modules' twins, by device. */
  readonly twins: ReadonlyMap<string, HubTwin>
  readonly now: Date
  /** Days before a password runs out that it is told. */
  readonly warnDays: number
}

const day = 86_400_000

/**
 * Compares every token of a site in the cloud registry (status, scope map and its actions, password slots and their expiry)
 * with what is kept here, and with what the devices hold of it.
 */
export async function compareTokens(comparison: TokenComparison): Promise<readonly TokenFinding[]> {
  const site = withRevocations(comparison.site, comparison.secrets)
  const wanted = wantedOf(site)
  const findings: TokenFinding[] = []
  for (const token of tokensOf(site)) {
    const state = await comparison.acr.token(token.name)
    findings.push(...(await inRegistry(comparison, wanted, token, state)))
    for (const device of token.holders) findings.push(...onHolder(comparison, site, token, device))
    if (token.user !== undefined) findings.push(...onUser(comparison, token, token.user, state))
  }
  return findings
}

async function inRegistry(
  { acr, secrets, now, warnDays }: TokenComparison,
  { tokens, scopeMaps }: Wanted,
  { name }: RotatedToken,
  state: TokenState | undefined
): Promise<TokenFinding[]> {
  const find = (severity: TokenFinding['severity'], message: string): TokenFinding => ({
    kind: 'difference',
    severity,
    token: name,
    where: 'registry',
    message
  })
  const should = tokens.find((each) => each.name === name)
  if (state === undefined || should === undefined) return [find('error', 'is not there; run causeway provision')]
  const findings: TokenFinding[] = []
  if (state.status !== should.status) findings.push(find('error', `is ${state.status}, and should be ${should.status}`))
  if (state.scopeMap.toLowerCase() !== should.scopeMap.toLowerCase())
    findings.push(find('error', `has scope map ${state.scopeMap}, and should have ${should.scopeMap}`))
  if (state.failed === true)
    findings.push(find('error', 'is not as Azure shows it: its last change failed; run causeway provision'))
  const scopeMap = await acr.scopeMap(should.scopeMap)
  if (scopeMap?.failed === true)
    findings.push(find('error', `has scope map ${should.scopeMap}, whose last change failed; run causeway provision`))
  const actions = scopeMap?.actions ?? []
  const allowed = new Set(actions.map((action) => action.toLowerCase()))
  const wantedActions = scopeMaps.find((map) => map.name === should.scopeMap)?.actions ?? []
  const missing = wantedActions.filter((action) => !allowed.has(action.toLowerCase()))
  if (missing.length > 0) findings.push(find('error', `may not ${missing.join(', ')}`))
  if (allowed.size > wantedActions.length - missing.length)
    findings.push(
      find('warning', `may do ${allowed.size - wantedActions.length + missing.length} things more than it should`)
    )
  for (const slot of slots) {
    const kept = secrets.slot(name, slot)
    const made = state.passwords[slot]
    if (kept?.state === 'pending')
      findings.push(find('error', `${slot} was asked for, and its reply lost; run causeway provision`))
    else if (kept === undefined && made !== undefined)
      findings.push(find('warning', `${slot} was made elsewhere, and is not kept here`))
    else if (kept !== undefined && made === undefined)
      findings.push(find('error', `${slot} is kept here, and the registry no longer has it`))
    else if (
      kept !== undefined &&
      made !== undefined &&
      Math.abs(Date.parse(made) - Date.parse(kept.creationTime)) > 60_000
    )
      findings.push(find('error', `${slot} was made anew elsewhere at ${made}; the one kept here no longer works`))
    if (kept?.state === 'stored' && kept.expiry !== undefined) {
      const left = Math.floor((Date.parse(kept.expiry) - now.getTime()) / day)
      if (left < 0)
        findings.push({
          ...find('error', `${slot} ran out on ${kept.expiry}; run causeway rotate ${name}`),
          kind: 'expiry'
        })
      else if (left < warnDays)
        findings.push({
          ...find('warning', `${slot} runs out in ${left} days, on ${kept.expiry}; run causeway rotate ${name}`),
          kind: 'expiry'
        })
    }
  }
  return findings
}

/** What a device knows of a token that others log in there with. */
function onHolder(
  { secrets, twins, now }: TokenComparison,
  site: Site,
  { name }: RotatedToken,
  device: Device
): TokenFinding[] {
  const twin = twins.get(device.id)
  if (twin === undefined) return []
  const find = (message: string): TokenFinding => ({
    kind: 'difference',
    severity: 'error',
    token: name,
    where: device.id,
    message
  })
  const tokens = twin.desired['tokens']
  const held = isRecord(tokens) ? tokens[name.toLowerCase()] : undefined
  if (!isRecord(held)) return [find('does not know it; run causeway configure')]
  const findings: TokenFinding[] = []
  const should = statusOf(site, name, site.tokens[name]?.status)
  const status = held['status'] === 'disabled' ? 'disabled' : 'enabled'
  if (status !== should) findings.push(find(`has it ${status}, and should have it ${should}`))
  const passwords = isRecord(held['passwords']) ? held['passwords'] : {}
  const usable = storedSlots(secrets, name, now)
  for (const slot of slots) {
    const hash = isRecord(passwords[slot]) ? passwords[slot]['hash'] : undefined
    const kept = usable.find((each) => each.slot === slot)?.secret.hash
    const record = secrets.slot(name, slot)
    // One that has run out lets nobody in, whether the device was told to forget it or not.
    const isExpired = kept === undefined && record?.state === 'stored' && hash === record.hash
    if (hash === kept || isExpired) continue
    findings.push(
      find(
        kept === undefined
          ? `still lets ${slot} in, which is not kept here`
          : hash === undefined
            ? `does not know ${slot}; run causeway configure`
            : `knows another ${slot} than is kept here; run causeway configure`
      )
    )
  }
  const reported = readReported(twin)
  if (findings.length === 0 && (reported?.lastDesiredVersion ?? 0) < twin.desiredVersion)
    findings.push({
      ...find(`has not applied version ${twin.desiredVersion} of its settings`),
      severity: 'warning',
      kind: 'delay'
    })
  return findings
}

/** Whether the device's own login is with a password that the registry still has. */
function onUser(
  { secrets, twins }: TokenComparison,
  { name }: RotatedToken,
  device: Device,
  state: TokenState | undefined
): TokenFinding[] {
  const twin = twins.get(device.id)
  const used = twin === undefined ? undefined : readReported(twin)?.credential
  if (used === undefined) return []
  const known = slots.find((slot) => {
    const kept = secrets.slot(name, slot)
    return kept?.state === 'stored' && credentialFingerprint(name, kept.value) === used.fingerprint
  })
  const find = (message: string): TokenFinding[] => [
    { kind: 'difference', severity: 'error', token: name, where: device.id, message }
  ]
  if (used.tokenName !== undefined && used.tokenName.toLowerCase() !== name.toLowerCase())
    return find(`logs in with token ${used.tokenName} in its place`)
  if (known === undefined) return find('last logged in with a password that is not kept here')
  return state?.passwords[known] === undefined
    ? find(`last logged in with ${known}, which the registry no longer has`)
    : []
}
