import type { ConnectionState, ReportedInput } from '../settings/reported.ts'
import type { ImageNews, PassNews, StatusNews } from './events.ts'
import { contentFault, contentFaults, isCritical, parentFault, parentFaults, typeOf, type FaultCode } from './faults.ts'
import { fit } from './fit.ts'

/** What changed: something that an operator waits for, or a mere count of bytes. */
export type ChangeKind = 'state' | 'progress'

export interface StatusOptions {
  readonly version: string
  readonly startedAt: Date
  readonly now?: () => Date
  /** How the last pass before this start ended. */
  readonly lastSync?: PassNews | undefined
}

/** What is known of the desired properties, for the twin. */
export type DesiredStatus = Pick<ReportedInput, 'lastDesiredVersion' | 'lastDesiredStatus' | 'appliedVersion'>

/** Health as `/healthz` and `/readyz` answer it. */
export interface Health {
  /** False where the module cannot keep or give out content: restarting or mending it is called for. */
  readonly ok: boolean
  readonly body: {
    readonly status: 'ok' | 'unhealthy'
    readonly connectionState: ConnectionState
    readonly imagesReady: number
    readonly imagesTotal: number
    readonly faults: readonly { readonly code: string; readonly description: string }[]
  }
}

/** The truth about this module, put together from what its parts tell. */
export interface Status {
  /** Takes in what sync tells; may be passed on by itself. */
  readonly observe: (news: StatusNews) => void
  setFault(code: FaultCode, description: string): void
  clearFault(code: FaultCode): void
  setDesired(desired: DesiredStatus): void
  /** What to report to the twin: always valid, below 24 KB, with the worst images first where not all fit. */
  snapshot(): ReportedInput
  healthz(): Health
  /** @returns what takes the listener away again */
  on(event: 'change', listener: (kind: ChangeKind) => void): () => void
}

const schemaVersion = '1.0'

export function createStatus(options: StatusOptions): Status {
  return new Ledger(options)
}

class Ledger implements Status {
  readonly #options: StatusOptions
  readonly #now: () => Date
  readonly #listeners = new Set<(kind: ChangeKind) => void>()
  readonly #faults = new Map<FaultCode, { readonly description: string; readonly timestamp: string }>()
  #images = new Map<string, ImageNews>()
  #bytes: { readonly bytesDone: number; readonly bytesTotal: number } | undefined
  #desired: DesiredStatus = {}
  #answers = false
  #pass: { readonly trigger: PassNews['trigger']; readonly startedAt: string } | undefined
  #lastSync: PassNews | undefined
  #told: string

  constructor(options: StatusOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
    this.#lastSync = options.lastSync
    this.#told = this.#essence()
  }

