import type { ConnectionState } from '../settings/reported-states.ts'
import type { ReportedInput } from '../settings/reported.ts'
import type { CredentialNews, DamagedBlob, DiskSpace, ImageNews, Pause, StatusNews, UpwardNews } from './events.ts'
import { FaultBook } from './fault-book.ts'
import { contentFault, contentFaults, parentFault, parentFaults, type FaultCode } from './faults.ts'
import { fit } from './fit.ts'
import { ImageBook } from './images.ts'
import { Pace } from './pace.ts'
import { PassBook } from './pass-book.ts'
import { describeDamage, reportedDamage } from './reported-damage.ts'
import { reportedUpward } from './reported-upward.ts'
import type { ChangeKind, DesiredStatus, Figures, Health, ImageQuery, Status, StatusOptions } from './status.ts'

const schemaVersion = '1.0'
/** The part of the disk that has to come or go before that alone is worth a report. */
const noticeableDisk = 0.05

/** All of it, kept as it is told. */
export class Ledger implements Status {
  readonly #options: StatusOptions
  readonly #now: () => Date
  readonly #listeners = new Set<(kind: ChangeKind) => void>()
  readonly #faults: FaultBook
  readonly #images = new ImageBook()
  readonly #pace = new Pace()
  readonly #passes: PassBook
  #imageSets: readonly string[] = []
  #paused: Pause | undefined
  #disk: DiskSpace | undefined
  #diskTold: DiskSpace | undefined
  #credential: CredentialNews | undefined
  #damaged: readonly DamagedBlob[] = []
  #upward: UpwardNews | undefined
  #bytes: { readonly bytesDone: number; readonly bytesTotal: number } | undefined
  #desired: DesiredStatus = {}
  #answers = false
  #told: string
  #revisionTold = 0

  constructor(options: StatusOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
    this.#faults = new FaultBook(this.#now, options.log)
    this.#passes = new PassBook(options.lastSync)
    this.#told = this.#essence()
  }

  readonly observe = (news: StatusNews): void => {
    switch (news.kind) {
      case 'passStarted':
        this.#passes.begin(news)
        break
      case 'planned':
        this.#images.replace(news.images.map((image) => this.#unlessFailed(image)))
        this.#passes.plan(news.nextSyncAt)
        break
      case 'image':
        this.#images.set(news.image)
        break
      case 'changedHere':
        if (this.#images.get(news.image.image) === undefined) return
        this.#images.set(news.image)
        break
      case 'progress':
        this.#bytes = { bytesDone: news.bytesDone, bytesTotal: news.bytesTotal }
        this.#pace.note(this.#now().getTime(), news.bytesDone)
        this.#notify('progress')
        return
      case 'parent':
        this.#observeParent(news)
        break
      case 'content':
        this.#faults.replace(
          contentFaults,
          news.works ? undefined : contentFault(news.code),
          news.works ? '' : news.message,
          news.works ? undefined : news.correlationId
        )
        break
      case 'passEnded':
        this.#passes.end(news.result, news.nextSyncAt)
        this.#pace.stop()
        break
      case 'removed':
        this.#images.remove(news.image)
        break
    }
    this.#tell()
  }

  setFault(code: FaultCode, description: string): void {
    this.#faults.set(code, description)
    this.#tell()
  }

  clearFault(code: FaultCode): void {
    this.#faults.clear(code)
    this.#tell()
  }

  setDesired(desired: DesiredStatus): void {
    this.#desired = desired
    this.#tell()
  }

  setImageSets(names: readonly string[]): void {
    this.#imageSets = [...names]
    this.#tell()
  }

  setPaused(pause: Pause | undefined): void {
    this.#paused = pause
    if (pause !== undefined) this.#passes.giveUp()
    this.#tell()
  }

  setDisk(disk: DiskSpace): void {
    this.#disk = disk
    const told = this.#diskTold
    if (told !== undefined && !isNoticeable(told, disk)) return
    this.#diskTold = disk
    this.#notify('progress')
  }

  setDamaged(damaged: readonly DamagedBlob[]): void {
    this.#damaged = damaged
    if (damaged.length === 0) this.#faults.clear('ContentDamaged')
    else this.#faults.set('ContentDamaged', describeDamage(damaged))
    this.#tell()
  }

  setCredential(credential: CredentialNews | undefined): void {
    this.#credential = credential
    this.#tell()
  }

  setUpward(upward: UpwardNews | undefined): void {
    this.#upward = upward
    this.#tell()
  }

