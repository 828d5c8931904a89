import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { format, resolveConfig } from 'prettier'
import { z } from 'zod'
import { run } from '../generator/program.ts'
import { azureServices } from '../generator/services.ts'
import { settingsSchema } from '../module/settings/document.ts'
import { reportedSchema } from '../module/settings/reported.ts'

/*
 * `npm run docs` writes the references from the schemas and the commands; `test/documents.test.ts` fails where one is not up to
 * date.
 */

/** What of a JSON Schema the references tell. */
const node = z.object({
  type: z.string().optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  get properties() {
    return z.record(z.string(), node).optional()
  },
  get additionalProperties() {
    return z.union([z.boolean(), node]).optional()
  },
  get items() {
    return node.optional()
  },
  get anyOf() {
    return z.array(node).optional()
  },
  get oneOf() {
    return z.array(node).optional()
  }
})
type Node = z.output<typeof node>

interface Row {
  readonly path: string
  readonly takes: string
  readonly standard: string
  readonly meaning: string
}

/** Every leaf of a schema, and what has a meaning of its own on the way there. */
function rows(schema: Node, path = ''): Row[] {
  const below = [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, each]) =>
      rows(each, path === '' ? name : `${path}.${name}`)
    ),
    ...(typeof schema.additionalProperties === 'object' ? rows(schema.additionalProperties, `${path}.<name>`) : []),
    ...(schema.items === undefined ? [] : rows(schema.items, `${path}[]`)),
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
      .filter(({ properties }) => properties !== undefined)
      .flatMap((each) => rows(each, path))
  ]
  const own: Row = {
    path,
    takes: takes(schema),
    standard: isPlain(schema.default) ? `\`${JSON.stringify(schema.default)}\`` : '',
    meaning: schema.description ?? ''
  }
  // What a plain list holds is told with the list.
  const isItem = path.endsWith('[]') && own.meaning === '' && schema.properties === undefined
  const all = path !== '' && !isItem && (below.length === 0 || own.meaning !== '') ? [own, ...below] : below
  return [...Map.groupBy(all, (row) => row.path).values()].map(together)
}

/** Alternatives of a union share keys. */
function together(same: readonly Row[]): Row {
  const [first, ...others] = same
  if (first === undefined) throw new Error('a group has one row at the least')
  return { ...first, takes: [...new Set([first, ...others].map(({ takes }) => takes))].join(', ') }
}

function takes(schema: Node): string {
  if (schema.enum !== undefined) return schema.enum.map((each) => `\`${String(each)}\``).join(', ')
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const).replaceAll('"', '')}\``
  const alternatives = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].map(takes)
  if (alternatives.length > 0) return [...new Set(alternatives)].join(', ')
  return (
    { object: 'a map', array: 'a list', integer: 'a whole number', string: 'text' }[schema.type ?? ''] ??
    schema.type ??
    ''
  )
}

/** An empty map says nothing that its keys do not say. */
function isPlain(value: unknown): boolean {
  return value !== undefined && JSON.stringify(value) !== '{}'
}

const cell = (content: string): string => content.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;')

function table(schema: z.ZodType, io: 'input' | 'output'): string {
  const document = node.parse(z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' }))
  const lines = rows(document).map(
    ({ path, takes, standard, meaning }) =>
      `| \`${path}\` | ${cell(takes)} |${io === 'input' ? ` ${cell(standard)} |` : ''} ${cell(meaning)} |`
  )
  const head =
    io === 'input'
      ? '| setting | takes | default | meaning |\n|---|---|---|---|'
      : '| property | is | meaning |\n|---|---|---|'
  return `${head}\n${lines.join('\n')}\n`
}

function settings(): string {
  return `# Settings reference

Made from the schema (\`npm run docs\`). This is the document of the module's desired properties, and of a settings file without IoT
Edge; \`causeway schema settings\` prints it as JSON Schema. In the site file, \`schemaVersion\`, \`imageSets\`, \`scopeMaps\`, \`tokens\`,
\`sync\`, \`status\` and \`logLevel\` have places of their own (\`causeway schema site\`), and the rest stands under \`settings\`.

${table(settingsSchema, 'input')}
## What the module reports

The reported properties of the module twin, always below 24 KB: what does not fit is left out, the worst first, and counted.

${table(reportedSchema, 'output')}`
}

/** What a command line prints to a terminal of 80 columns. */
async function printed(...words: string[]): Promise<string> {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const io = { stdout, stderr, env: {}, workingFolder: '.', signal: new AbortController().signal }
  await run(words, io, azureServices)
  stdout.end()
  return (await text(stdout)).trimEnd()
}

/** Commands by what the help above them lists. */
async function commands(words: readonly string[] = []): Promise<string[]> {
  const help = await printed(...words, '--help')
  const isAcr = words[0] === 'acr'
  const own = `${'#'.repeat(isAcr && words.length > 1 ? 3 : 2)} causeway ${words.join(' ')}\n\n\`\`\`text\n${help}\n\`\`\`\n`
  const listed = /^Commands:\n((?: {2}.*\n?)*)/m.exec(help)?.[1] ?? ''
  const names = listed
    .split('\n')
    .flatMap((line) => /^ {2}(\S+(?: [a-z-]+)*?)(?: \[| <| {2,}|$)/.exec(line)?.[1] ?? [])
    .filter((name) => name !== 'help')
  const below: string[][] = []
  for (const name of names) below.push(await commands([...words, ...name.split(' ')]))
  return [...(words.length === 0 ? [`\`\`\`text\n${help}\n\`\`\`\n`] : [own]), ...below.flat()]
}

async function commandLine(): Promise<string> {
  return `# Command reference

Made from the commands themselves (\`npm run docs\`).

${(await commands()).join('\n')}`
}

/** The references by file name. */
export async function references(): Promise<ReadonlyMap<string, string>> {
  const file = join(import.meta.dirname, 'settings.md')
  const form = { ...(await resolveConfig(file)), filepath: file }
  return new Map([
    ['settings.md', await format(settings(), form)],
    ['commands.md', await format(await commandLine(), form)]
  ])
}

if (import.meta.main)
  for (const [name, content] of await references()) {
    const file = join(import.meta.dirname, name)
    if ((await readFile(file, 'utf8').catch(() => '')) === content) continue
    await writeFile(file, content)
    console.log(`docs/${name}`)
  }
