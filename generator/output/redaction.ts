import { Writable } from 'node:stream'
import type { Output } from '../io.ts'

/** Shorter values would blank out ordinary words; ACR's passwords have 32 characters or more (facts: arm-wire §5). */
const shortestSecret = 12

/** The values that must not be shown, wherever a message may come from: an SDK's error can quote what we sent. */
export class Redaction {
  /** By how they begin: a fleet has tens of thousands, and each line that is written is searched for all of them. */
  readonly #values = new Map<string, string[]>()

  /** Values from here on never leave through {@link guard}. */
  add(value: string): void {
    if (value.length < shortestSecret) return
    const start = value.slice(0, shortestSecret)
    const alike = this.#values.get(start) ?? []
    // The longest first, so that nothing is left of one that begins with another.
    if (!alike.includes(value))
      this.#values.set(
        start,
        [...alike, value].sort((a, b) => b.length - a.length)
      )
  }

  clean(text: string): string {
    let clean = ''
    let from = 0
    for (let at = 0; at + shortestSecret <= text.length; at++) {
      const found = this.#values.get(text.slice(at, at + shortestSecret))?.find((value) => text.startsWith(value, at))
      if (found === undefined) continue
      clean += `${text.slice(from, at)}***`
      from = at + found.length
      at = from - 1
    }
    return clean + text.slice(from)
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
