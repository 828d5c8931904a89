import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setImmediate as settled } from 'node:timers/promises'
import { LineLog } from '../module/log/log.ts'
import { digestOf, type Digest } from '../module/oci/digest.ts'
import { mediaTypes } from '../module/oci/media-types.ts'
import { parseRepository, parseTag, type Repository } from '../module/oci/name.ts'
import type { ReportedInput } from '../module/settings/reported.ts'
import { createStatus, type Status } from '../module/status/status.ts'
import { Allowance } from '../module/sync/allowance.ts'
import { heldImage } from '../module/sync/held.ts'
import { readLastSync } from '../module/sync/last-sync.ts'
import type { Clock as SyncClock } from '../module/sync/ports.ts'
import { createSync, type Sync, type SyncConfiguration } from '../module/sync/sync.ts'
import { fault, FakeParent } from '../module/sync/testing/fake-parent.ts'
import { MemoryContent } from '../module/sync/testing/memory-content.ts'
import { UpwardQueue } from '../module/sync/upward/queue.ts'
import { recordDeeds } from '../module/sync/upward/recording.ts'
import { Upward } from '../module/sync/upward/upward.ts'
import { ReportPacer, type Budget, type Clock as PacerClock } from '../module/twin/report-pacer.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const beginning = Date.parse('2026-11-01T00:00:00Z')

/** Time that passes from one timer to the next, and only when everything that the last one set off has come to rest. */
class FakeClock implements SyncClock, PacerClock {
  #now = beginning
  readonly #timers = new Set<{ readonly at: number; readonly ring: () => void }>()

  now(): number {
    return this.#now
  }

  elapsed(): number {
    return this.#now - beginning
  }

  after(milliseconds: number, ring: () => void): () => void {
    // Whole ones, and one at the least, as Node's timers: what fractions leave over would never let this time pass.
    const timer = { at: this.#now + Math.max(1, Math.ceil(milliseconds)), ring }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        cancel()
        reject(signal.reason as Error)
      }
      const cancel = this.after(milliseconds, () => {
        signal.removeEventListener('abort', abort)
        resolve()
      })
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
    })
  }

  async passTo(time: number): Promise<void> {
    for (;;) {
      await settled()
      let next: { readonly at: number; readonly ring: () => void } | undefined
      for (const timer of this.#timers) if (timer.at <= time && (next === undefined || timer.at < next.at)) next = timer
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.ring()
    }
    this.#now = time
  }
}

