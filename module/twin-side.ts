import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from './log/log.ts'
import type { ReportBudget } from './report-budget.ts'
import type { SettingsKeeper } from './settings-keeper.ts'
import type { Settings } from './settings/document.ts'
import type { Status } from './status/status.ts'
import type { MethodHandler } from './twin/method.ts'
import { defaultUpdatesPerDay, ReportPacer } from './twin/report-pacer.ts'
import { connectTwin, type TwinLink } from './twin/twin-link.ts'

// What the direct methods need, loaded with the twin and not before.
export { examineModule } from './examination.ts'
export { readKnownSettings, settingsInForce } from './known-settings.ts'
export { createDiagnosisMethods, createMethods } from './methods.ts'
export { probeProxy } from './proxy-probe.ts'

export interface TwinSideOptions {
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly signal: AbortSignal
  readonly keeper: Pick<SettingsKeeper, 'take' | 'acknowledge'>
  readonly status: Pick<Status, 'on' | 'snapshot'>
  /** How often to report; undefined while there are no settings. */
  readonly reporting: () => Settings['status'] | undefined
  /** Of reports; kept over restarts. */
  readonly budget: Pick<ReportBudget, 'load' | 'save'>
  readonly methods: ReadonlyMap<string, MethodHandler>
  readonly onTrustBundle: (bundle: string) => void
  /** Each time there is a connection with edgeHub. */
  readonly onConnected: (link: TwinLink) => void
}

const defaultReporting: Settings['status'] = { progressSeconds: 900, updatesPerDay: defaultUpdatesPerDay }
/** Milliseconds that a start waits for the trust bundle: aziot-edged is on this device, and mostly answers at once. */
const trustPatience = 5_000

/** Joins the twin with the settings and the status: desired in, reported out, and the device's trust on the way. */
export async function followTwin(options: TwinSideOptions): Promise<TwinLink> {
  const { log, signal, keeper, status } = options
  const reporting = (): Settings['status'] => options.reporting() ?? defaultReporting
  // Before the link: its listeners have to be attached in the turn that makes it.
  const left = await options.budget.load()
  const link = connectTwin({ variables: options.variables, log, signal })
  const pacer = new ReportPacer({
    left,
    onSpent: options.budget.save,
    ...reporting(),
    send: () => {
      try {
        link.report(status.snapshot())
      } catch (error) {
        log.error('the status cannot be reported', { reason: String(error) })
      }
    }
  })
  signal.addEventListener('abort', () => pacer.close(), { once: true })
  status.on('change', (kind) => {
    pacer.configure(reporting())
    if (kind === 'state') pacer.stateChanged()
    else if (kind === 'image') pacer.imageChanged()
    else pacer.progressed()
  })
  link.on('desired', (document, version) => void keeper.take(document, version))
  link.on('version', (version) => void keeper.acknowledge(version))
  link.on('connected', () => {
    options.onConnected(link)
    void refreshTrust()
  })
  for (const [name, handler] of options.methods) link.onMethod(name, handler)
  pacer.stateChanged()

  async function refreshTrust(): Promise<void> {
    try {
      options.onTrustBundle(await link.trustBundle())
    } catch (error) {
      if (!signal.aborted) log.warn('the trust bundle of this device cannot be read', { reason: String(error) })
    }
  }
  await Promise.race([refreshTrust(), delay(trustPatience, undefined, { signal, ref: false }).catch(() => undefined)])
  return link
}
