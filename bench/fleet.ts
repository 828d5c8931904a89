import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { formatManifest, manifestMaker } from '../generator/deployment/generate.ts'
import { readTemplate } from '../generator/deployment/template.ts'
import type { Io } from '../generator/io.ts'
import { run } from '../generator/program.ts'
import { openBackend } from '../generator/secrets/open.ts'
import { SecretStore } from '../generator/secrets/store.ts'
import { azureServices } from '../generator/services.ts'
import { parseSite } from '../generator/site-file/read.ts'
import type { Site } from '../generator/site-file/site.ts'
import { FleetValidator } from '../generator/validate/fleet.ts'

/*
 * Measures what the manifests of a fleet cost: a site file with a pattern and entries over it, a token for each device, its hash
 * stored, all in this process. README.md has the last figures.
 */

const { values } = parseArgs({
  options: { devices: { type: 'string', default: '10000' }, json: { type: 'string' } },
  allowNegative: true
})
const devices = Number(values.devices)
if (!Number.isInteger(devices) || devices < 100) throw new Error('--devices is a number, 100 at the least')

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const rows: Row[] = []
const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-fleet-'))
const io: Io = {
  stdout: new PassThrough().resume(),
  stderr: new PassThrough().resume(),
  env: { CAUSEWAY_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64') },
  workingFolder: folder,
  signal: new AbortController().signal
}
try {
  await bench()
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Milliseconds, of processor (user and system) and by the clock. */
interface Row {
  readonly what: string
  readonly cpu: number
  readonly wall: number
  /** Of one device, where it is about each. */
  readonly perDevice?: number
}

async function bench(): Promise<void> {
  console.log(
    `${devices} devices; load before: ${loadavg()
      .map((each) => each.toFixed(1))
      .join(' ')}`
  )
  const text = siteText()
  await writeFile(join(folder, 'site.yaml'), text)
  const site = await measured('the site file, its patterns and checks', () => parseSite(text, 'site.yaml'))
  await measured('a password for each token stored, in one write', () => store(site))
  const secrets = await measured('the passwords read and decrypted', () => open(site, 'read'))
  const template = await readTemplate('deployment.template.json', folder)
  const now = new Date('2026-11-22T00:00:00Z')
  const digests: string[] = []
  const heap: number[] = []
  for (const pass of ['first', 'second']) {
    const digest = createHash('sha256')
    const all = Object.values(site.devices)
    const make = manifestMaker(site, template, { secrets, now })
    const validator = new FleetValidator(site)
    const one = (device: (typeof all)[number]): void => {
      const made = formatManifest(make(device))
      const record = secrets.slot(device.syncToken, 'password1')
      const passwords = record?.state === 'stored' ? [record.value] : []
      validator.assertValid(made, device.id, { names: [device.id, device.registryName, device.syncToken], passwords })
      digest.update(made)
    }
    const [first, ...others] = all
    if (first === undefined) return
    await measured(`the first device, made and validated (${pass} pass)`, () => {
      one(first)
    })
    await measured(
      `each of the others (${pass} pass)`,
      () => {
        for (const [index, device] of others.entries()) {
          if (pass === 'second' && (index === Math.floor(devices / 10) || index === others.length - 1))
            heap.push(used())
          one(device)
        }
      },
      others.length
    )
    digests.push(digest.digest('hex'))
  }
  for (const place of ['one', 'two'])
    await measured(
      `causeway generate --device '*', a file for each, durably (${place})`,
      async () => {
        const code = await run(['generate', '--device', '*', '--output', place], io, azureServices)
        if (code !== 0) throw new Error(`generate ended with ${code}`)
      },
      devices
    )
  for (const { what, cpu, wall, perDevice } of rows)
    console.log(
      `${what.padEnd(72)} ${cpu.toFixed(0).padStart(7)} ms CPU ${wall.toFixed(0).padStart(7)} ms${perDevice === undefined ? '' : ` ${perDevice.toFixed(3)} ms CPU a device`}`
    )
  const same = digests[0] === digests[1] && (await digestOf('one')) === (await digestOf('two'))
  const growth = (heap.at(-1) ?? 0) - (heap[0] ?? 0)
  const resident = process.resourceUsage().maxRSS / 1024
  console.log(
    `two runs give ${same ? 'the same bytes' : 'OTHER BYTES'}; heap in use grows by ${growth.toFixed(1)} MiB from device ${Math.floor(devices / 10)} to the last (${(heap.at(-1) ?? 0).toFixed(0)} MiB); resident ${resident.toFixed(0)} MiB at the most`
  )
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify({ devices, rows, same, growth, resident }, undefined, 2)}\n`)
}

async function measured<Result>(what: string, work: () => Result | Promise<Result>, each?: number): Promise<Result> {
  const before = process.cpuUsage()
  const start = performance.now()
  const result = await work()
  const wall = performance.now() - start
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1000
  rows.push({ what, cpu, wall, ...(each === undefined ? {} : { perDevice: cpu / each }) })
  return result
}

/** MiB of the heap that something holds. */
function used(): number {
  collect()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

/** One pattern for all, ten ranges over it, and a hundred devices of their own. */
function siteText(): string {
  const width = String(devices).length
  const number = (index: number): string => String(index).padStart(width, '0')
  const ranges = Array.from({ length: 10 }, (_, index) => {
    const first = 1 + Math.floor((index * devices) / 10)
    return `  ship-{${number(first)}..${number(first + Math.floor(devices / 40))}}: { imageSets: [bridge], hostName: "ship-{1}.example" }`
  })
  const own = Array.from({ length: 100 }, (_, index) => {
    const id = number(1 + Math.floor((index * devices) / 100))
    return `  ship-${id}: { logLevel: Debug, port: ${9000 + index} }`
  })
  return `schemaVersion: "1.0"
azure: { subscription: 00000000-0000-0000-0000-000000000001, resourceGroup: demo, registry: mycontainerregistry001, hub: causeway-hub }
scopeMaps:
  plant-readers: { actions: [repositories/hello-world/content/read, repositories/hello-world/metadata/read] }
tokens:
  plant-client: { scopeMap: plant-readers }
imageSets:
  bridge: { repositories: ["hello-world:v*"], priority: 10 }
  galley: { repositories: ["galley/menu:stable"], priority: 20 }
devices:
  ship-{${number(1)}..${devices}}: { connectedRegistry: { name: "ship{1}" } }
${ranges.join('\n')}
${own.join('\n')}
`
}

/** Hashes of the right form: real ones take 45 ms each, once, when a password is made. */
async function store(site: Site): Promise<void> {
  const names = [
    site.pullToken.name,
    ...Object.keys(site.tokens),
    ...Object.values(site.devices).map((each) => each.syncToken)
  ]
  const secrets = await open(site, 'write')
  await Promise.all(
    names.map((name) => {
      const text = createHash('sha256').update(name).digest('base64')
      const password = { value: `${text}${text}`.slice(0, 52), creationTime: '2026-01-01T00:00:00.000Z' }
      return secrets.keep(name, 'password1', password, `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${text.slice(0, 43)}`)
    })
  )
  await secrets.close()
}

async function open(site: Site, access: 'read' | 'write'): Promise<SecretStore> {
  const { loginServer } = site
  const vault = (): Promise<never> => Promise.reject(new Error('there is no key vault'))
  const at = { named: undefined, folder: join(folder, '.causeway'), loginServer, keyVault: undefined, io, vault }
  await mkdir(at.folder, { recursive: true })
  return SecretStore.open(await openBackend(at), loginServer, access)
}

async function digestOf(name: string): Promise<string> {
  const digest = createHash('sha256')
  for (const file of (await readdir(join(folder, name))).sort())
    digest.update(file).update(await readFile(join(folder, name, file)))
  return digest.digest('hex')
}
