import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { digestOf, parseDigest } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { openStorage } from './open-storage.ts'

const repository = parseRepository('app')

/** What the child says once it is durable: `blob <digest>`, `tag <name> <digest>`, or `part <key> <bytes>`. */
type Acknowledged = readonly string[]

describe('storage under kill -9', () => {
  let folder: string
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-kill-'))))
  after(() => rm(folder, { recursive: true }))

  it('holds everything that was acknowledged, fifteen kills later', async () => {
    const acknowledged: Acknowledged[] = []
    for (let cycle = 0; cycle < 15; cycle++) {
      acknowledged.push(...(await writeUntilKilled(folder, cycle)))
      await verify(folder, acknowledged)
    }
    // A child that was always killed before its first word would prove nothing.
    assert.ok(acknowledged.filter(([kind]) => kind === 'tag').length >= 15, `${acknowledged.length} acknowledged`)
  }).timeout(60_000)
})

/** Runs the writer and kills it after a random number of its acknowledgements, in the middle of what comes next. */
async function writeUntilKilled(folder: string, cycle: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'power-cut-writer.ts'), folder, String(cycle)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit')
  const heard: Acknowledged[] = []
  const enough = 3 + Math.floor(Math.random() * 20)
  for await (const line of createInterface({ input: stdoutOf(child) })) {
    heard.push(line.split(' '))
    if (heard.length === enough) setTimeout(() => child.kill('SIGKILL'), Math.random() * 8)
  }
  await exited
  assert.equal(child.signalCode, 'SIGKILL')
  return heard
}

async function verify(folder: string, acknowledged: readonly Acknowledged[]): Promise<void> {
  const storage = await openStorage({ folder })
  try {
    for (const [kind, name = '', value = ''] of acknowledged) {
      if (kind === 'blob') {
        assert.equal(digestOf(await storage.blobs.bytes(parseDigest(name))), name)
        assert.ok(await storage.index.hasBlob(repository, parseDigest(name)))
      } else if (kind === 'tag') {
        assert.equal(await storage.index.tag(repository, parseTag(name)), value)
        assert.equal(digestOf(await storage.blobs.bytes(parseDigest(value))), value)
      }
    }
    // Of each cycle's partial file the last word counts: bytes that were flushed are still there to go on from.
    const parts = new Map(
      acknowledged.filter(([kind]) => kind === 'part').map(([, key, bytes]) => [key, Number(bytes)])
    )
    for (const [key = '', bytes] of parts) {
      const ingest = await storage.blobs.ingest(key)
      assert.ok(ingest.offset >= bytes, `${key} has ${ingest.offset} of ${bytes} bytes`)
      await ingest.close()
    }
    // Whatever the index names, acknowledged or not, is whole.
    for (const tag of (await storage.index.tags(repository)) ?? []) {
      const digest = await storage.index.tag(repository, tag)
      assert.ok(digest !== undefined && digestOf(await storage.blobs.bytes(digest)) === digest)
    }
  } finally {
    await storage.close()
  }
}

function stdoutOf(child: ChildProcess): NodeJS.ReadableStream {
  assert.ok(child.stdout)
  return child.stdout
}
