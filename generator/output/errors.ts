import { styleText } from 'node:util'
import { exitCodes, GeneratorError, type ExitCode } from '../errors.ts'
import type { Io } from '../io.ts'
import { plain } from './plain.ts'

/**
 * Says why a command stopped, on stderr, and gives its exit code. What nobody foresaw gets one line, not a stack trace:
 * `CAUSEWAY_DEBUG=1` shows it to those who want to report it.
 */
export function reportError(error: unknown, io: Pick<Io, 'stderr' | 'env'>): ExitCode {
  const known = error instanceof GeneratorError ? error : unexpected(error)
  for (const detail of known.details) io.stderr.write(`${plain(detail)}\n`)
  const label = colour(io) ? styleText('red', `error ${known.code}`, { validateStream: false }) : `error ${known.code}`
  io.stderr.write(`${label}: ${plain(known.message)}\n`)
  if (io.env['CAUSEWAY_DEBUG'] === '1') io.stderr.write(`${stackOf(error)}\n`)
  return error instanceof GeneratorError ? error.exitCode : exitCodes.error
}

function unexpected(error: unknown): GeneratorError {
  const text = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
  return new GeneratorError(
    'UNEXPECTED',
    `${text.slice(0, 500)}. This is a mistake in causeway: set CAUSEWAY_DEBUG=1 to see where, and report it with what you ran`
  )
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

function colour(io: Pick<Io, 'stderr' | 'env'>): boolean {
  return io.stderr.isTTY === true && (io.env['NO_COLOR'] ?? '') === ''
}
