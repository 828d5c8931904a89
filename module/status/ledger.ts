import type { ConnectionState, ReportedInput } from '../settings/reported.ts'
import type {
  CredentialNews,
  DamagedBlob,
  DiskSpace,
  ImageNews,
  PassNews,
  Pause,
  StatusNews,
  UpwardNews
} from './events.ts'
import { FaultBook } from './fault-book.ts'
import { contentFault, contentFaults, parentFault, parentFaults, type FaultCode } from './faults.ts'
import { fit } from './fit.ts'
import { reportedUpward } from './reported-upward.ts'
import { ImageBook, type ImageCounts } from './images.ts'
import { Pace } from './pace.ts'
import type { ChangeKind, DesiredStatus, Figures, Health, ImageQuery, Status, StatusOptions } from './status.ts'

const schemaVersion = '1.0'
/** The part of the disk that has to come or go before that alone is worth a report. */
const noticeableDisk = 0.05

/** Damaged blobs that a report names, and repositories with each: some of 24 KB. */
const mostDamaged = 5
const mostHolders = 2

/** All of it, kept as it is told. */
export class Ledger implements Status {
  readonly #options: StatusOptions
  readonly #now: () => Date
  readonly #listeners = new Set<(kind: ChangeKind) => void>()
  readonly #faults: FaultBook
  readonly #images = new ImageBook()
  readonly #pace = new Pace()
  #imageSets: readonly string[] = []
  #paused: Pause | undefined
  #disk: DiskSpace | undefined
  #diskTold: DiskSpace | undefined
  #credential: CredentialNews | undefined
  #damaged: readonly DamagedBlob[] = []
  #upward: UpwardNews | undefined
  #nextSyncAt: string | undefined
  #windowEndsAt: string | undefined
  #bytes: { readonly bytesDone: number; readonly bytesTotal: number } | undefined
  #desired: DesiredStatus = {}
  #answers = false
  #pass: { readonly trigger: PassNews['trigger']; readonly startedAt: string } | undefined
  #lastSync: PassNews | undefined
  #told: string
  #revisionTold = 0

  constructor(options: StatusOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
    this.#faults = new FaultBook(this.#now, options.log)
    this.#lastSync = options.lastSync
    this.#told = this.#essence()
  }

  readonly observe = (news: StatusNews): void => {
    switch (news.kind) {
      case 'passStarted':
        this.#pass = news
        this.#windowEndsAt = news.windowEndsAt
        this.#nextSyncAt = undefined
        break
      case 'planned':
        this.#images.replace(news.images.map((image) => this.#unlessFailed(image)))
        this.#nextSyncAt = news.nextSyncAt
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
          news.works ? '' : news.message
        )
        break
      case 'passEnded':
        this.#pass = undefined
        this.#lastSync = news.result
        this.#pace.stop()
        this.#nextSyncAt = news.nextSyncAt
        this.#windowEndsAt = undefined
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
    // The pass under way is given up, and says nothing more.
    if (pause !== undefined) this.#pass = undefined
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
    const { length } = damaged
    // Without names: whoever is on the network may look at /healthz.
    if (length === 0) this.#faults.clear('ContentDamaged')
    else
      this.#faults.set(
        'ContentDamaged',
        `${length} ${length === 1 ? 'blob was' : 'blobs were'} damaged on the disk and moved aside; sync brings again what the parent has, and what was pushed here must be pushed again: "damaged" names the repositories`
      )
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
    const sync = this.#sync()
    const nextSyncAt = this.#nextSyncAt
    const upward = this.#upward
    const windowEndsAt = this.#windowEndsAt
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
        ...(sync === undefined
          ? {}
          : {
              sync: {
                ...sync,
                ...(nextSyncAt === undefined ? {} : { nextAt: nextSyncAt }),
                ...(windowEndsAt === undefined ? {} : { windowEndsAt })
              }
            }),
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
      sets: this.#setsByReadiness(),
      images: this.#images.worstFirst(),
      nextAttemptAt: nextSyncAt,
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
        faults: this.#faults.list()
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
      lastSync: this.#lastSync
    }
  }

  images({ state, repository, imageSet }: ImageQuery): ImageNews[] {
    return [...this.#images.values()]
      .filter(
        (image) =>
          (state === undefined || image.state === state) &&
          (repository === undefined || repositoryOf(image.image) === repository) &&
          (imageSet === undefined || image.imageSets?.includes(imageSet) === true)
      )
      .sort((one, other) => (one.image < other.image ? -1 : 1))
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
    this.#faults.replace(parentFaults, fault, news.answers ? '' : news.message)
  }

  #connectionState(): ConnectionState {
    if (this.#faults.isCritical) return 'Unhealthy'
    if (!this.#answers) return 'Offline'
    return this.#transferring() ? 'Syncing' : 'Online'
  }

  #transferring(): boolean {
    return this.#pass !== undefined && this.#images.counts.syncing > 0
  }

  /**
   * The pass under way where it brings something or somebody waits for it, else the last one. A scheduled look that finds
   * nothing new is not told of at once: every device does that every few minutes, and IoT Hub counts each report.
   */
  #sync(): ReportedInput['sync'] {
    const waitedFor = this.#pass !== undefined && !isRoutine(this.#pass.trigger)
    const { trigger, startedAt } = this.#pass ?? {}
    if (trigger === undefined || startedAt === undefined || !(waitedFor || this.#transferring()))
      return this.#lastSync === undefined ? undefined : reportedPass(this.#lastSync)
    const succeededAt = this.#lastSync?.succeededAt
    return { trigger, state: 'Syncing', startedAt, ...(succeededAt === undefined ? {} : { succeededAt }) }
  }

  #setsByReadiness(): [string, ImageCounts][] {
    const none: ImageCounts = { failed: 0, pending: 0, syncing: 0, ready: 0, total: 0, quarantined: 0 }
    return this.#imageSets
      .map((name): [string, ImageCounts] => [name, this.#images.sets.get(name) ?? none])
      .sort(([, one], [, other]) => missing(other) - missing(one))
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
    const sync = this.#sync()
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
      sync?.state,
      sync === undefined || isRoutine(sync.trigger) ? undefined : [sync.trigger, sync.startedAt]
    ])
  }
}

function isRoutine(trigger: PassNews['trigger']): boolean {
  return trigger === 'Schedule' || trigger === 'Recovery'
}

/** Microsoft's word for a pass whose window ended before everything was here is `TimedOut`. */
function reportedPass({ windowEnded, ...pass }: PassNews): NonNullable<ReportedInput['sync']> {
  return windowEnded === true ? { ...pass, state: 'TimedOut' } : pass
}

function reportedDamage(damaged: readonly DamagedBlob[]): Pick<ReportedInput, 'damaged' | 'damagedOmitted'> {
  if (damaged.length === 0) return {}
  const told = damaged.slice(0, mostDamaged).map(({ digest, repositories }) => ({
    digest,
    repositories: repositories.slice(0, mostHolders)
  }))
  return { damaged: told, damagedOmitted: damaged.length - told.length }
}

function missing({ ready, total }: ImageCounts): number {
  return total - ready
}

function isNoticeable(before: DiskSpace, now: DiskSpace): boolean {
  return (
    before.totalBytes !== now.totalBytes ||
    before.reserveBytes !== now.reserveBytes ||
    Math.abs(before.freeBytes - now.freeBytes) > now.totalBytes * noticeableDisk
  )
}

/** An image is `repository:tag`; an entry for a repository that cannot be listed may be the repository alone. */
function repositoryOf(image: string): string {
  const colon = image.indexOf(':')
  return colon < 0 ? image : image.slice(0, colon)
}
