import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from './log/log.ts'
import type { Digest } from './oci/digest.ts'
import {
  readKept,
  readWithArtifact,
  referenceOf,
  SettingsArtifactError,
  type ArtifactReference
} from './settings/artifact.ts'
import type { Settings } from './settings/document.ts'
import type { LastGood, LastGoodFile } from './settings/last-good.ts'
import { hasSettings, readSettings, type SettingsProblem, type SettingsReading } from './settings/validate.ts'
import { SettingsSaver } from './settings-saver.ts'
import type { Status } from './status/status.ts'

/** Milliseconds between two tries to fetch a settings artifact: the first, and the longest. */
const firstRetry = 5_000
const longestRetry = 900_000

/** Settings that do not fit into the twin. */
export interface ArtifactSource {
  /** What came before, undefined where there is none. */
  kept(digest: Digest): Promise<Uint8Array | undefined>
  /** @throws {SettingsArtifactError} where it is none; a parent's error where it does not come */
  fetch(document: Document, reference: ArtifactReference, signal: AbortSignal): Promise<Uint8Array>
  /** Takes away those that no settings in force name. */
  forgetOthers(digest: Digest | undefined): Promise<void>
}

/** Problems that are told of one document; a twin holds 32 KB in all, and one repeated mistake can make hundreds. */
const mostProblems = 20

export interface SettingsKeeperOptions {
  readonly status: Pick<Status, 'setDesired' | 'setFault' | 'clearFault'>
  readonly lastGood: Pick<LastGoodFile, 'load' | 'save'>
  readonly artifacts: ArtifactSource
  readonly log: Log
  /** What mends missing settings, as a sentence for whoever reads the twin. */
  readonly howToMend: string
  /** Puts settings in force; undefined where there are none, and the parent is all that is known. */
  readonly apply: (settings: Settings | undefined) => void
  /** Milliseconds before settings that could not be kept are tried again. */
  readonly retryMs?: number
}

/** Decides which settings are in force: the newest that are right, wherever they came from. */
export class SettingsKeeper {
  readonly #options: SettingsKeeperOptions
  #applied: { readonly document: string; readonly version: number } | undefined
  /** How the last document was judged, and its version. */
  #judged: { readonly version: number; readonly verdict: Verdict } | undefined
  readonly #saver: SettingsSaver
  /** Whether anything was given that could be judged, be it only a file that cannot be read. */
  #isJudged = false
  /** Why the settings in force would be lost by a restart. */
  #unkept: string | undefined
  #turn: Promise<void> = Promise.resolve()
  /** A document whose artifact is on its way. */
  #awaited: { version: number; readonly stop: AbortController } | undefined

  constructor(options: SettingsKeeperOptions) {
    this.#options = options
    this.#saver = new SettingsSaver({ ...options, onKept: (settings) => this.#kept(settings) })
  }

  /** Puts in force what was accepted before this start, so that a device needs no hub to serve and sync. */
  async restore(): Promise<void> {
    const { artifacts, lastGood, log, status, apply } = this.#options
    // A bad sector under it must not keep the device from serving: the settings come again, and are written anew.
    const kept = await lastGood.load().catch((error: unknown) => {
      log.error('the settings of an earlier start are lost; those that come are written anew', {
        reason: String(error)
      })
      return undefined
    })
    const reading = kept && (await readKept(kept.document, (digest) => artifacts.kept(digest)))
    if (kept !== undefined && reading?.ok === true) {
      this.#applied = { document: canonical(kept.document), version: kept.version }
      log.info('settings of an earlier start are in force', { version: kept.version })
      status.setDesired({ appliedVersion: kept.version })
      apply(reading.settings)
    } else {
      if (kept !== undefined) log.warn('the settings of an earlier start cannot be used by this release')
      apply(undefined)
    }
  }

  /** Reports that no settings are in force, where that is so. Settings from a file are looked for first. */
  reportMissing(): void {
    // What was given and is of no use has been told already.
    if (this.#applied === undefined && !this.#isJudged) this.#tellFaults({ missing: this.#options.howToMend })
  }

  /** Takes a whole document, after those before it: applied as one where it is right, else the settings in force stay. */
  take(document: Document, version: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.#take(document, version))
    return this.#turn
  }

  /** Gives up what is waited for. */
  close(): void {
    this.#awaited?.stop.abort(new Error('the module stops'))
    this.#saver.close()
  }

  async #take(document: Document, version: number): Promise<void> {
    this.#awaited?.stop.abort(new Error('there are newer settings'))
    this.#awaited = undefined
    if (!hasSettings(document)) {
      this.#missing(version)
      return
    }
    const reference = referenceOf(document)
    if (reference === undefined) await this.#decide(document, version, readSettings(document))
    else if (!('digest' in reference)) this.#refuse(version, reference)
    else {
      const content = await this.#options.artifacts.kept(reference.digest)
      if (content === undefined) this.#await(document, version, reference)
      else await this.#decide(document, version, readWithArtifact(document, content))
    }
  }

