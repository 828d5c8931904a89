import type { Command } from 'commander'
import { complete, formatCompletion } from '../completion/complete.ts'
import { completionScripts } from '../completion/scripts.ts'
import type { Shell } from '../completion/shells.ts'
import { siteValues } from '../completion/values.ts'
import type { Context } from '../context.ts'

/** Prints what a shell reads to complete `causeway`. */
export function completion(context: Context, shell: Shell): void {
  context.stdout.write(completionScripts[shell])
}

/** Answers a shell's TAB. */
export async function answerCompletion(context: Context, program: Command, words: readonly string[]): Promise<void> {
  const { workingFolder, env } = context.io
  const values = siteValues(workingFolder, env)
  const [first, ...rest] = words
  const isAcr = first === 'acr' && rest.length > 0
  const found = isAcr
    ? await complete((await import('../completion/acr.ts')).acrCommandTree(), rest, values)
    : await complete(program, words, values)
  context.stdout.write(formatCompletion(found, words.at(-1) ?? ''))
}
