import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Context } from '../../context.ts'
import { GeneratorError } from '../../errors.ts'

/** Where a password is looked for that `--password` does not name. */
export const passwordVariable = 'CAUSEWAY_IMPORT_PASSWORD'

/**
 * The password that `--password` leads to: a file by `@path` and stdin by `@-`, as az reads the values of its options, or the
 * environment where it was not given. What stands in the arguments themselves is refused: everybody on the machine can read those,
 * and shells and CI services keep them.
 *
 * @param given the option's word, undefined where it was not given
 * @returns undefined where there is none
 * @throws {GeneratorError} `SECRET_IN_ARGUMENTS`, `SECRET_MISSING` for a file or stdin that holds none
 */
export async function givenPassword(context: Context, given: string | undefined): Promise<string | undefined> {
  if (given !== undefined) context.redaction.add(given)
  if (given?.startsWith('@') === false)
    throw new GeneratorError(
      'SECRET_IN_ARGUMENTS',
      `--password takes no password: everybody on this machine can read the arguments of a command, so take the one you wrote there for known, and change it. Give --password @FILE, --password @- for stdin, or set ${passwordVariable}`
    )
  const password =
    given === undefined ? context.io.env[passwordVariable] : withoutNewline(await readGiven(context, given.slice(1)))
  if (given !== undefined && password === '')
    throw new GeneratorError(
      'SECRET_MISSING',
      `--password ${given} is empty; it is to hold the password and nothing else`
    )
  if (password === undefined || password === '') return undefined
  context.redaction.add(password)
  return password
}

async function readGiven({ io }: Context, path: string): Promise<string> {
  if (path === '-') {
    if (io.stdin === undefined || io.stdin.isTTY === true)
      throw new GeneratorError(
        'SECRET_MISSING',
        '--password @-: nothing comes in on stdin; pipe the password into this'
      )
    return text(io.stdin)
  }
  try {
    return await readFile(resolve(io.workingFolder, path), 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError('SECRET_MISSING', `--password @${path}: the file cannot be read (${code})`, { cause })
  }
}

/** What editors and `echo` put at the end. */
function withoutNewline(content: string): string {
  return content.replace(/\r?\n$/, '')
}
