import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..')

/** A fenced block of a document. */
export interface Block {
  /** What stands behind the opening fence: the language, and a file's name where it is one. */
  readonly language: string
  readonly file: string | undefined
  readonly text: string
}

/** A command line of a block. */
export interface CommandLine {
  readonly command: string
  /** Exit codes by which it does what its document says: others than 0 are told in the comment behind it. */
  readonly codes: readonly number[]
}

/** Every document there is, by its path in the project. */
export async function documentNames(): Promise<string[]> {
  const found: string[] = []
  for await (const name of glob(['*.md', '{docs,bench,manifests,test}/**/*.md'], { cwd: root })) found.push(name)
  return found.sort()
}

export function documentText(name: string): string {
  return readFileSync(join(root, name), 'utf8')
}

/**
 * The fenced blocks of a document, in lists too.
 *
 * @throws {Error} for a fence that has no end: what follows it would be read by nobody
 */
export function blocksOf(document: string): Block[] {
  const fences = document.match(/^ *```/gm)?.length ?? 0
  const blocks = [...document.matchAll(/^( *)```(\w*)(?: (\S+))?\n([^]*?)^\1```$/gm)].map(
    ([, indent = '', language = '', file, text = '']) => ({
      language,
      file,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    })
  )
  if (fences !== 2 * blocks.length) throw new Error(`${fences} fences make ${blocks.length} blocks`)
  return blocks
}

/** The command lines of a `sh` block, and those of a `console` block, where they stand behind `$`. */
export function commandsOf({ language, text }: Block): CommandLine[] {
  const lines = text.replaceAll('\\\n', ' ').trimEnd().split('\n')
  const written =
    language === 'console' ? lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2)) : lines
  return written.map((line) => {
    const [, command = '', comment = ''] = /^(.*?)(?: +#(.*))?$/.exec(line) ?? []
    const [, told] = /(?:^|; )(\d) where/.exec(comment) ?? []
    return { command, codes: told === undefined ? [0] : [0, Number(told)] }
  })
}

/** What stands in code marks in the running text. */
export function inlineCode(document: string): string[] {
  const running = document.replaceAll(/^( *)```[^]*?^\1```$/gm, '')
  return [...running.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code.replaceAll('\\|', '|'))
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(document: string): Set<string> {
  const running = document.replaceAll(/^( *)```[^]*?^\1```$/gm, '')
  const seen = new Map<string, number>()
  const anchors = [...running.matchAll(/^#{1,6} +(.+?)\s*$/gm)].map(([, heading = '']) => {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    const before = seen.get(anchor) ?? 0
    seen.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
  return new Set(anchors)
}
