/** Facts beside the sentence; never a password. */
export type LogFields = Readonly<Record<string, string | number>>

const levels = { warn: '<4>', error: '<3>' } as const
const names = { warn: 'WRN', error: 'ERR' } as const

/** edgeAgent's own log, in the form that `iotedge logs edgeAgent` shows. */
export class AgentLog {
  readonly #write: (line: string) => void

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  warn(message: string, fields: LogFields): void {
    this.#line('warn', message, fields)
  }

  error(message: string, fields: LogFields): void {
    this.#line('error', message, fields)
  }

  #line(level: keyof typeof levels, message: string, fields: LogFields): void {
    const time = new Date().toISOString().replace('T', ' ').replace('Z', ' +00:00')
    // JSON keeps on one line whatever a registry or a deployment put into a value.
    const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
    this.#write(`${levels[level]} ${time} [${names[level]}] - ${message}${rest.join('')}\n`)
  }
}
