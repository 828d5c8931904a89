import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashPassword } from '../module/settings/password-hash.ts'
import type { LoadOrder, LoadResult } from './load.ts'
import { RegistryTree, noise } from './many-images.ts'
import { end, isInstalled, output } from './processes.ts'
import { token, user } from './servers.ts'
import { startParent, SyncingModule } from './syncing.ts'

/*
 * Measures what pulls wait for while a sync at full speed writes: the 99th percentile of a manifest and of a blob of 64 KiB, as
 * a ratio to the same with nothing to sync. README.md has the last figures.
 */

const kibi = 1024
const mebi = 1024 * kibi
const seconds = 3
const hotSize = 64 * kibi
const hot = noise('hot', hotSize)

const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-serving-'))
try {
  if (!isInstalled('docker-registry')) throw new Error("Debian's docker-registry is not installed")
  await run()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  console.log(
    `load before: ${loadavg()
      .map((each) => each.toFixed(1))
      .join(' ')}`
  )
  const content = join(folder, 'parent')
  await mkdir(content)
  const tree = new RegistryTree(content)
  const hotDigest = await tree.add('bench/app', '1', [hot])
  // Some large layers and many small ones: bytes on the one hand, fsyncs on the other.
  const half = 512 * mebi
  for (const part of [1, 2, 3, 4])
    await tree.add('bench/large', String(part), [Buffer.alloc(half, noise(`${part}`, 64))])
  for (let image = 0; image < 200; image += 1)
    await tree.add(
      'bench/small',
      String(image),
      Array.from({ length: 10 }, (_, layer) => noise(`${image} ${layer}`, 16 * kibi))
    )
  const parent = await startParent(content)
  const settings = join(folder, 'settings.json')
  const hash = await hashPassword(user.password)
  const want = (repositories: readonly string[]): Promise<void> =>
    writeFile(
      settings,
      JSON.stringify({
        schemaVersion: '1.0',
        logLevel: 'Information',
        parent: {
          endpoint: `127.0.0.1:${parent.port}`,
          protocol: 'http',
          tokenName: 'bench-token',
          password: 'not asked for'
        },
        imageSets: { bench: { repositories } },
        scopeMaps: { all: { actions: ['repositories/*/content/read', 'repositories/*/metadata/read'] } },
        tokens: { bench: { scopeMap: 'all', passwords: { password1: { hash } } } },
        sync: { intervalMinutes: 60 },
        storage: { reserveMebibytes: 0 }
      })
    )
  await want(['bench/app:1'])
  const module = await SyncingModule.start(folder, settings)
  const measure = async (): Promise<{ manifest: number; blob: number }> => {
    const manifest = await p99(module.port, '/v2/bench/app/manifests/1')
    return { manifest, blob: await p99(module.port, `/v2/bench/app/blobs/${hotDigest}`) }
  }
  try {
    await module.pass(parent)
    const idle = await measure()
    console.log(`idle: p99 of a manifest ${idle.manifest.toFixed(2)} ms, of 64 KiB ${idle.blob.toFixed(2)} ms`)
    for (const [name, repository] of [
      ['layers of 512 MiB', 'bench/large'],
      ['2,000 layers of 16 KiB', 'bench/small']
    ] as const) {
      const passing = module.pass(parent)
      await want(['bench/app:1', repository])
      await parent.asked()
      const busy = await measure()
      const { seconds: took, bytes } = await passing
      console.log(
        `while ${name} are synced (${(bytes / 1e6 / took).toFixed(0)} MB/s, ${took.toFixed(1)} s, of which 6 are measured): manifest ${busy.manifest.toFixed(2)} ms (x ${(busy.manifest / idle.manifest).toFixed(1)}), 64 KiB ${busy.blob.toFixed(2)} ms (x ${(busy.blob / idle.blob).toFixed(1)})`
      )
    }
  } finally {
    await module.stop()
    await end(parent.child)
  }
}

async function p99(port: number, path: string): Promise<number> {
  const order: LoadOrder = {
    port,
    connections: 2,
    seconds,
    method: 'GET',
    path,
    headers: {
      Accept: 'application/vnd.oci.image.manifest.v1+json',
      Authorization: `Bearer ${await token(port)}`
    }
  }
  const said = await output(process.execPath, [join(import.meta.dirname, 'load.ts'), JSON.stringify(order)])
  return (JSON.parse(said) as LoadResult).p99
}