  readonly observe = (news: StatusNews): void => {
    switch (news.kind) {
      case 'passStarted':
        this.#pass = news
        break
      case 'planned':
        this.#images = new Map(news.images.map((image) => [image.image, this.#unlessFailed(image)]))
        break
      case 'image': {
        const before = this.#images.get(news.image.image)
        this.#images.set(news.image.image, news.image)
        if (before?.state === news.image.state && before.digest === news.image.digest) {
          this.#notify('progress')
          return
        }
        break
      }
      case 'progress':
        this.#bytes = { bytesDone: news.bytesDone, bytesTotal: news.bytesTotal }
        this.#notify('progress')
        return
      case 'parent':
        this.#observeParent(news)
        break
      case 'content':
        this.#replaceFaults(
          contentFaults,
          news.works ? undefined : contentFault(news.code),
          news.works ? '' : news.message
        )
        break
      case 'passEnded':
        this.#pass = undefined
        this.#lastSync = news.result
        break
    }
    this.#tell()
  }

  setFault(code: FaultCode, description: string): void {
    this.#set(code, description)
    this.#tell()
  }

  clearFault(code: FaultCode): void {
    this.#faults.delete(code)
    this.#tell()
  }

  setDesired(desired: DesiredStatus): void {
    this.#desired = desired
    this.#tell()
  }

  snapshot(): ReportedInput {
    const sync = this.#sync()
    return fit(
      {
        schemaVersion,
        runtime: { version: this.#options.version, startedAt: this.#options.startedAt.toISOString() },
        ...this.#desired,
        connectionState: this.#connectionState(),
        statusDetails: [...this.#faults].map(([code, { description, timestamp }]) => ({
          type: typeOf(code),
          code,
          description,
          timestamp
        })),
        ...(sync === undefined ? {} : { sync }),
        progress: {
          imagesReady: this.#ready(),
          imagesTotal: this.#images.size,
          bytesDone: 0,
          bytesTotal: 0,
          ...this.#bytes
        }
      },
      this.#images.values()
    )
  }

  healthz(): Health {
    const ok = !contentFaults.some((code) => this.#faults.has(code))
    return {
      ok,
      body: {
        status: ok ? 'ok' : 'unhealthy',
        connectionState: this.#connectionState(),
        imagesReady: this.#ready(),
        imagesTotal: this.#images.size,
        faults: [...this.#faults].map(([code, { description }]) => ({ code, description }))
      }
    }
  }

  on(_event: 'change', listener: (kind: ChangeKind) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** A plan says what is on disk; what failed stays failed until the parent is asked anew, or each pass would report twice. */
  #unlessFailed(planned: ImageNews): ImageNews {
    const before = this.#images.get(planned.image)
    return before?.state === 'failed' ? before : planned
  }

  #observeParent(news: Extract<StatusNews, { kind: 'parent' }>): void {
    const fault = news.answers ? undefined : parentFault(news.code)
    this.#answers = fault === undefined || fault === 'ParentThrottled'
    this.#replaceFaults(parentFaults, fault, news.answers ? '' : news.message)
  }

  /** Of faults that exclude each other one stays, with the time at which it came up. */
  #replaceFaults(group: readonly FaultCode[], stays: FaultCode | undefined, description: string): void {
    for (const code of group) if (code !== stays) this.#faults.delete(code)
    if (stays !== undefined) this.#set(stays, description)
  }

  #set(code: FaultCode, description: string): void {
    const timestamp = this.#faults.get(code)?.timestamp ?? this.#now().toISOString()
    this.#faults.set(code, { description, timestamp })
  }

  #connectionState(): ConnectionState {
    if ([...this.#faults.keys()].some(isCritical)) return 'Unhealthy'
    if (!this.#answers) return 'Offline'
    return this.#transferring() ? 'Syncing' : 'Online'
  }

  #transferring(): boolean {
    return this.#pass !== undefined && [...this.#images.values()].some(({ state }) => state === 'syncing')
  }

  /**
   * The pass under way where it brings something or somebody waits for it, else the last one. A scheduled look that finds
   * nothing new is not told of at once: every device does that every few minutes, and IoT Hub counts each report.
   */
  #sync(): ReportedInput['sync'] {
    const waitedFor = this.#pass !== undefined && !isRoutine(this.#pass.trigger)
    const { trigger, startedAt } = this.#pass ?? {}
    if (trigger === undefined || startedAt === undefined || !(waitedFor || this.#transferring())) return this.#lastSync
    const succeededAt = this.#lastSync?.succeededAt
    return { trigger, state: 'Syncing', startedAt, ...(succeededAt === undefined ? {} : { succeededAt }) }
  }

  #ready(): number {
    return [...this.#images.values()].filter(({ state }) => state === 'ready').length
  }

  #tell(): void {
    const essence = this.#essence()
    const kind = essence === this.#told ? 'progress' : 'state'
    this.#told = essence
    this.#notify(kind)
  }

  #notify(kind: ChangeKind): void {
    for (const listener of this.#listeners) listener(kind)
  }

  /** Everything that an operator waits for, and nothing that merely counts or ticks. */
  #essence(): string {
    const sync = this.#sync()
    return JSON.stringify([
      this.#desired,
      this.#connectionState(),
      [...this.#faults.keys()],
      [...this.#images.values()].map(({ image, state, digest }) => [image, state, digest]),
      sync?.state,
      sync === undefined || isRoutine(sync.trigger) ? undefined : [sync.trigger, sync.startedAt]
    ])
  }
}

function isRoutine(trigger: PassNews['trigger']): boolean {
  return trigger === 'Schedule' || trigger === 'Recovery'
}
