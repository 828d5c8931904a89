import { logLevels, type LogLevel } from './levels.ts'

interface Line {
  readonly level: Exclude<LogLevel, 'None'>
  readonly text: string
}

/** Characters that are kept in all; older lines make room. */
const mostCharacters = 512 * 1024

/** The last lines that were logged, for whoever asks the module rather than its engine. */
export class LogRing {
  #lines: Line[] = []
  /** Where the oldest line stands: removing one costs no move of the others. */
  #from = 0
  #characters = 0

  add(level: Line['level'], text: string): void {
    this.#lines.push({ level, text })
    this.#characters += text.length
    while (this.#characters > mostCharacters && this.#from < this.#lines.length - 1) {
      this.#characters -= this.#lines[this.#from]?.text.length ?? 0
      this.#from += 1
    }
    if (this.#from * 2 > this.#lines.length) {
      this.#lines = this.#lines.slice(this.#from)
      this.#from = 0
    }
  }

  /** The last lines, oldest first. @param level the least serious that is wanted */
  tail(count: number, level: LogLevel = 'Debug'): string[] {
    const found: string[] = []
    for (let at = this.#lines.length - 1; at >= this.#from && found.length < count; at -= 1) {
      const line = this.#lines[at]
      if (line !== undefined && logLevels.indexOf(line.level) >= logLevels.indexOf(level)) found.push(line.text)
    }
    return found.reverse()
  }
}