/** Reproducible chance (mulberry32). */
function chance(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One device over many days, and everything that must be so at every moment of them. */
class Life {
  readonly clock = new FakeClock()
  readonly parent = new FakeParent()
  readonly content = new MemoryContent()
  readonly #random: () => number
  /** What each tag has named in the parent, oldest first, and how far this device has come. */
  readonly #history = new Map<string, Digest[]>()
  readonly #reached = new Map<string, number>()
  readonly #verified = new Set<Digest>()
  readonly updates: number[] = []
  readonly counts = {
    passes: 0,
    cuts: 0,
    reboots: 0,
    pushes: 0,
    pushesHere: 0,
    deletesHere: 0,
    settings: 0,
    pauses: 0,
    requests: 0
  }
  /** Pushed here and acknowledged, and not yet seen to be delivered or told of. */
  readonly #owed = new Set<Digest>()
  readonly #pushedHere = new Set<Digest>()
  #pushedBytes = 0
  #queue!: UpwardQueue
  #upward!: Upward
  #sync!: Sync
  #status!: Status
  #pacer!: ReportPacer
  #budget: Budget | undefined
  #configuration: SyncConfiguration
  #opensAt: number | undefined
  #linkIsBackAt = 0
  #paused = false
  #askedFor = 0
  lastReport: ReportedInput | undefined

  constructor(random: () => number) {
    this.#random = random
    this.#configuration = this.#someSettings()
    this.parent.pieceBytes = 100_000
    // Its list of referrers is a search through everything it holds.
    this.parent.hasReferrers = false
    this.parent.trouble = () => {
      this.counts.requests += 1
      this.#mayAsk()
      return this.#linkIsUp() ? undefined : fault('PARENT_UNREACHABLE')
    }
    // 2 kB a second, so that a large image takes half an hour and windows end in the middle of it.
    this.parent.onPiece = async (_digest, _offset, piece) => {
      await this.clock.delay((piece.byteLength / 2000) * second, new AbortController().signal)
      if (!this.#linkIsUp()) throw fault('PARENT_UNREACHABLE')
      return piece
    }
    this.parent.onReceive = async (piece) => {
      await this.clock.delay((piece.byteLength / 2000) * second, new AbortController().signal)
      if (!this.#linkIsUp()) throw fault('PARENT_UNREACHABLE')
    }
    this.parent.onTagged = (name, digest) => this.#history.set(name, [...(this.#history.get(name) ?? []), digest])
    for (let image = 0; image < 12; image += 1) this.push()
  }

  async boot(): Promise<void> {
    const { clock, content, parent } = this
    const lastSync = await readLastSync(content.index)
    const status = createStatus({
      version: '0.1.0',
      startedAt: new Date(clock.now()),
      lastSync,
      now: () => new Date(clock.now())
    })
    const pacer = new ReportPacer({
      send: () => this.#report(status),
      progressSeconds: 900,
      left: this.#budget,
      onSpent: (left) => (this.#budget = left),
      clock,
      random: this.#random
    })
    status.on('change', (kind) => {
      if (kind === 'state') pacer.stateChanged()
      else if (kind === 'image') pacer.imageChanged()
      else pacer.progressed()
    })
    this.#status = status
    this.#pacer = pacer
    const log = new LineLog(() => undefined)
    this.#queue = await UpwardQueue.open(content.index, log, clock)
    const allowance = new Allowance(clock, content.index)
    this.#upward = new Upward({
      queue: this.#queue,
      content,
      parent: () => parent,
      allowance,
      log,
      clock,
      random: this.#random,
      onChange: () => this.#tellUpward()
    })
    this.#sync = createSync({
      pushes: this.#queue.pushes,
      allowance,
      content,
      parent: () => parent,
      observer: (event) => {
        if (event.kind === 'passEnded') this.counts.passes += 1
        status.observe(event)
      },
      log,
      clock,
      random: this.#random
    })
    this.#sync.setPaused(this.#paused)
    this.#upward.setPaused(this.#paused)
    if (this.#paused) status.setPaused({ since: new Date(clock.now()).toISOString() })
    this.#applySettings()
    this.#sync.start()
    this.#upward.start()
    this.#tellUpward()
    pacer.stateChanged()
  }

  async halt(): Promise<void> {
    this.#pacer.close()
    const stopped = Promise.all([this.#sync.stop(), this.#upward.stop()])
    // A piece that is on the wire arrives before the process notices; nothing else waits by then.
    await this.clock.passTo(this.clock.now() + minute)
    await stopped
  }

  async reboot(): Promise<void> {
    this.counts.reboots += 1
    await this.halt()
    await this.boot()
  }

  cut(): void {
    this.counts.cuts += 1
    const lasts = this.#random() < 0.8 ? this.#between(10 * second, 10 * minute) : this.#between(hour, 8 * hour)
    this.#linkIsBackAt = Math.max(this.#linkIsBackAt, this.clock.now() + lasts)
  }

  push(): void {
    this.counts.pushes += 1
    const name = `app-${this.#below(6)}:${this.#below(3)}`
    const size = this.#random() < 0.1 ? this.#between(1e6, 4e6) : this.#between(1000, 300_000)
    this.parent.put(name, [Math.floor(size), Buffer.from(`shared ${this.#below(4)}`.repeat(3000))])
  }

  /** A client pushes to the device: to what is synced as well, or to what is its own. */
  async pushHere(): Promise<void> {
    this.counts.pushesHere += 1
    const [repository, tag] = this.#someTag()
    const layer = randomBytes(Math.floor(this.#random() < 0.1 ? this.#between(1e6, 3e6) : this.#between(1000, 200_000)))
    const config = Buffer.from(JSON.stringify({ pushed: this.counts.pushesHere }))
    const describe = (bytes: Buffer) => ({ mediaType: 'application/x', digest: digestOf(bytes), size: bytes.length })
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: describe(config),
        layers: [describe(layer)]
      })
    )
    for (const bytes of [layer, config, manifest]) this.content.held.set(digestOf(bytes), bytes)
    const digest = digestOf(manifest)
    this.#pushedBytes += layer.length + config.length
    this.#pushedHere.add(digest)
    await this.#record([
      { kind: 'linkBlob', repository, digest: digestOf(layer) },
      { kind: 'linkBlob', repository, digest: digestOf(config) },
      { kind: 'putManifest', repository, digest, mediaType: mediaTypes.ociManifest, size: manifest.length },
      { kind: 'setTag', repository, tag, digest }
    ])
    this.#owed.add(digest)
    this.#status.observe({ kind: 'changedHere', image: { image: `${repository}:${tag}`, state: 'ready', digest } })
  }

  async deleteHere(): Promise<void> {
    const [repository, tag] = this.#someTag()
    if ((await this.content.index.tag(repository, tag)) === undefined) return
    this.counts.deletesHere += 1
    await this.#record([{ kind: 'removeTag', repository, tag }])
    this.#status.observe({ kind: 'changedHere', image: { image: `${repository}:${tag}`, state: 'pending' } })
  }

  changeSettings(): void {
    this.counts.settings += 1
    this.#configuration = this.#someSettings()
    this.#applySettings()
  }

  setPaused(paused: boolean): void {
    this.counts.pauses += paused && !this.#paused ? 1 : 0
    this.#paused = paused
    this.#status.setPaused(paused ? { since: new Date(this.clock.now()).toISOString() } : undefined)
    this.#sync.setPaused(paused)
    this.#upward.setPaused(paused)
  }

  askForSync(): void {
    this.#askedFor += 1
    void this.#sync.syncNow().finally(() => (this.#askedFor -= 1))
  }

  /** Everything works from now on, and every image is wanted. */
  heal(): void {
    this.#linkIsBackAt = 0
    this.#opensAt = undefined
    this.#configuration = { imageSets: { all: { repositories: repositories(6), priority: 1 } }, intervalMinutes: 15 }
    this.setPaused(false)
    this.#applySettings()
  }

  /** What must be so at every moment. */
  async check(): Promise<void> {
    for (const [digest, bytes] of this.content.held) {
      if (this.#verified.has(digest)) continue
      assert.equal(digestOf(bytes), digest, 'bytes that are served are what their digest says')
      this.#verified.add(digest)
    }
    for (const [repository, { tags }] of this.content.repositories)
      for (const [tag, digest] of tags) {
        const name = `${repository}:${tag}`
        assert.ok(
          await heldImage(this.content, repository, digest, new Set(), undefined),
          `${name} names something incomplete`
        )
        const step = this.#history.get(name)?.lastIndexOf(digest) ?? -1
        // What was pushed here is ahead of the parent until it is there, too, or has been told of.
        if (step < 0 && this.#pushedHere.has(digest)) continue
        assert.ok(step >= (this.#reached.get(name) ?? 0), `${name} went backwards`)
        this.#reached.set(name, step)
      }
    this.#settleOwed()
    for (const item of this.#queue.items()) {
      if (!('tag' in item)) continue
      const { repository, tag } = item
      const here = this.content.repositories.get(repository)?.tags.get(tag)
      assert.equal(
        here ?? null,
        this.#queue.willBe(repository, tag),
        `${repository}:${tag} was reverted while it waits`
      )
    }
    assert.ok(this.parent.received <= this.#pushedBytes, 'a byte was sent twice')
    for (const [digest, bytes] of this.parent.served)
      assert.ok(bytes <= (this.parent.content.get(digest)?.byteLength ?? 0), 'a byte was fetched twice')
    this.#compare(this.#status.snapshot())
  }

  /** Whether everything that the parent has is here and told of. */
  assertCaughtUp(): void {
    const report = this.lastReport
    assert.equal(report?.connectionState, 'Online')
    assert.equal(report.sync?.state, 'Succeeded')
    const ready = new Map((report.images ?? []).map(({ image, state, digest }) => [image, [state, digest]]))
    let total = 0
    for (const [repository, tags] of this.parent.tagsOf)
      if (repository.startsWith('app-'))
        for (const [tag, digest] of tags) {
          const name = `${repository}:${tag}`
          total += 1
          if (ready.has(name) || report.imagesOmitted === 0) assert.deepEqual(ready.get(name), ['ready', digest], name)
        }
    assert.deepEqual(report.imageSets, { all: { ready: total, total } })
    assert.deepEqual([this.#owed.size, this.#queue.size], [0, 0], 'every acknowledged push was delivered or told of')
    const { delivered, conflicts, expired } = this.#queue.history.counts
    assert.equal(delivered + conflicts + expired, this.counts.pushesHere + this.counts.deletesHere)
    assert.deepEqual(
      [report.upward?.waiting, report.upward?.delivered, report.upward?.conflicts, report.upward?.expired],
      [0, delivered, conflicts, expired]
    )
  }

  get upwards(): string {
    const { delivered, conflicts, expired } = this.#queue.history.counts
    return `${delivered} delivered, ${conflicts} conflicts, ${expired} expired; sent ÷ needed ${(this.parent.received / this.#pushedBytes).toFixed(4)}`
  }

  get troubles(): { readonly conflicts: number; readonly expired: number } {
    return this.#queue.history.counts
  }

  /** Every acknowledged push is in the parent, or waits, or has been told to have expired. */
  #settleOwed(): void {
    const waiting = new Set(this.#queue.items().flatMap((item) => ('digest' in item ? [item.digest] : [])))
    const expired = new Set(
      this.#queue.history.troubles.flatMap(({ kind, digest }) => (kind === 'expired' ? [digest] : []))
    )
    for (const digest of this.#owed)
      if (this.parent.content.has(digest) || expired.has(digest)) this.#owed.delete(digest)
      else assert.ok(waiting.has(digest), `the push of ${digest} is neither delivered, nor waiting, nor told of`)
  }

  #record(changes: Parameters<ReturnType<typeof recordDeeds>>[0]): Promise<void> {
    return recordDeeds(this.content, this.#queue, () => true)(changes)
  }

  #tellUpward(): void {
    const items = this.#queue.items()
    this.#status.setUpward({
      waiting: items.length,
      bytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
      parked: 0,
      ...this.#queue.history.counts,
      troubles: []
    })
  }

  #someTag() {
    const name = this.#random() < 0.7 ? `app-${this.#below(6)}` : `own-${this.#below(3)}`
    return [parseRepository(name), parseTag(String(this.#below(3)))] as const
  }

  #report(status: Status): void {
    this.updates.push(this.clock.now())
    this.lastReport = status.snapshot()
    this.#compare(this.lastReport)
  }

  /** What is told is so: an image that is called ready is here, whole, under its tag; a pause is one. */
  #compare(report: ReportedInput): void {
    assert.equal(report.paused !== undefined, this.#paused)
    if (report.upward !== undefined) assert.equal(report.upward.waiting, this.#queue.size)
    for (const { image, state, digest } of report.images ?? []) {
      if (state !== 'ready') continue
      const [repository, tag] = image.split(':') as [Repository, string]
      const tags: ReadonlyMap<string, Digest> | undefined = this.content.repositories.get(repository)?.tags
      assert.equal(tags?.get(tag), digest, `${image} is called ready`)
    }
  }

  /** Nothing is asked of the parent while sync is paused, nor outside of a window, unless somebody asked for it. */
  #mayAsk(): void {
    assert.ok(!this.#paused, 'asked while paused')
    if (this.#opensAt === undefined || this.#askedFor > 0) return
    const sinceOpened = (((this.clock.now() % day) - this.#opensAt * hour + day) % day) / hour
    assert.ok(sinceOpened < 4, `asked ${sinceOpened} h after the window opened`)
  }

  #applySettings(): void {
    this.#status.setImageSets(Object.keys(this.#configuration.imageSets))
    this.#sync.configure(this.#configuration)
    const { schedule, window } = this.#configuration
    this.#upward.configure({ schedule, window, timeToLive: 1.5 * day })
  }

  #someSettings(): SyncConfiguration {
    const imageSets = {
      first: { repositories: repositories(1 + this.#below(6)), priority: 1 },
      second: { repositories: ['app-5:1', 'app-0:2'], priority: 2 }
    }
    this.#opensAt = this.#random() < 0.5 ? this.#below(24) : undefined
    return this.#opensAt === undefined
      ? { imageSets, intervalMinutes: 15 }
      : { imageSets, intervalMinutes: 15, schedule: `0 ${this.#opensAt} * * *`, window: 'PT4H' }
  }

  #linkIsUp(): boolean {
    return this.clock.now() >= this.#linkIsBackAt
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #between(least: number, most: number): number {
    return least + this.#random() * (most - least)
  }
}

function repositories(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `app-${at}`)
}

describe('thirty days of a device, on a clock of their own', function () {
  this.timeout(120_000)
  const given = process.env['CAUSEWAY_TEST_SEED']
  const seeds = given === undefined ? [20261121] : [Number(given)]

  for (const seed of seeds)
    it(`hold what is promised through cuts, reboots, windows, pauses and new settings (seed ${seed})`, async () => {
      const random = chance(seed)
      const life = new Life(random)
      /** What happens, and how many hours lie between two times of it on average. */
      const happenings: readonly [hours: number, what: () => void | Promise<void>][] = [
        [5, () => life.push()],
        [7, () => life.pushHere()],
        [25, () => life.deleteHere()],
        [2, () => life.cut()],
        [20, () => life.reboot()],
        [30, () => life.changeSettings()],
        [15, () => life.askForSync()],
        [60, () => life.setPaused(true)],
        [20, () => life.setPaused(false)]
      ]
      const wait = (hours: number): number => -Math.log(1 - random()) * hours * hour
      const due = happenings.map(([hours]) => beginning + wait(hours))
      await life.boot()
      for (let at = beginning; at < beginning + 30 * day;) {
        const next = due.indexOf(Math.min(...due))
        at = Math.max(life.clock.now(), due[next] ?? at)
        await life.clock.passTo(at)
        await life.check()
        const [hours, happen] = happenings[next] ?? assert.fail()
        await happen()
        due[next] = at + wait(hours)
      }
      life.heal()
      await life.clock.passTo(life.clock.now() + 12 * hour)
      await life.check()
      life.assertCaughtUp()
      await life.halt()

      for (const from of life.updates) {
        const within = life.updates.filter((at) => at >= from && at < from + day).length
        assert.ok(within <= 200, `${within} twin updates within 24 hours`)
      }
      const { passes, cuts, reboots, pushes, pushesHere, deletesHere, settings, pauses, requests } = life.counts
      console.log(
        `      ${pushes} pushes above, ${pushesHere} pushes and ${deletesHere} deletes here (${life.upwards}), ${cuts} cuts, ${reboots} reboots, ${settings} settings, ${pauses} pauses: ${passes} passes, ${requests} requests, ${life.updates.length} twin updates`
      )
      assert.ok(cuts > 200 && reboots > 10 && pauses > 3 && settings > 10)
      assert.ok(pushesHere > 50 && deletesHere > 5)
      if (given === undefined)
        assert.ok(life.troubles.conflicts > 0 && life.troubles.expired > 0, 'each outcome was met')
    })
})
