import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { attach } from './attach.ts'
import { billOfMaterials } from './bill-of-materials.ts'
import { root } from './bundle.ts'
import { buildCommand, engineNames, execute, findEngine, pushCommands } from './engine.ts'
import { layOut, platforms, type Platform } from './image-content.ts'

const usage = `npm run image -- [options]
  --platform <name>  ${Object.keys(platforms).join(', ')} (default: this machine's)
  --base <image>     what it is built upon (default: Node of Docker's library)
  --engine <name>    ${engineNames.join(', ')} (default: the first of them that is there)
  --tag <name>       what it is called here
  --push <name>      <registry>/acr/connected-registry:<version>: where it goes, with its bill of materials
  --context <folder> where to lay out what is copied (default: dist/image)
  --prepare          only that`

// No 32-bit ARM build of Node 24 is published.
const bases: Partial<Record<Platform, string>> = { arm32v7: 'docker.io/library/node:22-bookworm-slim' }
const names: Readonly<Record<Platform, string>> = {
  amd64: 'linux/amd64',
  arm64v8: 'linux/arm64',
  arm32v7: 'linux/arm/v7'
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
      base: { type: 'string' },
      engine: { type: 'string' },
      tag: { type: 'string' },
      push: { type: 'string' },
      context: { type: 'string', default: join(root, 'dist/image') },
      prepare: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const platform = Object.keys(platforms).find((name): name is Platform => name === values.platform)
  if (platform === undefined) throw new Error(`no platform ${values.platform}\n${usage}`)
  const engine = findEngine(values.engine)
  if (engine === undefined && !values.prepare)
    throw new Error(`none of ${engineNames.join(', ')} is there: install one of them, or give --prepare`)

  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct') ?? 0)
  const { context } = values
  const folder = join(context, platform)
  await mkdir(context, { recursive: true })
  const { hasNative } = await layOut(platform, folder, epoch)
  if (!hasNative)
    console.log(`koffi's binary for ${platform} is not installed: blobs will leave by reads, not by sendfile`)
  const materials = join(context, `${platform}.cdx.json`)
  await writeFile(materials, await billOfMaterials(root, join(folder, 'opt/causeway/THIRD-PARTY-NOTICES')))
  if (values.prepare || engine === undefined) return

  const tag = values.tag ?? values.push ?? `localhost/causeway/connected-registry:${version}-${platform}`
  const base = values.base ?? bases[platform]
  const build = {
    file: join(root, 'module/Dockerfile'),
    context,
    arguments: {
      PLATFORM: platform,
      VERSION: version,
      REVISION: git('rev-parse', 'HEAD') ?? 'unknown',
      CREATED: new Date(epoch * 1000).toISOString(),
      ...(base === undefined ? {} : { BASE: base })
    },
    platform: names[platform],
    epoch,
    tag
  }
  await execute(engine, buildCommand(engine, build))
  if (values.push === undefined) {
    console.log(`${tag} is built; ${materials} says what it holds`)
    return
  }
  for (const words of pushCommands(engine, tag, values.push)) await execute(engine, words)
  await attach(values.push, materials)
}

function platformHere(): string {
  return Object.entries(platforms).find(([, node]) => node === process.arch)?.[0] ?? 'amd64'
}

/** What git says, or undefined outside of a checkout. */
function git(...words: string[]): string | undefined {
  try {
    return execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}
