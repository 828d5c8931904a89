import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { wantedOf } from '../acr/wanted.ts'
import { throwIfCancelled, unlessAborted } from '../azure/wait.ts'
import type { CommonOptions, Context } from '../context.ts'
import { GeneratorError } from '../errors.ts'
import { currentPassword, expiredSince } from '../secrets/current-password.ts'
import { importPasswords, readImport } from '../secrets/import.ts'
import type { Slot } from '../secrets/store.ts'

export interface SecretsShowOptions extends CommonOptions {
  readonly slot?: Slot
}

/** Writes one password to stdout and nothing else, for `docker login --password-stdin`. */
export async function secretsShow(context: Context, token: string, options: SecretsShowOptions): Promise<void> {
  const site = await context.site()
  const store = await context.secrets(site, 'read')
  const { slot } = options
  if (slot === undefined) {
    context.io.stdout.write(`${currentPassword(store, token, new Date(), store.place)}\n`)
    return
  }
  const record = store.slot(token, slot)
  if (record?.state !== 'stored')
    throw new GeneratorError(
      'SECRET_MISSING',
      `no password of token ${token} in ${slot} is in ${store.place}; run causeway provision`
    )
  if (record.expiry !== undefined && new Date(record.expiry) <= new Date())
    context.stderr.write(`${token}/${slot} ${expiredSince(token, record.expiry)}\n`)
  context.io.stdout.write(`${record.value}\n`)
}

/**
 * Keeps passwords that somebody else had Azure make, from what az printed.
 *
 * @param file - is stdin
 */
export async function secretsImport(context: Context, file: string): Promise<void> {
  const site = await context.site()
  const found = readImport(await readInput(context, file), file === '-' ? 'stdin' : file, site.loginServer)
  for (const { password } of found) context.redaction.add(password.value)
  const known = new Set(wantedOf(site).tokens.map(({ name }) => name.toLowerCase()))
  for (const token of new Set(found.map((each) => each.token)))
    if (!known.has(token.toLowerCase()))
      context.stderr.write(`the site file has no token ${token}; its passwords are kept all the same\n`)
  const store = await context.secrets(site, 'write')
  for (const { token, slot, outcome } of await importPasswords(store, found))
    context.stdout.write(`${outcome.padEnd(9)} password ${token}/${slot}\n`)
}

async function readInput(context: Context, file: string): Promise<Buffer> {
  const { stdin, workingFolder, signal } = context.io
  if (file === '-') {
    if (stdin === undefined || stdin.isTTY === true)
      throw new GeneratorError('USAGE', 'nothing comes in on stdin: pipe what az printed into this, or name a file')
    try {
      return await unlessAborted(buffer(stdin), signal)
    } catch (error) {
      throwIfCancelled(signal)
      throw error
    }
  }
  try {
    return await readFile(resolve(workingFolder, file))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError('IMPORT_UNREADABLE', `${file} cannot be read (${code})`, { cause })
  }
}
