import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle, root } from '../packaging/bundle.ts'

/*
 * Measures what a start of the packed `causeway` costs: processor time, user and system, which other people's load disturbs
 * less than wall time. Commands take turns, so that what lasts longer than a round disturbs all of them. README.md has the last
 * figures.
 */

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '30' }, node: { type: 'string', default: process.execPath } }
})
const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-commands-'))
try {
  await run()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  await bundle('causeway', join(folder, 'causeway'))
  const empty = join(folder, 'empty.mjs')
  await writeFile(empty, '')
  const program = join(folder, 'causeway/main.js')
  const manifest = join(root, 'manifests/deployment.gateway.json')
  const commands: Readonly<Record<string, readonly string[]>> = {
    'an empty program': [empty],
    'causeway --version': [program, '--version'],
    'causeway validate, one file': [program, 'validate', manifest],
    'causeway generate, one device': [
      ...[program, 'generate', '--without-secrets', '--output', '-'],
      ...['--site', join(root, 'manifests/site.yaml'), '--template', join(root, 'deployment.template.json')]
    ]
  }
  const measured = Object.entries(commands).map(([name, words]) => ({ name, words, milliseconds: [] as number[] }))
  const before = loadavg()
  for (let round = 0; round < Number(values.rounds); round++)
    for (const { words, milliseconds } of measured) milliseconds.push(cpuMilliseconds(words))
  console.log(`${values.rounds} rounds; load before and after: ${load(before)}, ${load(loadavg())}`)
  for (const { name, milliseconds } of measured) {
    milliseconds.sort((one, other) => one - other)
    const at = (part: number): string =>
      (milliseconds[Math.floor(part * (milliseconds.length - 1))] ?? Number.NaN).toFixed(0)
    console.log(`${name.padEnd(30)} ms of CPU: least ${at(0)}, median ${at(0.5)}, most ${at(1)}`)
  }
}

/** By bash's own `time`, which counts in milliseconds where /proc counts in hundredths of a second. */
function cpuMilliseconds(words: readonly string[]): number {
  const script = `TIMEFORMAT='%3U %3S'; time "$@" > /dev/null 2>&1`
  const { status, stderr } = spawnSync('bash', ['-c', script, 'time', values.node, ...words], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: folder, LC_ALL: 'C' }
  })
  const [user, system] = stderr.trim().split(' ').map(Number)
  if (status !== 0 || user === undefined || system === undefined)
    throw new Error(`${words.join(' ')} ended with ${String(status)}: ${stderr}`)
  return 1000 * (user + system)
}

function load(averages: readonly number[]): string {
  return averages.map((each) => each.toFixed(1)).join(' ')
}
