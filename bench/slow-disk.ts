import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Table from 'cli-table3'
import { makeContent } from './content.ts'
import type { LoadOrder, LoadResult } from './load.ts'
import { cores, isInstalled, output } from './processes.ts'
import { newBlob, pushBlob, pushImage, pushManifest } from './push.ts'
import { causeway, type Running } from './servers.ts'

/** Milliseconds. */
const delay = 50
const pushers = 4

/** Every fsync of the process, SQLite's included, whichever thread makes it: what an SD card is like on a bad day. */
const slowFsync = `
#include <sys/syscall.h>
#include <unistd.h>
int fsync(int file) { usleep(${delay * 1000}); return syscall(SYS_fsync, file); }
int fdatasync(int file) { usleep(${delay * 1000}); return syscall(SYS_fdatasync, file); }
`

/** What those who pull wait for, in milliseconds; and those who push meanwhile, where somebody does. */
export interface SlowDisk {
  readonly name: string
  readonly p50: number
  readonly p99: number
  readonly pushes?: number
  readonly fastestPush?: number
}

/**
 * Pulls of a manifest on a disk whose every fsync takes 50 ms longer, alone and while others push blobs and manifests.
 *
 * @param style of the table
 * @returns each round's figures, none where no C compiler is there to make the disk slow
 */
export async function slowDisk(
  folder: string,
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
  style: object
): Promise<readonly SlowDisk[]> {
  const own = join(folder, 'slow-disk')
  await mkdir(own)
  if (!isInstalled('gcc')) {
    console.log('\nthe slow disk is left out: gcc is not installed')
    return []
  }
  const library = join(own, 'slow-fsync.so')
  await writeFile(join(own, 'slow-fsync.c'), slowFsync)
  await output('gcc', ['-shared', '-fPIC', '-O2', '-o', library, join(own, 'slow-fsync.c')])
  const content = await makeContent(own, ['1 KiB'])
  const server = await causeway('causeway', { LD_PRELOAD: library }).start(own, cores.server)
  try {
    await pushImage(server, content)
    const order = { connections: 4, seconds, path: `/v2/${content.repository}/manifests/${content.tag}` }
    const measured: SlowDisk[] = []
    for (let round = 0; round < rounds; round += 1) {
      measured.push({ name: 'nobody pushes', ...(await pull(server, order)) })
      const ending = new AbortController()
      const times: number[] = []
      const pushing = Promise.all(
        Array.from({ length: pushers }, async () => {
          while (!ending.signal.aborted) {
            const began = performance.now()
            const { digest, blocks } = newBlob(1024 * 1024, 64 * 1024)
            await pushBlob(server, content.repository, { digest, size: 1024 * 1024 }, blocks)
            times.push(performance.now() - began)
            await pushManifest(server, content, `pushed-${times.length}`)
          }
        })
      )
      const pulled = await pull(server, order)
      ending.abort()
      await pushing
      const fastestPush = Math.min(...times)
      measured.push({ name: `${pushers} push without end`, ...pulled, pushes: times.length, fastestPush })
    }
    print(measured, style)
    return measured
  } finally {
    await server.stop()
  }
}

async function pull(server: Running, order: Pick<LoadOrder, 'connections' | 'seconds' | 'path'>): Promise<LoadResult> {
  const whole: LoadOrder = { ...order, method: 'GET', port: server.port, headers: await server.headers() }
  const said = await output(process.execPath, [join(import.meta.dirname, 'load.ts'), JSON.stringify(whole)])
  return JSON.parse(said) as LoadResult
}

function print(measured: readonly SlowDisk[], style: object): void {
  const head = [`manifest GET, each fsync ${delay} ms slower`, 'p50 ms', 'p99 ms, each round', 'pushes', 'fastest, ms']
  const table = new Table({ ...style, head })
  for (const name of new Set(measured.map((each) => each.name))) {
    const all = measured.filter((each) => each.name === name)
    const [p50, p99, pushes, fastest] = (['p50', 'p99', 'pushes', 'fastestPush'] as const).map((key) =>
      all.flatMap((each) => each[key] ?? [])
    )
    table.push([
      name,
      Math.min(...(p50 ?? [])).toFixed(2),
      (p99 ?? []).map((each) => each.toFixed(2)).join(' '),
      (pushes ?? []).join(' '),
      fastest === undefined || fastest.length === 0 ? '' : Math.min(...fastest).toFixed(0)
    ])
  }
  console.log(`\n${table.toString()}`)
}
