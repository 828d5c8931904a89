import type { Registry } from 'prom-client'
import { correlationHeader } from './log/correlation.ts'
import type { Log } from './log/log.ts'
import type { Handler } from './registry/server.ts'
import type { RequestCount } from './request-count.ts'
import { connectionStates, imageStates } from './settings/reported-states.ts'
import type { StatusNews, UpwardNews } from './status/events.ts'
import { faultCodes } from './status/faults.ts'
import type { Figures } from './status/status.ts'
import type { CollectionReport } from './storage/storage.ts'

export interface MetricsParts {
  readonly version: string
  readonly figures: () => Figures
  readonly requests: () => readonly RequestCount[]
  /** Undefined without IoT Edge. */
  readonly twinOnline: () => boolean | undefined
  /** Notifications that wait to be delivered, by where they go. */
  readonly waitingNotifications: () => ReadonlyMap<string, number>
  /** Undefined before it is known. */
  readonly clockSkewSeconds: () => number | undefined
  /** Pushes and deletes for the parent. */
  readonly upward: () => UpwardNews & { readonly bytesSent: number }
  readonly log: Log
}

export interface Metrics {
  /** Takes in what sync tells, and counts it. */
  readonly observe: (news: StatusNews & { readonly bytesFetched?: number }) => void
  /** Takes in what a garbage collection has freed. */
  readonly collected: (report: Pick<CollectionReport, 'bytes' | 'tags' | 'manifests' | 'blobs'>) => void
  /** Answers `/metrics` in Prometheus' text form. Without credentials, and so without names of images. */
  readonly handle: Handler
}

/** What is counted as it happens. */
const counters = {
  passes: { name: 'sync_passes_total', help: 'Sync passes that ended.', labelNames: ['trigger', 'state'] },
  fetchedBytes: {
    name: 'sync_fetched_bytes_total',
    help: 'Bytes of blobs that came from the parent.',
    labelNames: []
  },
  freedBytes: {
    name: 'garbage_freed_bytes_total',
    help: 'Bytes that garbage collection has freed.',
    labelNames: []
  },
  removed: {
    name: 'garbage_removed_total',
    help: 'What garbage collection has removed: tags by the retention rules, and what nothing names any more.',
    labelNames: ['kind']
  }
} as const satisfies Record<string, { name: string; help: string; labelNames: readonly string[] }>

/** Everything is asked for when somebody looks: a device that nobody scrapes pays nothing. */
export function createMetrics(parts: MetricsParts): Metrics {
  const tally = new Tally()
  let page: Promise<Registry> | undefined
  return {
    observe: (news) => {
      if (news.kind !== 'passEnded') return
      tally.add(counters.passes.name, 1, { trigger: news.result.trigger, state: news.result.state })
      tally.add(counters.fetchedBytes.name, news.bytesFetched ?? 0)
    },
    collected: ({ bytes, tags, manifests, blobs }) => {
      tally.add(counters.freedBytes.name, bytes)
      for (const [kind, count] of Object.entries({ tag: tags, manifest: manifests, blob: blobs }))
        tally.add(counters.removed.name, count, { kind })
    },
    handle: (request, response, correlationId) => {
      if (request.url?.split('?', 1)[0] !== '/metrics') return false
      request.resume()
      const headers = { [correlationHeader]: correlationId }
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { ...headers, allow: 'GET, HEAD' }).end()
        return true
      }
      const respond = async (): Promise<void> => {
        const registry = await (page ??= definePage(parts, tally))
        const text = await registry.metrics()
        response.writeHead(200, { ...headers, 'content-type': registry.contentType, 'cache-control': 'no-store' })
        response.end(request.method === 'HEAD' ? undefined : text)
      }
      respond().catch((error: unknown) => {
        parts.log.error('metrics cannot be told', { reason: String(error), correlationId })
        response.writeHead(500, headers).end()
      })
      return true
    }
  }
}

type Labels = Readonly<Record<string, string>>

/** Counts until somebody looks: the library that writes the page takes a good part of a start to load. */
class Tally {
  readonly #counts = new Map<string, Map<string, { readonly labels: Labels; readonly value: number }>>()

  add(counter: string, value: number, labels: Labels = {}): void {
    const counts = this.#counts.get(counter) ?? new Map<string, { labels: Labels; value: number }>()
    const key = Object.values(labels).join()
    counts.set(key, { labels, value: value + (counts.get(key)?.value ?? 0) })
    this.#counts.set(counter, counts)
  }

