import type { Acr } from '../acr/acr.ts'
import { passwordExpiry } from '../acr/password-expiry.ts'
import { provisionPassword, type TokenSlot } from '../acr/passwords.ts'
import { provisionResources, type Outcome } from '../acr/provision.ts'
import { anonymousPullNotes } from '../acr/anonymous-pull.ts'
import { resourceNotes } from '../acr/resource-notes.ts'
import { wantedOf } from '../acr/wanted.ts'
import type { CommonOptions, Context } from '../context.ts'
import { GeneratorError, throwAll } from '../errors.ts'
import { outcomeWriter, type OutcomeStyle } from '../output/outcomes.ts'
import { planRegistry } from '../plan/registry.ts'
import { assertCurrent, readPlan } from '../plan/saved.ts'
import { withRevocations } from '../secrets/revoked.ts'
import { slots, type SecretStore } from '../secrets/store.ts'
import type { Site } from '../site-file/site.ts'

export interface ProvisionOptions extends CommonOptions {
  readonly regenerate?: readonly string[]
  /** A saved plan. */
  readonly plan?: string
  readonly allowRemove?: boolean
  readonly output: OutcomeStyle
}

/** Makes what a site needs in the cloud registry, and keeps the passwords that Azure shows once. */
export async function provision(context: Context, options: ProvisionOptions): Promise<void> {
  const site = await context.site()
  const regenerate = (options.regenerate ?? []).map(parseTokenSlot)
  const names = new Map(wantedOf(site).tokens.map(({ name }) => [name.toLowerCase(), name]))
  for (const { token } of regenerate)
    if (!names.has(token.toLowerCase()))
      throw new GeneratorError('USAGE', `the site file has no token ${token}; it has ${[...names.values()].join(', ')}`)
  for (const note of [...resourceNotes(site), ...anonymousPullNotes(site)]) context.stderr.write(`${note}\n`)
  const store = await context.secrets(site, 'write')
  const wanted = wantedOf(withRevocations(site, store))
  const acr = await context.acr(site)
  if (options.plan !== undefined) await assertPlanned(options.plan, context, site, acr, store)
  const progress = await context.progress()
  const tell = outcomeWriter(options.output, context.stdout, progress)
  const task = progress.begin('provisioning', wanted.scopeMaps.length + 2 * wanted.tokens.length)
  let done = 0
  try {
    const gone: string[] = []
    const note = (outcome: Outcome): void => {
      tell(outcome)
      if (outcome.kind === 'token' && outcome.outcome === 'deleted') gone.push(outcome.name)
      else if (outcome.kind === 'scope map' || outcome.kind === 'token') task.advance(++done, outcome.name)
    }
    await provisionResources(acr, wanted, note, { remove: options.allowRemove === true })
    for (const token of gone) {
      const rotated = store.rotation(token)
      if (rotated !== undefined) await store.endRotation(token, rotated.to)
      for (const slot of slots) if (store.slot(token, slot) !== undefined) await store.takeBack(token, slot, undefined)
    }
    for (const { name } of wanted.tokens) {
      const anew = regenerate.filter(({ token }) => token.toLowerCase() === name.toLowerCase()).map(({ slot }) => slot)
      const outcomes = await provisionPassword(acr, store, name, anew, passwordExpiry(site, name, new Date()))
      for (const value of store.values()) context.redaction.add(value)
      outcomes.forEach(tell)
      task.advance(++done, `password of ${name}`)
    }
    task.end('done')
  } catch (error) {
    task.end('failed')
    throw error
  }
}

/** @throws {GeneratorError} `PLAN_STALE` where it would do something else than the plan said */
async function assertPlanned(file: string, context: Context, site: Site, acr: Acr, store: SecretStore): Promise<void> {
  const saved = await readPlan(file, context.io.workingFolder)
  const wanted = wantedOf(withRevocations(site, store))
  const { part, changes, state, refusals } = await planRegistry(acr, wanted, store, store.place)
  throwAll(refusals)
  assertCurrent(saved, { ...saved, registry: site.loginServer, hub: site.hubHost, changes, parts: { [part]: state } })
}

function parseTokenSlot(text: string): TokenSlot {
  const [token, name, ...rest] = text.split('/')
  const slot = slots.find((known) => known === name)
  if (token === undefined || token === '' || slot === undefined || rest.length > 0)
    throw new GeneratorError('USAGE', '--regenerate takes token/password1 or token/password2')
  return { token, slot }
}
