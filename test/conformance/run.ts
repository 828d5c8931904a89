import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashPassword } from '../../module/settings/password-hash.ts'
import type { SettingsInput } from '../../module/settings/document.ts'
import { LoneModule } from '../lone-module.ts'
import { run, type Variables } from '../real-tools.ts'
import { preload } from './preload.ts'

/*
 * `npm run conformance`: the official suite of the distribution spec against the module as it is started on a device, in both
 * modes and with both challenges, and the score. It ends with 1 where a check failed or was skipped: a skip means that the
 * registry said "unsupported".
 */

const suite = 'github.com/opencontainers/distribution-spec/conformance'
const user = 'conformance'
const password = 'a password for loopback alone'
const repository = 'conformance/repo1'

/** What a run's last lines count. */
interface Score {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly disabled: number
}

const folder = await mkdtemp(join(tmpdir(), 'causeway-conformance-'))
try {
  process.exitCode = await main()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function main(): Promise<number> {
  const program = join(folder, 'suite')
  const absent = await build(program)
  if (absent !== undefined) {
    console.log(`conformance: not run: ${absent}`)
    return 0
  }
  let clean = true
  for (const challenge of ['Bearer', 'Basic'] as const) {
    const module = new LoneModule(await fresh(challenge))
    await module.write(await settings(challenge, 'ReadWrite'))
    await module.start()
    try {
      for (const version of ['1.1', 'dev']) {
        const variables = { OCI_VERSION: version, OCI_DATA_SPARSE: 'true' }
        clean = (await judge(program, module.origin, `ReadWrite, ${challenge}, ${version}`, variables)) && clean
      }
      const readOnly = await becomeReadOnly(module, challenge)
      for (const version of ['1.1', 'dev']) {
        const variables = { OCI_VERSION: version, ...readOnly }
        clean = (await judge(program, module.origin, `ReadOnly, ${challenge}, ${version}`, variables)) && clean
      }
    } finally {
      await module.stop()
    }
  }
  return clean ? 0 : 1
}

/** @returns why it cannot be built here */
async function build(program: string): Promise<string | undefined> {
  const { HOME, GOPROXY, GOPATH, GOCACHE, GOFLAGS, https_proxy: proxy } = process.env
  // Of this Go, or not at all: a toolchain is not fetched for it.
  const go = { HOME, GOPROXY, GOPATH, GOCACHE, GOFLAGS, https_proxy: proxy, GOTOOLCHAIN: 'local' }
  const words = ['build', '-C', import.meta.dirname, '-mod=readonly', '-o', program, suite]
  try {
    const { code, stderr } = await run('go', words, go, '', 300_000)
    return code === 0 ? undefined : `the suite cannot be built here: ${stderr.trim()}`
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'Go is not installed' : `the suite cannot be built here: ${message}`
  }
}

async function fresh(name: string): Promise<string> {
  const path = join(folder, name)
  await mkdir(path)
  return path
}

async function settings(challenge: 'Bearer' | 'Basic', mode: 'ReadOnly' | 'ReadWrite'): Promise<SettingsInput> {
  const rights = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']
  return {
    schemaVersion: '1.0',
    mode,
    registry: { challenge },
    scopeMaps: { all: { actions: rights.map((right) => `repositories/*/${right}`) } },
    tokens: { [user]: { scopeMap: 'all', passwords: { password1: { hash: await hashPassword(password) } } } }
  }
}

/** Content is pushed while that is possible; then the mode is changed as on a device, by the settings. */
async function becomeReadOnly(module: LoneModule, challenge: 'Bearer' | 'Basic'): Promise<Variables> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const loaded = await preload(module.origin, authorization, repository)
  const before = module.log.length
  await module.write(await settings(challenge, 'ReadOnly'))
  await module.logs(/settings applied/, before)
  const off = [
    'PUSH',
    'BLOBS_DELETE',
    'BLOBS_ATOMIC',
    'MANIFESTS_DELETE',
    'MANIFESTS_ATOMIC',
    'TAGS_DELETE',
    'TAGS_ATOMIC'
  ]
  return {
    ...Object.fromEntries(off.map((each) => [`OCI_API_${each}`, 'false'])),
    OCI_API_BLOBS_UPLOAD_CANCEL: 'false',
    // The suite looks at the header only of manifests whose bytes it knows, and then misses it (ManifestHeadExists in api.go).
    OCI_API_MANIFESTS_DIGEST_HEADER: 'false',
    OCI_RO_DATA_TAGS: loaded.tags.join(' '),
    OCI_RO_DATA_MANIFESTS: loaded.manifests.join(' '),
    OCI_RO_DATA_BLOBS: loaded.blobs.join(' '),
    OCI_RO_DATA_REFERRERS: loaded.subjects.join(' ')
  }
}

/** Runs the suite and prints its score. @returns whether nothing failed and nothing was skipped */
async function judge(program: string, origin: string, title: string, variables: Variables): Promise<boolean> {
  const results = join(folder, 'results')
  const { stdout, stderr } = await run(
    program,
    [],
    {
      OCI_REGISTRY: new URL(origin).host,
      OCI_TLS: 'disabled',
      OCI_REPO1: repository,
      OCI_REPO2: 'conformance/repo2',
      OCI_USERNAME: user,
      OCI_PASSWORD: password,
      OCI_RESULTS_DIR: results,
      ...variables
    },
    '',
    300_000
  )
  const score = readScore(stdout)
  if (score === undefined) {
    console.log(`conformance: ${title}: the suite gave no score\n${stdout}${stderr}`)
    return false
  }
  const { passed, failed, skipped, disabled } = score
  console.log(
    `conformance: ${title}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${disabled} not asked for`
  )
  if (failed + skipped === 0 && passed > 0) return true
  console.log(stdout.replace(/^ *OCI Conformance Test.*: (?:Pass|Disabled)\n/gm, ''))
  return false
}

function readScore(report: string): Score | undefined {
  const count = (name: string): number => Number(new RegExp(`^ {2}${name}\\.*: +(\\d+)$`, 'm').exec(report)?.[1])
  const score = {
    passed: count('Pass'),
    failed: count('FAIL') + count('Error'),
    skipped: count('Skip'),
    disabled: count('Disabled')
  }
  return Object.values(score).some((each) => Number.isNaN(each)) ? undefined : score
}