  async #decide(document: Document, version: number, reading: SettingsReading): Promise<void> {
    if (reading.ok) await this.#accept(document, version, reading)
    else this.#refuse(version, reading.errors)
  }

  /** The settings in force stay until all of the new ones is here; the link may be down for days. */
  #await(document: Document, version: number, reference: ArtifactReference): void {
    const awaited = { version, stop: new AbortController() }
    this.#awaited = awaited
    this.#tellFaults({ missing: this.#orNone('those given wait for their settings artifact') })
    this.#judge(version, {
      code: 202,
      description: `waits for settings artifact ${reference.digest}; ${this.#whatStays()}`
    })
    void this.#fetch(document, awaited, reference)
  }

  async #fetch(
    document: Document,
    awaited: { readonly version: number; readonly stop: AbortController },
    reference: ArtifactReference
  ): Promise<void> {
    const { signal } = awaited.stop
    for (let wait = firstRetry; ; wait = Math.min(2 * wait, longestRetry)) {
      try {
        const content = await this.#options.artifacts.fetch(document, reference, signal)
        this.#turn = this.#turn.then(async () => {
          if (signal.aborted) return
          this.#awaited = undefined
          await this.#decide(document, awaited.version, readWithArtifact(document, content))
        })
        return
      } catch (error) {
        if (signal.aborted) return
        this.#notHere(awaited.version, reference, error)
      }
      try {
        await delay(wait * (0.9 + 0.2 * Math.random()), undefined, { signal, ref: false })
      } catch {
        return
      }
    }
  }

  #notHere(version: number, { repository, digest }: ArtifactReference, error: unknown): void {
    const said = error instanceof Error ? error.message : String(error)
    const reason = `${repository}@${digest}: ${said}`.slice(0, 500)
    if (error instanceof SettingsArtifactError) {
      this.#refuse(version, [{ path: 'settingsArtifact', reason }])
      return
    }
    this.#options.log.warn('the settings artifact does not come, and is asked for again', { version, reason })
    this.#judge(version, {
      code: 202,
      description: `waits for its settings artifact; ${this.#whatStays()}: ${reason}`.slice(0, 600)
    })
  }

  async #accept(document: Document, version: number, reading: Accepted): Promise<void> {
    const { log, apply } = this.#options
    for (const { path, reason } of reading.warnings) log.warn('settings: passed over', { path, reason })
    const text = canonical(document)
    if (text !== this.#applied?.document) {
      apply(reading.settings)
      log.info('settings applied', { version })
    }
    this.#applied = { document: text, version }
    this.#tellFaults({})
    this.#unkept = await this.#saver.save({ version, document })
    if (this.#unkept === undefined) await this.#forgetArtifacts(document)
    this.#judge(version, { code: 200, description: 'applied', warnings: reading.warnings })
  }

  /** The disk has taken them after all. */
  #kept({ document }: LastGood): void {
    this.#turn = this.#turn.then(async () => {
      if (canonical(document) !== this.#applied?.document) return
      this.#unkept = undefined
      await this.#forgetArtifacts(document)
      if (this.#judged !== undefined) this.#judge(this.#judged.version, this.#judged.verdict)
    })
  }

  async #forgetArtifacts(document: Document): Promise<void> {
    const reference = referenceOf(document)
    const stays = reference !== undefined && 'digest' in reference ? reference.digest : undefined
    await this.#options.artifacts
      .forgetOthers(stays)
      .catch((error: unknown) => this.#options.log.debug('old settings artifacts stay', { reason: String(error) }))
  }

  /** The desired properties have a new version, and the same content as the document that was taken last. */
  acknowledge(version: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.#acknowledge(version))
    return this.#turn
  }

  #acknowledge(version: number): void {
    if (this.#judged === undefined) return
    const { verdict } = this.#judged
    if (this.#awaited !== undefined) this.#awaited.version = version
    if (verdict.code === 200 && this.#applied !== undefined) this.#applied = { ...this.#applied, version }
    this.#judge(version, verdict)
  }

  /** A settings file that cannot be read. */
  unreadable(reason: string): void {
    this.#options.log.error('settings refused', { reason })
    this.#tellFaults({
      missing: this.#orNone('those given cannot be read'),
      invalid: `${reason}; ${this.#whatStays()}`
    })
  }

  #missing(version: number): void {
    const { howToMend, log } = this.#options
    log.warn('there are no settings', { version, whatToDo: howToMend })
    this.#tellFaults({ missing: howToMend })
    this.#judge(version, { code: 417, description: howToMend })
  }

  #refuse(version: number, errors: readonly SettingsProblem[]): void {
    const { log } = this.#options
    for (const { path, reason } of errors) log.error('settings refused', { version, path, reason })
    const first = errors[0]
    const description = `refused: ${first?.path ?? ''}: ${first?.reason ?? ''}${errors.length > 1 ? `, and ${errors.length - 1} more` : ''}; ${this.#whatStays()}`
    this.#tellFaults({ missing: this.#orNone('those given are refused'), invalid: description })
    this.#judge(version, { code: 400, description, errors })
  }

  /** What is wrong with the settings now, and nothing of what was wrong with others before. */
  #tellFaults({ missing, invalid }: { readonly missing?: string | undefined; readonly invalid?: string }): void {
    const { status } = this.#options
    this.#isJudged = true
    if (missing === undefined) status.clearFault('SettingsMissing')
    else status.setFault('SettingsMissing', missing)
    if (invalid === undefined) status.clearFault('SettingsInvalid')
    else status.setFault('SettingsInvalid', invalid)
  }

  #whatStays(): string {
    return this.#applied === undefined ? 'no settings are in force' : 'the settings in force stay'
  }

  /** @returns undefined where there are settings in force */
  #orNone(why: string): string | undefined {
    return this.#applied === undefined ? `no settings are in force: ${why}` : undefined
  }

  #judge(version: number, verdict: Verdict): void {
    this.#judged = { version, verdict }
    const { code, description, errors = [] } = verdict
    const warnings = [...this.#unkeptWarning(), ...(verdict.warnings ?? [])]
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

  /** They are in force and were acknowledged, whatever came after them. */
  #unkeptWarning(): SettingsProblem[] {
    if (this.#unkept === undefined) return []
    const reason = `the settings in force would be lost by a restart, and are written again until the disk takes them: ${this.#unkept}`
    return [{ path: 'settings.json', reason }]
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
