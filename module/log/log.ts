import { logLevels, type LogLevel } from './levels.ts'
import { redactor } from './redact.ts'
import { LogRing } from './ring.ts'

export { logLevels, type LogLevel } from './levels.ts'

/** Facts beside the sentence. Never a secret: callers pass fingerprints, and what others say is redacted all the same. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

// `iotedge logs` and support bundles filter on a leading syslog level, as edgeAgent's own modules print it.
const lines = {
  Debug: ['<7>', 'DBG'],
  Information: ['<6>', 'INF'],
  Warning: ['<4>', 'WRN'],
  Error: ['<3>', 'ERR']
} as const

/** A log whose level can be changed while it runs (the twin's `logLevel`). */
export class LineLog implements Log {
  level: LogLevel = 'Information'
  /** What was written last. */
  readonly recent = new LogRing()
  readonly #write: (line: string) => void
  #redact = redactor()

  constructor(write: (line: string) => void = (line) => void process.stdout.write(line)) {
    this.#write = write
  }

  /** What this module holds and must give to nobody: hidden in every line from here on, beside what looks like a secret. */
  set secrets(secrets: readonly string[]) {
    this.#redact = redactor(secrets)
  }

  debug(message: string, fields?: LogFields): void {
    this.#line('Debug', message, fields)
  }
  info(message: string, fields?: LogFields): void {
    this.#line('Information', message, fields)
  }
  warn(message: string, fields?: LogFields): void {
    this.#line('Warning', message, fields)
  }
  error(message: string, fields?: LogFields): void {
    this.#line('Error', message, fields)
  }

  #line(level: keyof typeof lines, message: string, fields: LogFields = {}): void {
    if (logLevels.indexOf(level) < logLevels.indexOf(this.level)) return
    const [priority, name] = lines[level]
    const time = new Date().toISOString().replace('T', ' ').replace('Z', ' +00:00')
    const rest = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${quote(String(value))}`)
    // Here, before it is anybody's: iotedge logs, support bundles and the direct method all take what comes out of this.
    const text = `${priority} ${time} [${name}] ${this.#redact(`${oneLine(message)}${rest.join('')}`)}`
    this.recent.add(level, text)
    this.#write(`${text}\n`)
  }
}

/** The same log, with these facts at the end of every line. */
export function withFields(log: Log, fields: LogFields): Log {
  return new FieldLog(log, fields)
}

/** A class, for one is made for every request: four closures each would be garbage for nothing. */
class FieldLog implements Log {
  readonly #log: Log
  readonly #fields: LogFields

  constructor(log: Log, fields: LogFields) {
    this.#log = log
    this.#fields = fields
  }

  debug(message: string, own?: LogFields): void {
    this.#log.debug(message, { ...own, ...this.#fields })
  }
  info(message: string, own?: LogFields): void {
    this.#log.info(message, { ...own, ...this.#fields })
  }
  warn(message: string, own?: LogFields): void {
    this.#log.warn(message, { ...own, ...this.#fields })
  }
  error(message: string, own?: LogFields): void {
    this.#log.error(message, { ...own, ...this.#fields })
  }
}

/** Keeps a value on its line, so that nothing a client sends can forge a log entry. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]/g, ' ')
}

function quote(value: string): string {
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(oneLine(value))
}