  snapshot(): ReportedInput {
    const upward = this.#upward
    const bytes = { bytesDone: 0, bytesTotal: 0, ...this.#bytes }
    const estimate = this.#transferring()
      ? this.#pace.estimate(this.#now().getTime(), bytes.bytesDone, bytes.bytesTotal)
      : undefined
    return fit({
      report: {
        schemaVersion,
        runtime: { version: this.#options.version, startedAt: this.#options.startedAt.toISOString() },
        ...this.#desired,
        connectionState: this.#connectionState(),
        statusDetails: this.#faults.details(),
        ...this.#passes.reported(this.#transferring()),
        progress: {
          imagesReady: this.#images.counts.ready,
          imagesTotal: this.#images.counts.total,
          ...bytes,
          ...estimate
        },
        ...(this.#paused === undefined ? {} : { paused: this.#paused }),
        ...(this.#disk === undefined ? {} : { disk: this.#disk }),
        ...(this.#credential === undefined ? {} : { credential: this.#credential }),
        ...reportedDamage(this.#damaged)
      },
      sets: this.#images.setsByReadiness(this.#imageSets),
      images: this.#images.worstFirst(),
      nextAttemptAt: this.#passes.nextAt,
      upward: upward && ((bytes) => reportedUpward(upward, bytes))
    })
  }

  healthz(): Health {
    const ok = !this.#faults.has('DiskError')
    return {
      ok,
      body: {
        status: !ok ? 'unhealthy' : this.#faults.has('DiskFull') ? 'degraded' : 'ok',
        connectionState: this.#connectionState(),
        imagesReady: this.#images.counts.ready,
        imagesTotal: this.#images.counts.total,
        faults: this.#faults.codes.map((code) => ({ code }))
      }
    }
  }

  figures(): Figures {
    return {
      images: { ...this.#images.counts },
      bytesDone: 0,
      bytesTotal: 0,
      ...this.#bytes,
      faults: this.#faults.codes,
      connectionState: this.#connectionState(),
      paused: this.#paused !== undefined,
      disk: this.#disk,
      damagedBlobs: this.#damaged.length,
      lastSync: this.#passes.last
    }
  }

  images(query: ImageQuery): ImageNews[] {
    return this.#images.find(query)
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
    if (news.answers) this.#faults.replace(parentFaults, undefined, '')
    else this.#faults.replace(parentFaults, fault, news.message, news.correlationId)
  }

  #connectionState(): ConnectionState {
    if (this.#faults.isCritical) return 'Unhealthy'
    if (!this.#answers) return 'Offline'
    return this.#transferring() ? 'Syncing' : 'Online'
  }

  #transferring(): boolean {
    return this.#passes.isUnderWay && this.#images.counts.syncing > 0
  }

  /** One fault for all of them: which, and why, stands with each image. */
  #judgeQuarantine(): void {
    const { quarantined } = this.#images.counts
    if (quarantined === 0) this.#faults.clear('ImageQuarantined')
    else
      this.#faults.set(
        'ImageQuarantined',
        `${quarantined} wanted ${quarantined === 1 ? 'image is' : 'images are'} not signed as the image sets demand, and not served: images says which and why; sign them in the parent, or correct signature.cosign.publicKeys`
      )
  }

  #tell(): void {
    this.#judgeQuarantine()
    const essence = this.#essence()
    const { revision } = this.#images
    const kind = essence !== this.#told ? 'state' : revision !== this.#revisionTold ? 'image' : 'progress'
    this.#told = essence
    this.#revisionTold = revision
    this.#notify(kind)
  }

  #notify(kind: ChangeKind): void {
    for (const listener of this.#listeners) listener(kind)
  }

  /** What is so of the module as a whole, without what merely counts or ticks. */
  #essence(): string {
    return JSON.stringify([
      this.#desired,
      this.#connectionState(),
      this.#faults.codes,
      this.#images.counts.total,
      this.#imageSets,
      this.#paused,
      this.#credential?.fingerprint,
      this.#damaged.length,
      // Troubles are news; that something waits comes and goes with every push.
      this.#upward && [this.#upward.parked, this.#upward.conflicts, this.#upward.expired],
      ...this.#passes.essence(this.#transferring())
    ])
  }
}

function isNoticeable(before: DiskSpace, now: DiskSpace): boolean {
  return (
    before.totalBytes !== now.totalBytes ||
    before.reserveBytes !== now.reserveBytes ||
    Math.abs(before.freeBytes - now.freeBytes) > now.totalBytes * noticeableDisk
  )
}
