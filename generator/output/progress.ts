import type { Output } from '../io.ts'

/** How progress is shown: bars for a person, lines for a log, JSON lines for a program. */
export const progressStyles = ['auto', 'bar', 'plain', 'json', 'none'] as const
export type ProgressStyle = (typeof progressStyles)[number]

/** Something with a beginning and an end that a person waits for. */
export interface Task {
  /** @param done of `total`, as given when the task began */
  advance(done: number, detail?: string): void
  /** Changes how much there is, where that becomes known only on the way. */
  total(total: number): void
  end(outcome: 'done' | 'failed', detail?: string): void
}

export interface Progress {
  /** @param total how many steps there are; 1 where it is not known */
  begin(label: string, total?: number): Task
  /** Lets data be written to stdout: at once, or when the bars are gone, which it would tear apart on a terminal. */
  print(write: () => void): void
  /** Takes away what is drawn, so that an error or a table stands alone. */
  close(): void
}

/** Bars only where a person watches: a terminal, and no CI (whose logs keep every redraw). */
export function chooseStyle(
  style: ProgressStyle,
  output: Output,
  env: Readonly<Record<string, string | undefined>>
): ProgressStyle {
  if (style !== 'auto') return style
  const ci = env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false'
  return output.isTTY === true && !ci && env['TERM'] !== 'dumb' ? 'bar' : 'plain'
}

/** @param style as {@link chooseStyle} settled it */
export async function createProgress(style: ProgressStyle, output: Output): Promise<Progress> {
  if (style === 'none') return silent
  if (style === 'json') return new LineProgress((event) => void output.write(`${JSON.stringify(event)}\n`))
  if (style !== 'bar') return new LineProgress((event) => void output.write(`${sentence(event)}\n`), true)
  const { BarProgress } = await import('./bars.ts')
  return new BarProgress(output)
}

interface ProgressEvent {
  readonly event: 'progress'
  readonly task: string
  readonly state: 'running' | 'done' | 'failed'
  readonly done: number
  readonly total: number
  readonly detail?: string
}

/** One line per change. `sparse` leaves out a line that says what the one before said, as polls do. */
class LineProgress implements Progress {
  readonly #write: (event: ProgressEvent) => void
  readonly #sparse: boolean

  constructor(write: (event: ProgressEvent) => void, sparse = false) {
    this.#write = write
    this.#sparse = sparse
  }

  begin(label: string, total = 1): Task {
    let all = total
    let done = 0
    let last = ''
    const tell = (state: ProgressEvent['state'], detail?: string): void => {
      const more = detail === undefined ? {} : { detail }
      const event = { event: 'progress', task: label, state, done, total: all, ...more } as const
      const text = sentence(event)
      if (this.#sparse && text === last) return
      last = text
      this.#write(event)
    }
    tell('running')
    return {
      advance: (now, detail) => {
        done = now
        tell('running', detail)
      },
      total: (now) => {
        all = now
      },
      end: (outcome, detail) => {
        if (outcome === 'done') done = all
        tell(outcome, detail)
      }
    }
  }

  print(write: () => void): void {
    write()
  }

  close(): void {
    // Lines stay where they were written.
  }
}

function sentence({ task, state, done, total, detail }: ProgressEvent): string {
  const count = total > 1 ? ` ${done}/${total}` : ''
  const mark = state === 'running' ? '…' : `: ${state}`
  return `${task}${count}${mark}${detail === undefined ? '' : ` (${detail})`}`
}

const nothing = (): void => undefined
const silent: Progress = {
  begin: () => ({ advance: nothing, total: nothing, end: nothing }),
  print: (write) => {
    write()
  },
  close: nothing
}
