import assert from 'node:assert/strict'
import { copyFileSync, globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import packageJson from '../package.json' with { type: 'json' }
import { siteSchema } from '../generator/site-file/schema.ts'
import { createMethods } from '../module/methods.ts'
import { settingsSchema, type SettingsInput } from '../module/settings/document.ts'
import { blocksOf, commandsOf, documentText, root, type Block } from './document-blocks.ts'
import { isInstalled, mustRun, Program } from './real-tools.ts'
import { World } from './world.ts'

/** Not written by hand (`npm run docs`): test/documents.test.ts compares them with what they are made of. */
const made = ['docs/commands.md', 'docs/settings.md']
/** Its blocks are for CI services, and followed by tests of their own. */
const ofServices = ['docs/pipeline.md']

const pushedOnLoopback = 'test/image.test.ts pushes one, to a registry on loopback'

/**
 * Commands that cannot be run as they stand, by document: why, and what is run in their place. A command that is neither
 * `causeway`'s nor among them makes the test fail, and so does one here that no document has.
 */
const otherwise: Readonly<Record<string, string | (() => Promise<void>)>> = {
  // `npm ci` needs a package registry, and takes away what runs this test.
  'README.md: npm ci && npm start': startDemo,
  'README.md: npm ci && npm test': 'this is one of the tests that it runs',
  'README.md: npm run causeway -- init': initInClone,
  'README.md: causeway() { npm run --silent causeway -- "$@"; }': () => {
    // What the commands after it are run by here, without npm in between.
    assert.equal(packageJson.scripts.causeway, 'node generator/main.ts')
    return Promise.resolve()
  },
  'docs/image.md: npm run image': 'test/image.test.ts builds it, where an engine is there',
  'docs/image.md: npm run image -- --platform all --push myregistry.azurecr.io/acr/connected-registry:causeway-0.1.0':
    pushedOnLoopback,
  ...Object.fromEntries(
    ['README.md', 'docs/moving-from-microsoft.md', 'docs/nested.md'].map((name) => [
      `${name}: npm run image -- --platform all --push mycontainerregistry001.azurecr.io/acr/connected-registry:causeway-0.1.0`,
      pushedOnLoopback
    ])
  ),
  'docs/moving-from-microsoft.md: causeway secrets import --site site.yaml plant-client.json':
    'no document has a password in it; generator/commands/secrets-import.test.ts imports such files',
  'docs/module.md: CAUSEWAY_SETTINGS=settings.json CAUSEWAY_DATA=./data CAUSEWAY_LISTEN=127.0.0.1:8080 npm run module':
    startModule,
  'docs/module.md: sudo docker exec connected-registry node /opt/causeway/main.js doctor': 'test/image.test.ts runs it',
  'docs/troubleshooting.md: sudo docker exec connected-registry node /opt/causeway/main.js doctor':
    'test/image.test.ts runs it',
  'docs/troubleshooting.md: sudo iotedge logs connected-registry --tail 50':
    "iotedge is a device's; the form of the lines that it filters is module/log/log.test.ts's",
  'docs/troubleshooting.md: az iot hub invoke-module-method --method-name doctor --device-id gateway --module-id connected-registry --hub-name causeway-hub':
    async () => {
      // az needs a subscription; test/doctor.test.ts has the answer.
      const methods: ReadonlySet<string> = new Set(createMethods({} as never).keys())
      assert.ok(methods.has('doctor'))
      return Promise.resolve()
    },
  'docs/troubleshooting.md: sudo iotedge logs connected-registry | grep correlationId=5a2c9f0e-6f0b-4a55-9d38-1f6f3f1f0c11':
    'the same; test/correlation.test.ts finds such lines'
}

/** The whole road, and at its end the commands that it prints. */
async function startDemo(): Promise<void> {
  assert.equal(packageJson.scripts.start, 'node demo/main.ts')
  const folder = await mkdtemp(join(tmpdir(), 'causeway-documents-'))
  const environment = { HOME: folder, TMPDIR: folder, REGISTRY_AUTH_FILE: join(folder, 'auth.json') }
  const demo = new Program(process.execPath, [join(root, 'demo/main.ts')], environment)
  try {
    for (const step of [/^1\. /m, /^4\. /m, /^7\. /m]) await demo.says(step)
    await demo.says(/Ctrl-C ends all of it/)
    assert.match(demo.said, /^ +docker login /m)
    const printed = [...demo.said.matchAll(/^ +(skopeo .*)$/gm)].map(([, line = '']) => line)
    assert.equal(printed.length, 2)
    if (!isInstalled('skopeo')) console.log('    skipped: skopeo is not installed, and so does not log in and pull')
    else for (const line of printed) await mustRun('sh', ['-c', `cd ${folder} && ${line}`], environment)
  } finally {
    await demo.end('SIGINT')
    await rm(folder, { recursive: true, force: true })
  }
}

/** In a clone, whose template is there; with answers, since nobody sits here. */
async function initInClone(): Promise<void> {
  assert.equal(packageJson.scripts.causeway, 'node generator/main.ts')
  const folder = await mkdtemp(join(tmpdir(), 'causeway-documents-'))
  try {
    copyFileSync(join(root, 'deployment.template.json'), join(folder, 'deployment.template.json'))
    const answers = ['--subscription', '00000000-0000-0000-0000-000000000001', '--resource-group', 'plant']
    const names = ['--registry', 'plantregistry', '--hub', 'plant-hub']
    await mustRun(process.execPath, [join(root, 'generator/main.ts'), 'init', folder, ...answers, ...names], {})
    assert.deepEqual(globSync('*', { cwd: folder }).sort(), ['deployment.template.json', 'site.yaml'])
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The command of docs/module.md with its own variables, on a port that is free, in a folder that is empty but for the settings. */
async function startModule(): Promise<void> {
  assert.equal(packageJson.scripts.module, 'node module/main.ts')
  const folder = await mkdtemp(join(tmpdir(), 'causeway-documents-'))
  const settings: SettingsInput = { schemaVersion: '1.0', anonymousPull: { enabled: true } }
  await writeFile(join(folder, 'settings.json'), JSON.stringify(settings))
  const [command = ''] = Object.keys(otherwise).filter((key) => key.endsWith('npm run module'))
  const variables = Object.fromEntries(
    [...command.matchAll(/(CAUSEWAY_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [
      name,
      value.endsWith(':8080') ? value.replace(/8080$/, '0') : join(folder, value)
    ])
  )
  assert.deepEqual(Object.keys(variables), ['CAUSEWAY_SETTINGS', 'CAUSEWAY_DATA', 'CAUSEWAY_LISTEN'])
  const module = new Program(process.execPath, [join(root, 'module/main.ts')], variables)
  try {
    await module.says(/ settings applied /)
    await module.says(/ serving .*address=http:\/\/127\.0\.0\.1:\d+/)
    await writeFile(join(folder, 'settings.json'), JSON.stringify({ ...settings, logLevel: 'Debug' }))
    await module.says(/ settings applied .*version=2/)
  } finally {
    assert.equal(await module.end(), 0, module.said)
    await rm(folder, { recursive: true })
  }
}

/** What a block of configuration is, by the file that it says it is; the commands after it read it there. */
const schemas: Readonly<Record<string, (text: string) => unknown>> = {
  'site.yaml': (text) => siteSchema.parse(parseYaml(text)),
  'settings.json': (text) => settingsSchema.parse(JSON.parse(text))
}

/** Drawings, in which nothing is to be run or read by a program. */
const drawings: Readonly<Record<string, string>> = { 'README.md': 'site.yaml ─▶ causeway' }

const names = globSync(['*.md', '{docs,bench}/*.md'], { cwd: root })
  .filter((name) => !made.includes(name) && !ofServices.includes(name))
  .sort()

function keyOf(name: string, command: string): string {
  return `${name}: ${command.replaceAll(/ +/g, ' ')}`
}

function isCauseway(command: string): boolean {
  return command.startsWith('causeway ')
}

describe('the blocks of the documents', function () {
  this.timeout(120_000)

  it('are commands or configuration that a test follows', () => {
    const unknown: string[] = []
    const seen = new Set<string>()
    for (const name of names)
      for (const block of blocksOf(documentText(name)))
        if (block.language === 'sh' || block.language === 'console')
          for (const { command } of commandsOf(block)) {
            if (block.language === 'sh' && isCauseway(command)) continue
            seen.add(keyOf(name, command))
            if (!Object.hasOwn(otherwise, keyOf(name, command))) unknown.push(keyOf(name, command))
          }
        else if (block.language === 'text' && name in drawings)
          assert.ok(block.text.includes(drawings[name] ?? ''), `${name}: another drawing`)
        else if (block.file === undefined || !Object.hasOwn(schemas, block.file))
          unknown.push(`${name}: a block of ${block.language} ${block.file ?? 'that is no file'}`)
        else schemas[block.file]?.(block.text)
    assert.deepEqual(unknown, [], 'run it here, or say in this test why it cannot be')
    assert.deepEqual([...seen].sort(), Object.keys(otherwise).sort(), 'what is listed stands in a document')
  })

  for (const [key, what] of Object.entries(otherwise))
    if (typeof what === 'function') it(`can be followed: ${key}`, what)

  for (const name of names) {
    const blocks = blocksOf(documentText(name))
    if (blocks.some((block) => block.language === 'sh' && commandsOf(block).some(({ command }) => isCauseway(command))))
      describe(name, () => follow(name, blocks))
  }
})

function follow(name: string, blocks: readonly Block[]): void {
  let world: World

  before(async () => {
    const [, listed] = /^<!-- devices: (.*) -->$/m.exec(documentText(name)) ?? []
    const devices = listed
      ?.split(', ')
      .filter((entry) => entry !== '')
      .map((entry) => {
        const [id = '', parentId] = entry.split(':')
        return parentId === undefined ? { id } : { id, parentId }
      })
    world = await World.start(devices)
    // The folder that these commands are for is a clone.
    copyFileSync(join(root, 'deployment.template.json'), join(world.folder, 'deployment.template.json'))
  })
  after(() => world.close())

  it('can be followed, command by command', async () => {
    for (const block of blocks) {
      if (block.file !== undefined) await writeFile(join(world.folder, block.file), block.text)
      if (block.language !== 'sh') continue
      for (const { command, codes } of commandsOf(block).filter(({ command }) => isCauseway(command))) {
        const words = command.split(/ +/).slice(1)
        if (words.includes('--watch')) {
          await watch(world, words)
          continue
        }
        const { code, stdout, stderr } = await world.command(...words)
        assert.ok(code !== null && codes.includes(code), `${command}: ${code ?? 'killed'}\n${stdout}\n${stderr}`)
      }
    }
  })
}

/** What stays until somebody has seen enough. */
async function watch(world: World, words: readonly string[]): Promise<void> {
  const program = new Program(
    process.execPath,
    [join(root, 'generator/main.ts'), ...words.map((word) => (word === 'site.yaml' ? world.site : word))],
    { HOME: world.folder, ...world.simulator.environment }
  )
  try {
    await program.says(/gateway +Online/)
  } finally {
    await program.end('SIGINT')
  }
}
