import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from './log/log.ts'
import type { SettingsKeeper } from './settings-keeper.ts'
import type { Status } from './status/status.ts'
import { ReportPacer } from './twin/report-pacer.ts'
import { connectTwin, type TwinLink } from './twin/twin-link.ts'

export interface TwinSideOptions {
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly signal: AbortSignal
  readonly keeper: Pick<SettingsKeeper, 'take' | 'acknowledge'>
  readonly status: Pick<Status, 'on' | 'snapshot'>
  readonly progressSeconds: () => number | undefined
  readonly syncNow: () => void
  readonly onTrustBundle: (bundle: string) => void
}

const defaultProgressSeconds = 900
/** Milliseconds that a start waits for the trust bundle: aziot-edged is on this device, and mostly answers at once. */
const trustPatience = 5_000

/** Joins the twin with the settings and the status: desired in, reported out, and the device's trust on the way. */
export async function followTwin(options: TwinSideOptions): Promise<TwinLink> {
  const { log, signal, keeper, status } = options
  const link = connectTwin({ variables: options.variables, log, signal })
  const pacer = new ReportPacer({
    progressSeconds: options.progressSeconds() ?? defaultProgressSeconds,
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
    pacer.setProgressSeconds(options.progressSeconds() ?? defaultProgressSeconds)
    if (kind === 'state') pacer.stateChanged()
    else pacer.progressed()
  })
  link.on('desired', (document, version) => void keeper.take(document, version))
  link.on('version', (version) => keeper.acknowledge(version))
  link.on('connected', () => void refreshTrust())
  link.onMethod('syncNow', () => {
    options.syncNow()
    return { status: 202, payload: { message: 'a sync has been asked for' } }
  })
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
