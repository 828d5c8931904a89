import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { glob, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { references } from '../docs/reference.ts'
import { faultCodes, reportedCode } from '../module/status/faults.ts'
import { rules } from '../generator/validate/rules.ts'
import { World } from './world.ts'

const root = join(import.meta.dirname, '..')

interface Block {
  /** What stands behind the opening fence: the language, and a file's name where it is one. */
  readonly language: string
  readonly file: string | undefined
  readonly text: string
}

function blocksOf(document: string): Block[] {
  return [...document.matchAll(/^```(\w*)(?: (\S+))?\n([^]*?)^```$/gm)].map(([, language = '', file, text = '']) => ({
    language,
    file,
    text
  }))
}

async function documents(): Promise<string[]> {
  const found: string[] = []
  for await (const name of glob(['*.md', '{docs,bench}/*.md'], { cwd: root })) found.push(name)
  return found.sort()
}

describe('the documents', () => {
  it('have references that are what the schemas and commands say (npm run docs)', async function () {
    this.timeout(30_000)
    for (const [name, content] of await references())
      assert.equal(
        await readFile(join(root, 'docs', name), 'utf8'),
        content,
        `docs/${name} is out of date: npm run docs`
      )
  })

  it('link to nothing that is not there', async () => {
    for (const name of await documents()) {
      const text = await readFile(join(root, name), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
        const path = join(root, dirname(name), target)
        assert.ok(existsSync(path), `${name} links to ${relative(root, path)}`)
      }
    }
  })

  it('explain every status code that there is, and none that there is not', async () => {
    const text = await readFile(join(root, 'docs/troubleshooting.md'), 'utf8')
    const explained = [...text.matchAll(/^\| `([A-Z]\w+)` +\|/gm)].map(([, code]) => code)
    const there = new Set(faultCodes.map(reportedCode))
    assert.deepEqual(explained.sort(), [...there].sort())
  })

  it('name no rule of validate that there is not', async () => {
    for (const name of await documents())
      for (const [code] of (await readFile(join(root, name), 'utf8')).matchAll(/\bM0\d\d\b/g))
        assert.ok(Object.hasOwn(rules, code), `${name} names ${code}`)
  })

  for (const name of ['moving-from-microsoft.md', 'nested.md', 'troubleshooting.md'])
    describe(name, function () {
      this.timeout(120_000)
      let world: World
      let document: string

      before(async () => {
        document = await readFile(join(root, 'docs', name), 'utf8')
        const [, listed = ''] = /^<!-- devices: (.*) -->$/m.exec(document) ?? []
        const devices = listed
          .split(', ')
          .filter((entry) => entry !== '')
          .map((entry) => {
            const [id = '', parentId] = entry.split(':')
            return parentId === undefined ? { id } : { id, parentId }
          })
        world = await World.start(devices)
      })
      after(() => world.close())

      it('can be followed, command by command', async () => {
        let commands = 0
        for (const { language, file, text } of blocksOf(document)) {
          if (file !== undefined) await writeFile(join(world.folder, file), text)
          if (language !== 'sh') continue
          for (const line of text.trimEnd().split('\n')) {
            const [program, ...words] = line.replace(/ +#.*$/, '').split(' ')
            assert.equal(program, 'causeway', `${line}: what runs elsewhere stands in a console block`)
            const { code, stdout, stderr } = await world.command(...words)
            assert.equal(code, 0, `${line}\n${stdout}\n${stderr}`)
            commands += 1
          }
        }
        assert.ok(commands > 0)
      })
    })
})
