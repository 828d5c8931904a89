import { join } from 'node:path'
import { blobSizes, sha256, type BlobSize, type Content } from './content.ts'
import type { LoadOrder, LoadResult } from './load.ts'
import { cpuSeconds, isInstalled, output } from './processes.ts'
import { newBlob, pushBlob, pushChunked, pushReferrers, pushRepositories, pushTags } from './push.ts'
import { basic, causewayName, peerName, withoutFfiName, type Running } from './servers.ts'
import { stalledReaders, whileStalled } from './stalling.ts'
import { syncRows } from './sync-rows.ts'
import { tlsRows } from './tls-rows.ts'

/** What one run of a row gave. */
export interface Figure {
  readonly value: number
  /** Server CPU: seconds per GB where `value` is MB/s, microseconds per request where it is requests per second. */
  readonly cpu?: number
}

export interface Row {
  readonly name: string
  readonly unit: 'MB/s' | 'requests/s' | 'ms'
  readonly needs?: BlobSize
  /** What must be there beside the image; registries only. */
  prepare?(server: Running, content: Content, folder: string): Promise<void>
  /** After all rows. */
  finish?(): Promise<void>
  /** Whether the server gets every core. */
  readonly everyCore?: boolean
  isFor(name: string, isRegistry: boolean): boolean
  run(server: Running, content: Content): Promise<Figure>
}

const mega = 1e6
const pushBytes = 256 * 1024 * 1024

export function rows(seconds: number): Row[] {
  return [
    ...blobRows(seconds),
    ...requestRows(seconds),
    ...pushRows(),
    ...stallRows(seconds),
    ...syncRows(),
    // The last: a server that speaks TLS looks at each connection's first byte.
    ...tlsRows(seconds)
  ]
}

function blobRows(seconds: number): Row[] {
  return (Object.keys(blobSizes) as BlobSize[]).flatMap((size) =>
    [1, 4, 16].map((connections): Row => {
      return {
        name: `blob GET ${size}, ${connections} connections`,
        unit: blobSizes[size] < 1024 * 1024 ? 'requests/s' : 'MB/s',
        needs: size,
        // Small blobs leave from memory, with and without the package.
        isFor: (name) => blobSizes[size] >= 1024 * 1024 || name !== withoutFfiName,
        async run(server, { repository, blobs }) {
          const path = `/v2/${repository}/blobs/${blobs.get(size)?.digest ?? ''}`
          return this.unit === 'MB/s'
            ? throughput(server, { connections, seconds, method: 'GET', path })
            : requests(server, { connections, seconds, method: 'GET', path })
        }
      }
    })
  )
}

function requestRows(seconds: number): Row[] {
  const row = (
    name: string,
    method: 'GET' | 'HEAD',
    path: (content: Content) => string,
    more: Partial<Row> = {}
  ): Row => {
    return {
      name,
      unit: 'requests/s',
      isFor: (name, isRegistry) => isRegistry && name !== withoutFfiName,
      run: (server, content) => requests(server, { connections: 16, seconds, method, path: path(content) }),
      ...more
    }
  }
  const byTag = ({ repository, tag }: Content): string => `/v2/${repository}/manifests/${tag}`
  const byDigest = ({ repository, manifest }: Content): string => `/v2/${repository}/manifests/${sha256(manifest)}`
  return [
    row('manifest GET by tag', 'GET', byTag),
    row('manifest GET by digest', 'GET', byDigest),
    row('manifest HEAD by tag', 'HEAD', byTag),
    row('manifest HEAD by digest', 'HEAD', byDigest),
    row('ping /v2/', 'GET', () => '/v2/'),
    row('token issue', 'GET', () => '/oauth2/token?service=bench&scope=repository%3Abench%2Fapp%3Apull', {
      isFor: (name) => name === causewayName,
      run: (server) =>
        requests(
          { ...server, headers: () => Promise.resolve(basic()) },
          {
            connections: 16,
            seconds,
            method: 'GET',
            path: '/oauth2/token?service=bench&scope=repository%3Abench%2Fapp%3Apull'
          }
        )
    }),
    ...[200, 10_000].flatMap((count) => [
      row(`tag page of 100, of ${count} tags`, 'GET', tagPage, {
        isFor: besidePeer,
        prepare: (server, content) => pushTags(server, content, count)
      }),
      row(`referrers page of 100, of ${count} referrers`, 'GET', referrersPage, {
        // The distribution registry has no referrers API: a client reads the whole fallback index there.
        isFor: (name) => name === causewayName,
        prepare: (server, content) => pushReferrers(server, content, count)
      })
    ]),
    ...[200, 2000].map((count) =>
      row(`catalog page of 100, of ${count} repositories`, 'GET', () => '/v2/_catalog?n=100&last=bench/many/r00050', {
        isFor: besidePeer,
        prepare: (server, content) => pushRepositories(server, content, count)
      })
    )
  ]
}

/** Ten thousand tags take a minute to push to one server. */
function besidePeer(name: string): boolean {
  return name === causewayName || name === peerName
}

function tagPage({ repository }: Content): string {
  return `/v2/${repository}/tags/list?n=100&last=t00050`
}

