import { Writable } from 'node:stream'
import type { Output } from '../io.ts'

/** Shorter values would blank out ordinary words; ACR's passwords have 32 characters or more (facts: arm-wire §5). */
const shortestSecret = 12

/** The values that must not be shown, wherever a message may come from: an SDK's error can quote what we sent. */
export class Redaction {
  readonly #values = new Set<string>()

  /** Values from here on never leave through {@link guard}. */
  add(value: string): void {
    if (value.length >= shortestSecret) this.#values.add(value)
  }

  clean(text: string): string {
    let clean = text
    for (const value of this.#values) clean = clean.replaceAll(value, '***')
    return clean
  }

  /** An output through which no known secret passes. Each write is one message: secrets are not looked for across two. */
  guard(output: Output): Output {
    const clean = (text: string): string => this.clean(text)
    const guarded = new Writable({
      decodeStrings: false,
      write(chunk: string | Buffer, _encoding, done) {
        // Done at once, so that nothing waits in here when the command ends; outputs are small, and wait further on.
        output.write(clean(chunk.toString()))
        done()
      }
    })
    return Object.assign(guarded, { isTTY: output.isTTY === true, columns: output.columns ?? 80 })
  }
}
