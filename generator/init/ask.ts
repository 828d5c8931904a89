import { createInterface } from 'node:readline/promises'
import { GeneratorError } from '../errors.ts'
import type { Io } from '../io.ts'
import type { Answers, Question } from './answers.ts'

/**
 * Asks a person, until every answer can be taken. Questions go to stderr: stdout is for data.
 *
 * @throws {GeneratorError} `CANCELLED` after Ctrl-C, Ctrl-D, or the end of what can be read
 */
export async function ask(
  questions: readonly Question[],
  { stdin, stderr, signal }: Pick<Io, 'stdin' | 'stderr' | 'signal'>
): Promise<ReadonlyMap<keyof Answers, string>> {
  if (stdin === undefined) throw cancelled()
  const reader = createInterface({ input: stdin, output: stderr, terminal: stderr.isTTY === true })
  const close = (): void => {
    reader.close()
  }
  let isClosed = false
  reader.once('close', () => (isClosed = true))
  // A terminal that is read by lines gives Ctrl-C to the reader and not to the process.
  reader.once('SIGINT', close)
  signal.addEventListener('abort', close)
  // Lines that were pasted ahead of their questions wait in it.
  const lines = reader[Symbol.asyncIterator]()
  try {
    const answers = new Map<keyof Answers, string>()
    for (const question of questions) answers.set(question.name, await answerTo(question))
    return answers
  } finally {
    signal.removeEventListener('abort', close)
    reader.close()
  }

  async function answerTo({ prompt, fallback, problem }: Question): Promise<string> {
    for (;;) {
      if (signal.aborted) throw cancelled()
      const preset = fallback === undefined || fallback === '' ? '' : ` [${fallback}]`
      reader.setPrompt(`${prompt}${preset}: `)
      // All that there will be is read already: a closed reader shows no prompt, and its lines are still to be had.
      if (isClosed) stderr.write(reader.getPrompt())
      else reader.prompt()
      const line = await lines.next()
      if (line.done === true) {
        stderr.write('\n')
        throw cancelled()
      }
      const text = line.value.trim() === '' ? fallback : line.value.trim()
      const reason = text === undefined ? 'has to be answered' : problem(text)
      if (text !== undefined && reason === undefined) return text
      stderr.write(`  ${reason ?? ''}\n`)
    }
  }
}

function cancelled(): GeneratorError {
  return new GeneratorError('CANCELLED', 'the questions were not answered to the end; nothing was written')
}
