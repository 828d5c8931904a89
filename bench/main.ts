import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { makeContent, type BlobSize, type Content } from './content.ts'
import { cores, residentMebibytes } from './processes.ts'
import { pushImage, verify } from './push.ts'
import { rows, type Figure, type Row } from './rows.ts'
import { candidates, causewayName, peerName, type Candidate, type Running } from './servers.ts'
import { slowDisk } from './slow-disk.ts'
import { startUps, type StartUp } from './start-up.ts'

/*
 * Measures Causeway beside its peers: the same content, the same client, in turns (A B A B), the server on one core and
 * the client on the other. Says ratios, which hold on other machines better than figures do; README.md has the last run.
 */

/** Rows of text, for logs and for README.md. */
const plain = {
  chars: {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  '
  },
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 }
}

const values = readArguments()

const noContent: Content = {
  repository: 'bench/app',
  tag: 'latest',
  blobs: new Map(),
  config: Buffer.alloc(0),
  manifest: Buffer.alloc(0),
  mediaType: ''
}

/** Every round's figure of each server. */
interface Measured {
  readonly row: string
  readonly unit: string
  readonly figures: Readonly<Record<string, readonly Figure[]>>
  /** What each server holds in memory after the last round, in MiB. */
  readonly resident: Readonly<Record<string, number>>
}

const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-'))
const wanted = new RegExp(values.only, 'i')
const chosen = rows(values.seconds).filter(({ name }) => wanted.test(name))
const load = loadavg()
try {
  const measured = await run()
  const memory = await startAndMemory()
  const slow = wanted.test('slow disk') ? await slowDisk(folder, values, plain) : []
  const all = {
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    load,
    measured,
    ...memory,
    slow
  }
  await writeFile(values.json, JSON.stringify(all, undefined, 2))
  console.log(`\nload before: ${load.map((each) => each.toFixed(1)).join(' ')}; written to ${values.json}`)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function run(): Promise<Measured[]> {
  if (chosen.length === 0) return []
  const sizes = [...new Set<BlobSize>(['1 KiB', ...chosen.flatMap(({ needs }) => needs ?? [])])]
  await mkdir(join(folder, 'content'))
  const content = await makeContent(join(folder, 'content'), sizes)
  const servers = await startAll(content)
  try {
    const results: Measured[] = []
    for (const row of chosen) {
      for (const { candidate, running } of servers)
        if (candidate.isRegistry && row.isFor(candidate.name, true)) await row.prepare?.(running, content, folder)
      const result = await measure(row, servers, content)
      print(result)
      results.push(result)
    }
    return results
  } finally {
    for (const row of chosen) await row.finish?.()
    for (const { running } of servers) await running.stop()
  }
}

interface Measurable {
  readonly candidate: Candidate
  readonly running: Running
}

async function startAll(content: Content): Promise<Measurable[]> {
  const servers: Measurable[] = []
  const filter = new RegExp(values.servers, 'i')
  for (const candidate of candidates(content).filter(({ name }) => filter.test(name))) {
    if (candidate.missing !== undefined) {
      console.log(`${candidate.name} is left out: ${candidate.missing}`)
      continue
    }
    const own = join(folder, candidate.name.replaceAll(' ', '-'))
    await mkdir(own)
    const everyCore = chosen.every((row) => row.everyCore === true)
    const running = await candidate.start(own, everyCore ? undefined : cores.server)
    servers.push({ candidate, running })
    if (candidate.isRegistry) await pushImage(running, content)
    await verify(running, content.repository, content.blobs.values())
  }
  return servers
}

async function measure(row: Row, servers: readonly Measurable[], content: Content): Promise<Measured> {
  const figures: Record<string, Figure[]> = {}
  for (let round = 0; round < values.rounds; round += 1)
    for (const { candidate, running } of servers)
      if (row.isFor(candidate.name, candidate.isRegistry))
        (figures[candidate.name] ??= []).push(await row.run(running, content))
  const resident = Object.fromEntries(
    servers.map(({ candidate, running }) => [candidate.name, residentMebibytes(running.pid)])
  )
  return { row: row.name, unit: row.unit, figures, resident }
}

function print({ row, unit, figures, resident }: Measured): void {
  const head = [`${row} (${unit})`, 'median', 'spread', `x ${peerName}`, 'CPU', 'x CPU', 'MiB after it']
  const table = new Table({ ...plain, head })
  const base = figures[peerName]
  for (const [name, all] of Object.entries(figures)) {
    const speeds = all.map(({ value }) => value)
    const cpu = all.flatMap((each) => each.cpu ?? [])
    const spread = (Math.max(...speeds) - Math.min(...speeds)) / median(speeds)
    table.push([
      name,
      round(median(speeds)),
      `${(100 * spread).toFixed(0)} %`,
      base === undefined ? '' : pairwise(all, base, ({ value }) => value),
      cpu.length === 0 ? '' : `${round(median(cpu))} ${unit === 'MB/s' ? 's/GB' : 'us'}`,
      base === undefined ? '' : pairwise(all, base, (each) => each.cpu ?? NaN),
      round(resident[name] ?? NaN)
    ])
  }
  console.log(`\n${table.toString()}`)
}

/** The median of the ratios within each round: noise that lasts longer than a round falls out. */
function pairwise(all: readonly Figure[], base: readonly Figure[], of: (figure: Figure) => number): string {
  return median(all.flatMap((each, index) => (base[index] === undefined ? [] : [of(each) / of(base[index])]))).toFixed(
    2
  )
}

async function startAndMemory(): Promise<object> {
  if (!wanted.test('start-up and idle memory')) return {}
  const [candidate] = candidates(noContent).filter(({ name }) => name === causewayName)
  if (candidate === undefined) return {}
  const rounds: StartUp[][] = []
  for (let round = 0; round < values.rounds; round += 1) rounds.push(await startUps(folder, candidate))
  const table = new Table({
    ...plain,
    head: ['start-up and idle memory', 'ms to the first answer', 'x', 'MiB idle', 'x']
  })
  const of = (at: number, key: 'milliseconds' | 'mebibytes'): number =>
    median(rounds.flatMap((each) => each[at]?.[key] ?? []))
  rounds[0]?.forEach(({ name }, at) => {
    const [time, memory] = [of(at, 'milliseconds'), of(at, 'mebibytes')]
    table.push([
      name,
      round(time),
      (time / of(0, 'milliseconds')).toFixed(2),
      round(memory),
      (memory / of(0, 'mebibytes')).toFixed(2)
    ])
  })
  console.log(`\n${table.toString()}`)
  return { startUps: rounds }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

/** Ends the program with one line where a flag is not known, or a number is none. */
function readArguments(): { rounds: number; seconds: number; only: string; servers: string; json: string } {
  const results = join(import.meta.dirname, `results-${new Date().toISOString().slice(0, 10)}.json`)
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '3' },
        only: { type: 'string', default: '' },
        servers: { type: 'string', default: '' },
        json: { type: 'string', default: results }
      }
    })
    const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
    if (!Number.isInteger(rounds) || rounds < 1 || !(seconds > 0))
      throw new Error('rounds and seconds are numbers from 1')
    return { ...values, rounds, seconds }
  } catch (error) {
    console.error(`USAGE: ${error instanceof Error ? error.message : String(error)}; bench/README.md has the flags`)
    process.exit(1)
  }
}