  of(counter: string): readonly { readonly labels: Labels; readonly value: number }[] {
    return [...(this.#counts.get(counter)?.values() ?? [])]
  }
}

async function definePage(parts: MetricsParts, tally: Tally): Promise<Registry> {
  const { Counter, Gauge, Registry } = await import('prom-client')
  const registry = new Registry()
  const registers = [registry]
  const gauge = (name: string, help: string, read: (set: Set) => void, labels: readonly string[] = []): void => {
    new Gauge({
      name: `causeway_${name}`,
      help,
      labelNames: labels,
      registers,
      collect() {
        this.reset()
        // Without labels a reset sets it to 0, which is a value; what is not known is left out.
        if (labels.length === 0) this.remove()
        read((value, given = {}) => this.set(given, value))
      }
    })
  }
  gauge('info', 'This release.', (set) => set(1, { version: parts.version }), ['version'])
  gauge(
    'images',
    'Wanted images by state.',
    (set) => {
      const { images } = parts.figures()
      for (const state of imageStates) set(images[state], { state })
    },
    ['state']
  )
  gauge('images_quarantined', 'Wanted images that are not signed as their image sets demand, and not served.', (set) =>
    set(parts.figures().images.quarantined)
  )
  gauge('content_present_bytes', 'Bytes of wanted images that are here.', (set) => set(parts.figures().bytesDone))
  gauge('content_wanted_bytes', 'Bytes of wanted images, as far as known.', (set) => set(parts.figures().bytesTotal))
  gauge('sync_paused', 'Whether sync is paused by hand.', (set) => set(Number(parts.figures().paused)))
  gauge('sync_last_success_timestamp_seconds', 'When a pass last brought everything.', (set) => {
    const at = parts.figures().lastSync?.succeededAt
    if (at !== undefined) set(Date.parse(at) / 1000)
  })
  gauge(
    'connection_state',
    'The state as the twin reports it: 1 for the one that holds.',
    (set) => {
      for (const state of connectionStates) set(Number(state === parts.figures().connectionState), { state })
    },
    ['state']
  )
  gauge(
    'fault',
    'Faults by code: 1 while there.',
    (set) => {
      const { faults } = parts.figures()
      for (const code of faultCodes) set(Number(faults.includes(code)), { code })
    },
    ['code']
  )
  for (const part of ['free', 'total', 'reserve'] as const)
    gauge(`disk_${part}_bytes`, 'Of the data volume; the reserve is never used.', (set) => {
      const { disk } = parts.figures()
      if (disk !== undefined) set(disk[`${part}Bytes`])
    })
  gauge('damaged_blobs', 'Blobs that were damaged on the disk, and that nothing has replaced.', (set) =>
    set(parts.figures().damagedBlobs)
  )
  gauge('twin_connected', 'Whether there is a connection with edgeHub; absent without IoT Edge.', (set) => {
    const online = parts.twinOnline()
    if (online !== undefined) set(Number(online))
  })
  gauge('clock_skew_seconds', "How far this clock is ahead of the parent's; absent before it is known.", (set) => {
    const seconds = parts.clockSkewSeconds()
    if (seconds !== undefined) set(seconds)
  })
  gauge(
    'notifications_waiting',
    'Notifications that are yet to be delivered.',
    (set) => {
      for (const [target, waiting] of parts.waitingNotifications()) set(waiting, { target })
    },
    ['target']
  )
  gauge(
    'upward_waiting',
    'Pushes and deletes that wait to be told to the parent; parked ones are refused until somebody mends something.',
    (set) => {
      const { waiting, parked } = parts.upward()
      set(waiting - parked, { state: 'waiting' })
      set(parked, { state: 'parked' })
    },
    ['state']
  )
  gauge('upward_waiting_bytes', 'Bytes of what waits for the parent.', (set) => set(parts.upward().bytes))
  gauge('upward_oldest_timestamp_seconds', 'When what waits longest for the parent was pushed or deleted.', (set) => {
    const { oldestAt } = parts.upward()
    if (oldestAt !== undefined) set(Date.parse(oldestAt) / 1000)
  })
  const count = (name: string, help: string, read: (add: Set) => void, labelNames: readonly string[] = []): void => {
    new Counter({
      name: `causeway_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        read((value, given = {}) => this.inc(given, value))
      }
    })
  }
  count(
    'upward_ended_total',
    'Pushes and deletes for the parent by what became of them, since this device began.',
    (add) => {
      const { delivered, conflicts, expired } = parts.upward()
      add(delivered, { outcome: 'delivered' })
      add(conflicts, { outcome: 'conflict' })
      add(expired, { outcome: 'expired' })
    },
    ['outcome']
  )
  count('upward_sent_bytes_total', 'Bytes of blobs that were sent to the parent.', (add) =>
    add(parts.upward().bytesSent)
  )
  new Counter({
    name: 'causeway_http_requests_total',
    help: 'Requests by method and status; 499 where the client left before the answer.',
    labelNames: ['method', 'status'],
    registers,
    collect() {
      this.reset()
      for (const { method, status, count } of parts.requests()) this.inc({ method, status }, count)
    }
  })
  for (const { name, help, labelNames } of Object.values(counters))
    new Counter({
      name: `causeway_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const { labels, value } of tally.of(name)) this.inc(labels, value)
      }
    })
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory size in bytes.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    }
  })
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start time of the process since unix epoch in seconds.',
    registers
  }).set(Math.round(performance.timeOrigin / 1000))

  return registry
}

type Set = (value: number, labels?: Record<string, string>) => void