function referrersPage({ repository, manifest }: Content): string {
  return `/v2/${repository}/referrers/${sha256(manifest)}?n=100`
}

function pushRows(): Row[] {
  type Fresh = ReturnType<typeof newBlob>
  const row = (
    name: string,
    pushes: number,
    push: (server: Running, content: Content, blob: Fresh) => Promise<void>
  ): Row => {
    return {
      name,
      unit: 'MB/s',
      everyCore: true,
      isFor: (_, isRegistry) => isRegistry,
      async run(server, content) {
        const bytes = pushes * pushBytes
        // Before the clock starts: their digests cost this client as much as a server's work.
        const blobs = Array.from({ length: pushes }, () => newBlob(pushBytes, 1024 * 1024))
        const before = cpuSeconds(server.pid)
        const began = performance.now()
        await Promise.all(blobs.map((blob) => push(server, content, blob)))
        const elapsed = (performance.now() - began) / 1000
        return { value: bytes / mega / elapsed, cpu: ((cpuSeconds(server.pid) - before) / bytes) * 1e9 }
      }
    }
  }
  const whole = (server: Running, { repository }: Content, { digest, blocks }: Fresh): Promise<void> =>
    pushBlob(server, repository, { digest, size: pushBytes }, blocks)
  return [
    row('push 256 MiB in one piece', 1, whole),
    row('push 256 MiB in 16 pieces', 1, (server, { repository }, { digest, blocks }) => {
      const pieces = Array.from({ length: 16 }, (_, index) => Buffer.concat(blocks.slice(index * 16, index * 16 + 16)))
      return pushChunked(server, repository, digest, pieces)
    }),
    row('push 256 MiB, two at once', 2, whole)
  ]
}

/** What others wait for while readers stall: the 99th percentile, before and meanwhile. */
function stallRows(seconds: number): Row[] {
  const works: Record<string, (server: Running, content: Content) => Promise<number>> = {
    '/healthz': async (server) =>
      (await load(server, { connections: 4, seconds, method: 'GET', path: '/healthz' })).p99,
    'manifest GET': async (server, { repository, tag }) =>
      (await load(server, { connections: 4, seconds, method: 'GET', path: `/v2/${repository}/manifests/${tag}` })).p99,
    'push 64 KiB': async (server, { repository }) => {
      const times: number[] = []
      for (const until = performance.now() + seconds * 1000; performance.now() < until;) {
        const { digest, blocks } = newBlob(64 * 1024, 64 * 1024)
        const began = performance.now()
        await pushBlob(server, repository, { digest, size: 64 * 1024 }, blocks)
        times.push(performance.now() - began)
      }
      times.sort((a, b) => a - b)
      return times[Math.floor(times.length * 0.99)] ?? NaN
    }
  }
  return Object.entries(works).flatMap(([name, work]) =>
    [0, stalledReaders].map((readers): Row => {
      return {
        name: `${name} p99, ${readers} readers stalled`,
        unit: 'ms',
        needs: '64 MiB',
        isFor: (server) => server.startsWith(causewayName),
        async run(server, content) {
          return whileStalled(server, content, readers, async () => ({ value: await work(server, content) }))
        }
      }
    })
  )
}

type Order = Omit<LoadOrder, 'port' | 'headers'>

async function throughput(server: Running, order: Order): Promise<Figure> {
  const before = cpuSeconds(server.pid)
  const { bytes, seconds } = await load(server, order)
  return { value: bytes / mega / seconds, cpu: ((cpuSeconds(server.pid) - before) / bytes) * 1e9 }
}

const hasWrk = isInstalled('wrk')

/** wrk for GET, which costs the client least; it waits for ever for the body of a HEAD. */
async function requests(server: Running, order: Order): Promise<Figure> {
  const before = cpuSeconds(server.pid)
  const { count, seconds } =
    hasWrk && order.method === 'GET' ? await wrk(server, order) : await load(server, order).then(counted)
  return { value: count / seconds, cpu: ((cpuSeconds(server.pid) - before) / count) * 1e6 }
}

function counted({ requests, seconds }: LoadResult): { readonly count: number; readonly seconds: number } {
  return { count: requests, seconds }
}

async function wrk(
  server: Running,
  { connections, seconds, path }: Order
): Promise<{ count: number; seconds: number }> {
  const headers = Object.entries(await server.headers()).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const url = `http://127.0.0.1:${server.port}${path}`
  const said = await output('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, ...headers, url])
  const [, count = '', took = ''] = /(\d+) requests in ([\d.]+)s/.exec(said) ?? []
  if (count === '' || /Non-2xx|Socket errors/.test(said)) throw new Error(`${server.name} ${path}: ${said}`)
  return { count: Number(count), seconds: Number(took) }
}

async function load(server: Running, order: Order): Promise<LoadResult> {
  const whole: LoadOrder = { ...order, port: server.port, headers: await server.headers() }
  return JSON.parse(
    await output(process.execPath, [join(import.meta.dirname, 'load.ts'), JSON.stringify(whole)])
  ) as LoadResult
}
