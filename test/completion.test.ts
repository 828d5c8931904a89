import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isInstalled, skip } from './real-tools.ts'

const root = join(import.meta.dirname, '..')
const ready = 'READY>'

/** How a shell starts without anybody's own files, takes the completion, and shows which words it was given. */
const shells = {
  bash: {
    command: 'bash --noprofile --norc -i',
    setUp: (node: string, main: string) => `PS1='${ready}'
causeway() { if [ "$1" = complete ] || [ "$1" = completion ]; then '${node}' '${main}' "$@"; else printf '[%s]' "$@"; echo .; fi; }
source <(causeway completion bash)
bind 'set bell-style none'`
  },
  zsh: {
    command: 'zsh -f -i',
    setUp: (node: string, main: string) => `PS1='${ready}'; unsetopt beep zle_bracketed_paste
causeway() { if [[ $1 == complete || $1 == completion ]]; then '${node}' '${main}' "$@"; else printf '[%s]' "$@"; echo .; fi; }
autoload -Uz compinit; compinit -D
source <(causeway completion zsh)`
  },
  fish: {
    command: 'fish --no-config -i',
    setUp: (node: string, main: string) => `function fish_prompt; printf '${ready}'; end
function causeway; if contains -- "$argv[1]" complete completion; '${node}' '${main}' $argv; else; printf '[%s]' $argv; echo .; end; end
causeway completion fish | source`
  }
} as const

const tab = '\t'

describe('completion in real shells', function () {
  this.timeout(90_000)
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-completion-'))
    await copyFile(join(root, 'manifests/site.yaml'), join(folder, 'site.yaml'))
    await writeFile(join(folder, 'template of mine.json'), '{}')
    await mkdir(join(folder, 'northern-plant'))
  })
  after(() => rm(folder, { recursive: true }))

  for (const name of ['bash', 'zsh', 'fish'] as const)
    describe(name, () => {
      let shell: Typed | undefined

      before(async function () {
        // From util-linux: a terminal for a command, typed on through stdin.
        for (const tool of ['script', name]) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
        const { command, setUp } = shells[name]
        await writeFile(join(folder, `set-up.${name}`), setUp(process.execPath, join(root, 'generator/main.ts')))
        shell = new Typed(command, folder)
        await shell.until(/[$#%>] ?(\u001b[^\r\n]*)?$/)
        shell.type(`source ./set-up.${name}\r`)
        await shell.until(/READY>(\u001b[^\r\n]*)?\s*$/)
      })
      after(() => shell?.end())

      for (const [title, line, words] of [
        [
          'options, devices and choices',
          ['status --dev', 'gat', '--state Unk'],
          '[status][--device][gateway][--state][Unknown]'
        ],
        ['a value joined on with =', ['status --state=Not'], '[status][--state=NotDeployed]'],
        ["commands, and what is az's", ['ac', 'token cred', 'gen'], '[acr][token][credential][generate]'],
        ['files', ['validate templ'], '[validate][template of mine.json]'],
        // zsh takes the stroke away again when the line goes off.
        ['folders', ['init nor'], name === 'zsh' ? '[init][northern-plant]' : '[init][northern-plant/]']
      ] as const)
        it(title, async () => {
          const shown = await shell!.run(`causeway ${line.map((part) => `${part}${tab}`).join('')}`)
          assert.ok(shown.includes(`${words}.`), shown)
        })

      it('runs nothing of what stands on the line', async () => {
        const kill = '\u0015'
        shell!.type(`causeway explain $(touch evil) --h${tab}${kill}`)
        await shell!.run('causeway done')
        assert.ok(!(await readdir(folder)).includes('evil'))
      })
    })
})

/** A shell on a terminal of its own. */
class Typed {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #shown = ''

  constructor(command: string, folder: string) {
    this.#child = spawn('script', ['-qefc', command, '/dev/null'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, TERM: 'dumb', LANG: 'C.UTF-8' },
      stdio: 'pipe'
    })
    this.#ended = once(this.#child, 'close')
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#shown += text
      this.#child.emit('shown')
    })
  }

  type(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** What has been shown since the last time, once it ends in this way. */
  async until(pattern: RegExp): Promise<string> {
    const deadline = AbortSignal.timeout(30_000)
    while (!pattern.test(this.#shown))
      await once(this.#child, 'shown', { signal: deadline }).catch(() => {
        throw new Error(`it never showed ${String(pattern)}:\n${JSON.stringify(this.#shown)}`)
      })
    const shown = this.#shown
    this.#shown = ''
    return shown
  }

  /** Types a line and a return, and gives what stands there until the next prompt. */
  run(line: string): Promise<string> {
    this.type(`${line}\r`)
    return this.until(/\]\.[^]*READY>/)
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }
}
