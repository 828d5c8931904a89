import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { references } from '../docs/reference.ts'
import { siteSchema } from '../generator/site-file/schema.ts'
import packageJson from '../package.json' with { type: 'json' }
import { faultCodes, reportedCode } from '../module/status/faults.ts'
import { rules } from '../generator/validate/rules.ts'
import { anchorsOf, blocksOf, commandsOf, documentNames, documentText, root } from './document-blocks.ts'

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

  it('give every setting, and everything that is reported, a meaning', () => {
    const rows = documentText('docs/settings.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
    assert.ok(rows.length > 100, String(rows.length))
    assert.deepEqual(
      rows.filter((line) => / \| +\|$/.test(line)),
      [],
      'say it with .describe() in the schema, then: npm run docs'
    )
  })

  it("bring the module's image to where devices look for it, before anything is deployed", () => {
    const wanted = `acr/connected-registry:causeway-${packageJson.version}`
    for (const name of ['README.md', 'docs/image.md', 'docs/moving-from-microsoft.md', 'docs/nested.md']) {
      const blocks = blocksOf(documentText(name))
      const site = blocks.find(({ file }) => file === 'site.yaml')?.text
      if (site !== undefined) assert.equal(siteSchema.parse(parseYaml(site)).images.connectedRegistry, wanted)
      const commands = blocks
        .filter(({ language }) => language === 'sh')
        .flatMap((block) => commandsOf(block).map(({ command }) => command))
      const push = commands.findIndex((command) => command.startsWith('npm run image -- --platform all --push '))
      assert.equal(/\.io\/(\S+)$/.exec(commands[push] ?? '')?.[1], wanted, name)
      const deploy = commands.findIndex((command) => command.startsWith('causeway deploy '))
      assert.ok(deploy === -1 || push < deploy, `${name}: deploy refuses while the image is not there`)
    }
  })

  it('link to nothing that is not there', async () => {
    for (const name of await documentNames())
      for (const [, target = '', anchor] of documentText(name).matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
        const path = target === '' ? join(root, name) : join(root, dirname(name), target)
        assert.ok(existsSync(path), `${name} links to ${relative(root, path)}`)
        if (anchor !== undefined)
          assert.ok(
            anchorsOf(await readFile(path, 'utf8')).has(anchor),
            `${name} links to ${relative(root, path)}#${anchor}`
          )
      }
  })

  it('explain every status code that there is, and none that there is not', () => {
    const text = documentText('docs/troubleshooting.md')
    const explained = [...text.matchAll(/^\| `([A-Z]\w+)` +\|/gm)].map(([, code]) => code)
    const there = new Set(faultCodes.map(reportedCode))
    assert.deepEqual(explained.sort(), [...there].sort())
  })

  it('name no rule of validate that there is not', async () => {
    for (const name of await documentNames())
      for (const [code] of documentText(name).matchAll(/\bM0\d\d\b/g))
        assert.ok(Object.hasOwn(rules, code), `${name} names ${code}`)
  })
})
