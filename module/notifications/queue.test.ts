import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { makeEvent, type RegistryEvent } from './event.ts'
import { NotificationQueue } from './queue.ts'

describe('NotificationQueue', () => {
  const lines: string[] = []
  const log = new LineLog((line) => lines.push(line))
  let folder: string
  const opened: NotificationQueue[] = []

  beforeEach(async () => {
    lines.length = 0
    folder = await mkdtemp(join(tmpdir(), 'causeway-notifications-'))
  })

  afterEach(async () => {
    for (const queue of opened.splice(0)) await queue.close()
    await rm(folder, { recursive: true, force: true })
  })

  const openQueue = async (mostEvents?: number): Promise<NotificationQueue> => {
    const queue = await NotificationQueue.open({ folder, log, ...(mostEvents === undefined ? {} : { mostEvents }) })
    opened.push(queue)
    return queue
  }
  const event = (tag: number): RegistryEvent =>
    makeEvent(
      { action: 'push', repository: 'app', tag: String(tag), digest: `sha256:${'a'.repeat(64)}` },
      new Date('2026-11-21T10:00:00Z'),
      { connectedRegistry: 'edge1', version: '0.1.0' }
    )
  const tags = (queue: NotificationQueue, target: string, most = 100): (string | undefined)[] =>
    queue.next(target, most).events.map(({ data }) => data.target.tag)

  it('gives each target every event in order, at its own pace', async () => {
    const queue = await openQueue()
    queue.setTargets(['hub', 'webhook'])
    for (const tag of [1, 2, 3]) queue.add(event(tag))
    assert.deepEqual(tags(queue, 'hub', 2), ['1', '2'])
    queue.delivered('hub', queue.next('hub', 2).upTo)
    assert.deepEqual([tags(queue, 'hub'), tags(queue, 'webhook')], [['3'], ['1', '2', '3']])
    assert.deepEqual(
      [...queue.waiting()],
      [
        ['hub', 1],
        ['webhook', 3]
      ]
    )
  })

  it('goes on after a restart where each target was', async () => {
    const first = await openQueue()
    first.setTargets(['hub', 'webhook'])
    for (const tag of [1, 2, 3]) first.add(event(tag))
    first.delivered('hub', first.next('hub', 2).upTo)
    await first.written()
    // Not closed: the power went.
    const second = await openQueue()
    assert.deepEqual([tags(second, 'hub'), tags(second, 'webhook')], [['3'], ['1', '2', '3']])
    second.add(event(4))
    await second.written()
    assert.deepEqual(tags(await openQueue(), 'hub'), ['3', '4'])
  })

  it('survives a line that was torn by a power cut, and keeps what comes after it', async () => {
    const first = await openQueue()
    first.setTargets(['hub'])
    first.add(event(1))
    await first.written()
    await appendFile(join(folder, 'queue.jsonl'), '{"number":2,"event":{"id":"x","da')
    const second = await openQueue()
    second.add(event(3))
    await second.written()
    assert.deepEqual(tags(await openQueue(), 'hub'), ['1', '3'])
  })

  it('gives a new target only what comes from now on, and forgets one that is gone', async () => {
    const queue = await openQueue()
    queue.setTargets(['hub'])
    queue.add(event(1))
    queue.setTargets(['hub', 'webhook'])
    queue.add(event(2))
    assert.deepEqual(tags(queue, 'webhook'), ['2'])
    queue.setTargets(['webhook'])
    assert.deepEqual([...queue.waiting()], [['webhook', 1]])
    queue.setTargets([])
    queue.add(event(3))
    assert.deepEqual(tags(queue, 'webhook'), [])
  })

  it('drops the oldest where nobody can be reached for too long, and says so once', async () => {
    const queue = await openQueue(3)
    queue.setTargets(['hub'])
    for (let tag = 1; tag <= 6; tag += 1) queue.add(event(tag))
    assert.deepEqual(tags(queue, 'hub'), ['4', '5', '6'])
    assert.equal(lines.filter((line) => line.includes('dropped')).length, 1)
    await queue.written()
    assert.deepEqual(tags(await openQueue(3), 'hub'), ['4', '5', '6'])
  })

  it('does not grow on disk for ever', async () => {
    const queue = await openQueue()
    queue.setTargets(['hub'])
    for (let round = 0; round < 30; round += 1) {
      for (let tag = 0; tag < 100; tag += 1) queue.add(event(tag))
      queue.delivered('hub', queue.next('hub', 100).upTo)
      await queue.written()
    }
    queue.add(event(7))
    await queue.written()
    const { size, mode } = await stat(join(folder, 'queue.jsonl'))
    assert.ok(size < 1100 * JSON.stringify(event(1)).length * 1.2, `${size} bytes`)
    assert.equal(mode & 0o777, 0o600)
    assert.deepEqual(tags(await openQueue(), 'hub'), ['7'])
    assert.match(await readFile(join(folder, 'delivered.json'), 'utf8'), /^\{"hub":3000\}/)
  })

  it('counts on after a restart where everything was delivered', async () => {
    const first = await openQueue()
    first.setTargets(['hub'])
    first.add(event(1))
    first.delivered('hub', first.next('hub', 9).upTo)
    await first.written()
    const second = await openQueue()
    second.add(event(2))
    assert.deepEqual(tags(second, 'hub'), ['2'])
  })

  it('opens, and tells what waits, where the disk takes nothing; and keeps all of it once it does', async () => {
    const first = await openQueue()
    first.setTargets(['hub'])
    for (const tag of [1, 2]) first.add(event(tag))
    await first.written()
    const draft = join(folder, `queue.jsonl.${process.pid}.new`)
    await mkdir(draft)
    const second = await openQueue()
    assert.deepEqual(tags(second, 'hub'), ['1', '2'])
    assert.match(lines.join(''), /<3>.*cannot be kept on disk/)
    await rm(draft, { recursive: true })
    second.add(event(3))
    await second.written()
    assert.deepEqual(tags(await openQueue(), 'hub'), ['1', '2', '3'])
  })

  for (const name of ['queue.jsonl', 'delivered.json', ''])
    it(`opens where ${name === '' ? 'its folder' : name} cannot be read, says so, and tells what comes`, async () => {
      if (name === '') {
        await rm(folder, { recursive: true })
        await writeFile(folder, '')
      } else await mkdir(join(folder, name))
      const queue = await openQueue()
      assert.match(lines.join(''), /<3>.*earlier start cannot be read.*E[A-Z]+/)
      queue.setTargets(['hub'])
      queue.add(event(1))
      await queue.written()
      assert.deepEqual(tags(queue, 'hub'), ['1'])
    })

  it('loses nothing to a disk that was full for a while', async function () {
    const full = await stat('/dev/full').catch(() => undefined)
    if (full === undefined) this.skip() // Only Linux has it.
    const first = await openQueue()
    first.setTargets(['hub'])
    first.add(event(1))
    await first.written()
    const second = await openQueue()
    // Every write to it fails with ENOSPC.
    await rm(join(folder, 'queue.jsonl'))
    await symlink('/dev/full', join(folder, 'queue.jsonl'))
    second.add(event(2))
    await second.written()
    assert.match(lines.join(''), /<3>.*cannot be kept on disk.*ENOSPC/)
    second.add(event(3))
    await second.written()
    assert.deepEqual(tags(await openQueue(), 'hub'), ['1', '2', '3'])
  })
})
