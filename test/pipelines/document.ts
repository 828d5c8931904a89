import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const file = join(import.meta.dirname, '../../docs/pipeline.md')

interface Section {
  readonly heading: string
  readonly text: string
}

/** docs/pipeline.md by its headings. */
export async function sectionsOfDocument(): Promise<Section[]> {
  const text = await readFile(file, 'utf8')
  return text.split(/^## /m).map((section) => {
    const [heading = '', ...lines] = section.split('\n')
    return { heading, text: lines.join('\n') }
  })
}

/** The commands of one section, a line each. @throws {Error} where there is no such section, or none in it */
export async function commandsUnder(heading: string): Promise<string[]> {
  const section = (await sectionsOfDocument()).find((each) => each.heading === heading)
  const commands = commandsOf(section?.text ?? '')
  if (commands.length === 0) throw new Error(`docs/pipeline.md has no commands under ${heading}`)
  return commands
}

export function commandsOf(text: string): string[] {
  return [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block = '']) => block.trimEnd().split('\n'))
}

/** Files that the document has its reader write, by name. */
export function filesOf(text: string): [string, string][] {
  return [...text.matchAll(/^```\w+ (\S+)\n([^]*?)^```$/gm)].map(([, name = '', content = '']) => [name, content])
}

/**
 * A script for bash that runs one command after another in one shell, and ends with 99 at the first that does not end as the
 * document says: with 0, or as a remark behind it tells (`# 2 where …`).
 */
export function scriptOf(commands: readonly string[]): string {
  return commands
    .map((command) => {
      const [, other = '0'] = /# (\d) where /.exec(command) ?? []
      const told = `printf '%s: ended with %s\\n' ${quoted(command)} "$code" >&2`
      return `${command}\ncode=$?; [ $code -eq ${other} ] || { ${told}; exit 99; }`
    })
    .join('\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
