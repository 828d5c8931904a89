import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { acrCommandTree } from '../completion/acr.ts'
import { valueOf } from '../completion/complete.ts'
import { shells } from '../completion/shells.ts'
import { createProgram } from '../program.ts'
import { runCommand, siteText } from '../testing.ts'

describe('causeway completion', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-completion-'))
    const deployments = 'deployments: { plants: { targetCondition: "*", priority: 1, devices: [gateway] } }\n'
    await writeFile(join(folder, 'site.yaml'), siteText(undefined, deployments))
    await writeFile(
      join(folder, 'other.yaml'),
      'devices: { "$(touch evil)": {}, "a b": {}, other: { connectedRegistry: { syncToken: mine } } }\nbroken: ['
    )
  })
  after(() => rm(folder, { recursive: true }))

  /** What is offered for the last word: values, with `:files` or `:folders` where the shell is to look there too. */
  async function offered(...words: readonly string[]): Promise<string[]> {
    const { code, stdout, stderr } = await runCommand(['complete', '--', ...words], { folder })
    assert.deepEqual([code, stderr], [0, ''])
    const [paths = '', ...lines] = stdout.trimEnd().split('\n')
    return [...(paths === ':none' ? [] : [paths]), ...lines.map((line) => line.split('\t')[0] ?? '')]
  }

  const states = ['Online', 'Offline', 'Syncing', 'Unhealthy', 'NotDeployed', 'Unknown']
  const all = ['plant-client', 'plantgateway-sync-token']
  for (const [line, expected] of [
    ['stat', ['status']],
    ['nothing-like-it', []],
    ['images ', ['list', 'import', 'help', 'gateway']],
    ['images li', ['list']],
    ['images list --st', ['--state']],
    ['secrets i', ['import']],
    ['status --not', ['--not-ready']],
    ['status --state ', states],
    ['status --state=Sync', ['--state=Syncing']],
    ['status --not-ready --state Off', ['Offline']],
    ['generate --device ', ['gateway']],
    ['generate --device=g', ['--device=gateway']],
    ['deploy --deployment ', ['plants']],
    ['status --image-set ', ['workloads']],
    ['images list --repository ', ['hello-world']],
    ['pause gate', ['gateway']],
    ['pause gateway ', ['gateway']],
    ['revoke ', all],
    ['rotate plant-client pl', all],
    ['provision --regenerate plant-client/', ['plant-client/password1', 'plant-client/password2']],
    ['client-config --token plant-', ['plant-client']],
    ['client-config --engine pod', ['podman']],
    ['explain M033', ['M033']],
    ['schema ', ['site', 'settings', 'deployment', 'template']],
    ['schema site ', ['--help']],
    ['completion ', [...shells]],
    ['init --clients ', ['api-proxy', 'tls', 'http']],
    ['generate --site ', [':files']],
    ['generate --site=', [':files']],
    ['validate -- ', [':files']],
    ['init ', [':folders']],
    ['configure --timeout ', []],
    ['help clie', ['client-config']],
    ['acr connected-registry per', ['permissions']],
    ['acr token credential ', ['generate', 'delete']],
    ['acr token create --status ', ['enabled', 'disabled']],
    ['acr token create --name x --status=dis', ['--status=disabled']],
    ['acr scope-map create --repository hello content/read --desc', ['--description']],
    // A file that is being written, and names that are no names.
    ['generate --site other.yaml --device ', ['other']],
    ['generate --site=other.yaml --device ', ['other']],
    ['revoke --site other.yaml ', ['mine']],
    ['generate --site absent.yaml --device ', []]
  ] as const)
    it(`offers ${expected.length === 0 ? 'nothing' : expected.join(', ')} for ${JSON.stringify(line)}`, async () => {
      assert.deepEqual((await offered(...line.split(' '))).sort(), [...expected].sort())
    })

  it('offers every command that help lists, and every option', async () => {
    const each = async (command: Command, words: readonly string[]): Promise<void> => {
      const help = command.createHelp()
      const names = help.visibleCommands(command).map((below) => below.name())
      const found = await offered(...words, '')
      for (const name of names) assert.ok(found.includes(name), `${words.join(' ')} ${name}`)
      const flags = help.visibleOptions(command).map(({ long }) => long ?? '')
      assert.deepEqual((await offered(...words, '--')).sort(), flags.sort(), words.join(' '))
      for (const below of command.commands)
        if (names.includes(below.name()) && below.name() !== 'acr') await each(below, [...words, below.name()])
    }
    await each(program(), [])
    await each(acrCommandTree(), ['acr'])
  })

  // Who adds an option says here, or by its name, what its value is.
  it('knows of every option what its value is', () => {
    const free = new Set([
      ...['--platform', '--timeout', '--interval', '--days', '--may-fail', '--reason', '--host', '--port', '--mirror'],
      ...['--subscription', '--resource-group', '--registry', '--hub', '--domain']
    ])
    const unknown: string[] = []
    const each = (command: Command): void => {
      for (const option of command.options)
        if ((option.required || option.optional) && valueOf(option) === undefined && !free.has(option.long ?? ''))
          unknown.push(`${command.name()} ${option.flags}`)
      command.commands.forEach(each)
    }
    each(program())
    assert.deepEqual(unknown, [])
  })

  function program(): Command {
    const stream = new PassThrough()
    const io = { stdout: stream, stderr: stream, env: {}, workingFolder: folder, signal: AbortSignal.timeout(1000) }
    return createProgram(io, () => Promise.resolve())
  }
})
