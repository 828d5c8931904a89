import type { Log } from './log/log.ts'
import type { Settings } from './settings/document.ts'
import type { LastGoodFile } from './settings/last-good.ts'
import { hasSettings, readSettings, type SettingsProblem, type SettingsReading } from './settings/validate.ts'
import type { Status } from './status/status.ts'

/** Problems that are told of one document; a twin holds 32 KB in all, and one repeated mistake can make hundreds. */
const mostProblems = 20

export interface SettingsKeeperOptions {
  readonly status: Pick<Status, 'setDesired' | 'setFault' | 'clearFault'>
  readonly lastGood: Pick<LastGoodFile, 'load' | 'save'>
  readonly log: Log
  /** What mends missing settings, as a sentence for whoever reads the twin. */
  readonly howToMend: string
  /** Puts settings in force; undefined where there are none, and the parent is all that is known. */
  readonly apply: (settings: Settings | undefined) => void
}

/** Decides which settings are in force: the newest that are right, wherever they came from. */
export class SettingsKeeper {
  readonly #options: SettingsKeeperOptions
  #applied: { readonly document: string; readonly version: number } | undefined
  /** How the last document was judged, without its version. */
  #verdict: Verdict | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(options: SettingsKeeperOptions) {
    this.#options = options
  }

  /** Puts in force what was accepted before this start, so that a device needs no hub to serve and sync. */
  async restore(): Promise<void> {
    const { lastGood, log, status, apply } = this.#options
    const kept = await lastGood.load()
    const reading = kept === undefined ? undefined : readSettings(kept.document)
    if (kept !== undefined && reading?.ok === true) {
      this.#applied = { document: canonical(kept.document), version: kept.version }
      log.info('settings of an earlier start are in force', { version: kept.version })
      status.setDesired({ appliedVersion: kept.version })
      apply(reading.settings)
    } else {
      if (kept !== undefined) log.warn('the settings of an earlier start cannot be used by this release')
      status.setFault('SettingsMissing', this.#options.howToMend)
      apply(undefined)
    }
  }

  /** Takes a whole document, after those before it: applied as one where it is right, else the settings in force stay. */
  take(document: Document, version: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.#take(document, version))
    return this.#turn
  }

  async #take(document: Document, version: number): Promise<void> {
    const reading = hasSettings(document) ? readSettings(document) : undefined
    if (reading === undefined) this.#missing(version)
    else if (reading.ok) await this.#accept(document, version, reading)
    else this.#refuse(version, reading.errors)
  }

  async #accept(document: Document, version: number, reading: Accepted): Promise<void> {
    const { log, status, apply, lastGood } = this.#options
    for (const { path, reason } of reading.warnings) log.warn('settings: passed over', { path, reason })
    const text = canonical(document)
    if (text !== this.#applied?.document) {
      apply(reading.settings)
      log.info('settings applied', { version })
    }
    this.#applied = { document: text, version }
    status.clearFault('SettingsMissing')
    status.clearFault('SettingsInvalid')
    await lastGood
      .save({ version, document })
      .catch((error: unknown) =>
        log.error('the settings are in force and cannot be kept for the next start', { reason: String(error) })
      )
    this.#judge(version, { code: 200, description: 'applied', warnings: reading.warnings })
  }

  /** The desired properties have a new version, and the same content. */
  acknowledge(version: number): void {
    if (this.#verdict === undefined) return
    if (this.#verdict.code === 200 && this.#applied !== undefined) this.#applied = { ...this.#applied, version }
    this.#judge(version, this.#verdict)
  }

  /** A settings file that cannot be read. */
  unreadable(reason: string): void {
    this.#options.log.error('settings refused', { reason })
    this.#options.status.setFault('SettingsInvalid', `${reason}; the settings in force stay`)
  }

  #missing(version: number): void {
    const { howToMend, status, log } = this.#options
    log.warn('there are no settings', { version, whatToDo: howToMend })
    status.setFault('SettingsMissing', howToMend)
    this.#judge(version, { code: 417, description: howToMend })
  }

  #refuse(version: number, errors: readonly SettingsProblem[]): void {
    const { log, status } = this.#options
    for (const { path, reason } of errors) log.error('settings refused', { version, path, reason })
    const first = errors[0]
    const description = `refused: ${first?.path ?? ''}: ${first?.reason ?? ''}${errors.length > 1 ? `, and ${errors.length - 1} more` : ''}; the settings in force stay`
    status.setFault('SettingsInvalid', description)
    this.#judge(version, { code: 400, description, errors })
  }

  #judge(version: number, verdict: Verdict): void {
    this.#verdict = verdict
    const { code, description, errors = [], warnings = [] } = verdict
    this.#options.status.setDesired({
      lastDesiredVersion: version,
      lastDesiredStatus: {
        code,
        description,
        errors: errors.slice(0, mostProblems),
        warnings: warnings.slice(0, mostProblems)
      },
      ...(this.#applied === undefined ? {} : { appliedVersion: this.#applied.version })
    })
  }
}

type Document = Readonly<Record<string, unknown>>
type Accepted = Extract<SettingsReading, { ok: true }>

interface Verdict {
  readonly code: number
  readonly description: string
  readonly errors?: readonly SettingsProblem[]
  readonly warnings?: readonly SettingsProblem[]
}

/** The document with its keys in order: twins come back in any, and only a real change is worth a new sync. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([left], [right]) => (left < right ? -1 : 1)))
      : each
  )
}
