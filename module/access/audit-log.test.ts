import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import { AuditLog, type AuditFacts } from './audit-log.ts'

describe('audit log', () => {
  let folder: string
  let lines: string[]
  const time = new Date('2026-11-01T12:00:00Z')
  const pulled: AuditFacts = {
    who: 'reader',
    action: 'pull',
    repository: 'samples/app',
    digest: 'sha256:1',
    result: 200,
    correlationId: 'request-1'
  }
  /** As it stands in the file. */
  const written = { who: 'reader', action: 'pull', repository: 'samples/app', digest: 'sha256:1' }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-audit-'))
    lines = []
  })
  afterEach(() => rm(folder, { recursive: true }))

  const create = (largestFile = 10_000): AuditLog =>
    new AuditLog({
      folder: join(folder, 'audit'),
      log: new LineLog((line) => lines.push(line)),
      batchEvery: 3_600_000,
      largestFile,
      now: () => time
    })
  const read = async (name = 'audit.jsonl'): Promise<Record<string, unknown>[]> => {
    const text = await readFile(join(folder, 'audit', name), 'utf8')
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  it('appends a line for each event, over restarts, for nobody else to read', async () => {
    for (const result of [201, 202]) {
      const audit = create()
      audit.record({ ...pulled, result })
      await audit.close()
    }
    assert.deepEqual(await read(), [
      { time: time.toISOString(), ...written, result: 201, correlationIds: ['request-1'] },
      { time: time.toISOString(), ...written, result: 202, correlationIds: ['request-1'] }
    ])
    assert.equal((await stat(join(folder, 'audit/audit.jsonl'))).mode & 0o777, 0o600)
    assert.equal((await stat(join(folder, 'audit'))).mode & 0o777, 0o700)
  })

  it('writes by itself', async () => {
    const audit = new AuditLog({ folder, log: new LineLog(() => undefined), batchEvery: 1 })
    audit.record(pulled)
    let seen = ''
    while (seen === '') seen = await readFile(join(folder, 'audit.jsonl'), 'utf8').catch(() => '')
    assert.match(seen, /samples\/app/)
    await audit.close()
  })

  it('counts what is the same, and does not let a flood of refusals grow or hide what others do', async () => {
    const audit = create(10_000_000)
    for (let pull = 0; pull < 50_000; pull++) audit.record({ ...pulled, correlationId: `request-${pull}` })
    for (let guess = 0; guess < 50_000; guess++)
      audit.record({ who: `guess${guess}`, action: 'token', result: 401, correlationId: 'guess' })
    audit.record({ ...pulled, action: 'push', result: 201 })
    await audit.close()
    const events = await read()
    assert.equal(events.length, 1 + 200 + 1 + 1)
    assert.equal(events[0]?.['count'], 50_000)
    assert.deepEqual(
      events[0]['correlationIds'],
      Array.from({ length: 20 }, (_, pull) => `request-${pull}`)
    )
    assert.equal(events.find(({ action }) => action === 'push')?.['result'], 201)
    assert.deepEqual(events.at(-1), { time: time.toISOString(), unlisted: 49_800 })
  })

  it('puts files aside by size, and keeps a few', async () => {
    const audit = create(300)
    for (let event = 0; event < 40; event++) {
      audit.record({
        who: 'reader',
        action: 'delete',
        repository: `samples/${event}`,
        result: 202,
        correlationId: 'request-1'
      })
      await audit.flush()
    }
    await audit.close()
    assert.deepEqual((await readdir(join(folder, 'audit'))).sort(), [
      'audit.1.jsonl',
      'audit.2.jsonl',
      'audit.3.jsonl',
      'audit.4.jsonl',
      'audit.5.jsonl',
      'audit.jsonl'
    ])
    assert.equal((await read()).at(-1)?.['repository'], 'samples/39')
    assert.ok((await stat(join(folder, 'audit/audit.5.jsonl'))).size < 500)
  })

  it('says once that it cannot write, and goes on with a count when it can', async () => {
    await writeFile(join(folder, 'audit'), 'in the way')
    const audit = create()
    audit.record(pulled)
    await audit.flush()
    audit.record(pulled)
    await audit.flush()
    assert.equal(lines.filter((line) => /cannot be written/.test(line)).length, 1)
    await rm(join(folder, 'audit'))
    audit.record({ ...pulled, who: 'writer' })
    await audit.close()
    const events = await read()
    assert.deepEqual(
      events.map(({ who, unlisted }) => who ?? unlisted),
      ['writer', 2]
    )
  })

  it('takes nothing after its end', async () => {
    const audit = create()
    await audit.close()
    audit.record(pulled)
    await audit.flush()
    assert.deepEqual(await readdir(folder), [])
  })
})
