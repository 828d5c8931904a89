import assert from 'node:assert/strict'
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { bundle } from '../../packaging/bundle.ts'
import { defaults } from '../../simulator/simulator.ts'
import { azRefuses } from '../az-set-modules.ts'
import { isInstalled, run, skip } from '../real-tools.ts'
import { World } from '../world.ts'
import { commandsOf, filesOf, scriptOf, sectionsOfDocument } from './document.ts'

const root = join(import.meta.dirname, '../..')
/** Followed by the tests of the two pipelines, who go on from there. */
const ofPipelines = ['GitHub', 'Azure DevOps']

/** `az acr` by causeway, which takes its words, with passwords kept elsewhere; `az iot` says what it is given. */
const az = `#!/bin/sh
case "$1" in
  acr) shift; AZURE_SUBSCRIPTION_ID=${defaults.subscriptionId} CAUSEWAY_SECRETS="$HOME/of-az/secrets.jwe" exec causeway acr "$@" ;;
  iot) printf '%s\\n' "$*" >> "$HOME/az-iot.log" ;;
  *) exit 1 ;;
esac
`

describe('docs/pipeline.md', function () {
  // Every command of it, on two devices whose modules run.
  this.timeout(240_000)
  let world: World

  before(async function () {
    for (const tool of ['bash', 'openssl']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    world = await World.start([{ id: 'gateway' }, { id: 'ship1' }])
    world.simulator.cloud.arm.pollsUntilDone = 0
    await copyFile(join(root, 'deployment.template.json'), join(world.folder, 'deployment.template.json'))
    // The root that trust_bundle_cert names.
    await copyFile(world.simulator.certificates.edge, join(world.folder, 'root.pem'))
    await mkdir(join(world.folder, 'bin'))
    // As it is packed: it starts in a third of the time.
    const program = join(world.folder, 'causeway')
    await bundle('causeway', program)
    const causeway = `#!/bin/sh\nexec '${process.execPath}' '${join(program, 'main.js')}' "$@"\n`
    for (const [name, text] of [
      ['az', az],
      ['causeway', causeway]
    ] as const) {
      await writeFile(join(world.folder, 'bin', name), text)
      await chmod(join(world.folder, 'bin', name), 0o755)
    }
  })
  after(() => world.close())

  it('can be followed, command by command', async () => {
    const sections = (await sectionsOfDocument()).filter(({ heading }) => !ofPipelines.includes(heading))
    const commands: string[] = []
    for (const { text } of sections) {
      for (const [name, content] of filesOf(text)) await writeFile(join(world.folder, name), content)
      commands.push(...commandsOf(text))
    }
    assert.ok(commands.length > 0)
    const environment = {
      ...world.simulator.environment,
      HOME: world.folder,
      PATH: [join(world.folder, 'bin'), process.env['PATH']].join(delimiter)
    }
    const script = join(world.folder, 'document.sh')
    await writeFile(script, `cd "$HOME" || exit\n${scriptOf(commands)}\n`)
    const { code, stdout, stderr } = await run('bash', [script], environment, '', 200_000)
    assert.equal(code, 0, `${stdout}\n${stderr}`)
    assert.doesNotMatch(stderr, /DeprecationWarning/)
  })

  it('gives az a deployment manifest that it takes', async () => {
    const words = (await readFile(join(world.folder, 'az-iot.log'), 'utf8')).trim().split(' ')
    assert.deepEqual(words.slice(0, 3), ['iot', 'edge', 'set-modules'])
    const file = join(world.folder, words[words.indexOf('--content') + 1] ?? '')
    assert.deepEqual(azRefuses(await readFile(file, 'utf8')), [])
  })
})
