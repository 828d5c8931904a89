import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { attach } from './attach.ts'
import { billOfMaterials } from './bill-of-materials.ts'
import { root } from './bundle.ts'
import { buildCommand, engineNames, execute, findEngine, pushCommands, type EngineName } from './engine.ts'
import { pack } from './image-content.ts'
import { hasSkopeo } from './layout.ts'
import { pushList } from './list.ts'
import { findNative, nativePackage } from './native.ts'
import { isPlatform, platformHere, platformNames, platforms, type Platform } from './platforms.ts'

const all = Object.keys(platforms) as Platform[]
const usage = `npm run image -- [options]
  --platform <names> of ${all.join(', ')}, with commas between them, or "all" (default: this machine's)
  --base <image>     what it is built upon (default: Node of Docker's library); <platform>=<image> for one of several
  --engine <name>    ${engineNames.join(', ')} (default: the first of them that is there)
  --tag <name>       what it is called here; of several, each has its platform added
  --push <name>      <registry>/acr/connected-registry:causeway-<version>: where it goes, with its bill of
                     materials; several
                     go to <name>-<platform>, and a list of them to <name>
  --without-native   without koffi's binary: blobs leave by reads, not by sendfile
  --context <folder> where to put what is added (default: dist/image)
  --prepare          only that`

// No 32-bit ARM build of Node 24 is in Docker's library.
const usualBases: Partial<Record<Platform, string>> = { arm32v7: 'docker.io/library/node:22-bookworm-slim' }

interface Options {
  readonly context: string
  readonly version: string
  readonly epoch: number
  readonly withNative: boolean
}

try {
  await main()
} catch (error) {
  console.error(`IMAGE_FAILED: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      platform: { type: 'string', default: platformHere() },
      base: { type: 'string', multiple: true, default: [] },
      engine: { type: 'string' },
      tag: { type: 'string' },
      push: { type: 'string' },
      'without-native': { type: 'boolean', default: false },
      context: { type: 'string', default: join(root, 'dist/image') },
      prepare: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const wanted = platformsOf(values.platform)
  const bases = basesOf(values.base, wanted)
  const engine = findEngine(values.engine)
  if (engine === undefined && !values.prepare)
    throw new Error(`none of ${engineNames.join(', ')} is there: install one of them, or give --prepare`)
  if (values.push !== undefined && wanted.length > 1 && !hasSkopeo())
    throw new Error('skopeo is not installed: it brings the list of several platforms to the registry')

  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct') ?? 0)
  const options = { context: values.context, version, epoch, withNative: !values['without-native'] }
  const name = values.tag ?? values.push ?? `localhost/causeway/connected-registry:${version}`
  const isOne = wanted.length === 1 && (values.tag ?? values.push) !== undefined
  const pushed = new Map<Platform, string>()
  for (const platform of wanted) {
    const materials = await prepare(platform, options)
    if (values.prepare || engine === undefined) continue
    const tag = isOne ? name : `${name}-${platform}`
    await build(engine, platform, bases.get(platform), tag, options)
    if (values.push === undefined) {
      console.log(`${tag} is built; ${materials} says what it holds`)
      continue
    }
    const reference = wanted.length === 1 ? values.push : `${values.push}-${platform}`
    for (const words of pushCommands(engine, tag, reference)) await execute(engine, words)
    await attach(reference, materials)
    pushed.set(platform, reference)
  }
  if (values.push !== undefined && pushed.size > 1) await pushList(values.push, pushed)
}

/** @returns the file with the bill of materials */
async function prepare(platform: Platform, { context, epoch, withNative }: Options): Promise<string> {
  const materials = join(context, `${platform}.cdx.json`)
  await mkdir(context, { recursive: true })
  const scratch = await mkdtemp(join(tmpdir(), 'causeway-native-'))
  try {
    const native = withNative ? await findNative(platform, scratch) : undefined
    const notices = await pack({ platform, epoch, native }, join(context, `${platform}.tar`))
    const beside = withNative ? ['koffi', nativePackage(platform)] : []
    await writeFile(materials, await billOfMaterials(root, notices, beside))
  } finally {
    await rm(scratch, { recursive: true })
  }
  return materials
}

async function build(
  engine: EngineName,
  platform: Platform,
  base: string | undefined,
  tag: string,
  { context, version, epoch }: Options
): Promise<void> {
  const words = buildCommand(engine, {
    file: join(root, 'module/Dockerfile'),
    context,
    arguments: {
      PLATFORM: platform,
      VERSION: version,
      REVISION: git('rev-parse', 'HEAD') ?? 'unknown',
      CREATED: new Date(epoch * 1000).toISOString(),
      ...(base === undefined ? {} : { BASE: base })
    },
    platform: platformNames[platform],
    epoch,
    tag
  })
  await execute(engine, words)
}

function platformsOf(words: string): Platform[] {
  if (words === 'all') return all
  return [...new Set(words.split(','))].map((word) => {
    if (!isPlatform(word)) throw new Error(`no platform ${word}\n${usage}`)
    return word
  })
}

/** One base for one platform, or each with the name of its platform before it. */
function basesOf(words: readonly string[], wanted: readonly Platform[]): Map<Platform, string> {
  const bases = new Map(Object.entries(usualBases) as [Platform, string][])
  for (const word of words) {
    const [, named = '', image = word] = /^([^/=]+)=(.+)$/.exec(word) ?? []
    const platform = named === '' && wanted.length === 1 ? wanted[0] : wanted.find((each) => each === named)
    if (platform === undefined)
      throw new Error(
        named === ''
          ? `--base ${word}: of several platforms, say of which one: --base ${all[0] ?? ''}=${word}`
          : `--base ${word}: ${named} is no platform that is built`
      )
    bases.set(platform, image)
  }
  return bases
}

/** What git says, or undefined outside of a checkout. */
function git(...words: string[]): string | undefined {
  try {
    return execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}
