import cliProgress from 'cli-progress'
import type { Output } from '../io.ts'
import type { Progress, Task } from './progress.ts'

/** Bars on a terminal, one per task; those that ended stay above those that run. */
export class BarProgress implements Progress {
  readonly #bars: InstanceType<typeof cliProgress.MultiBar>
  readonly #waiting: (() => void)[] = []
  #closed = false

  constructor(output: Output) {
    this.#bars = new cliProgress.MultiBar(
      {
        format: '{bar} {value}/{total} {label}{detail}',
        stream: output,
        barsize: 24,
        hideCursor: true,
        clearOnComplete: false,
        linewrap: false,
        // The progress of a wait moves in seconds; ten redraws a second would only cost.
        fps: 4
      },
      cliProgress.Presets.shades_classic
    )
  }

  begin(label: string, total = 1): Task {
    const bar = this.#bars.create(total, 0, { label, detail: '' })
    const show = (detail: string | undefined): { detail: string } => ({
      detail: detail === undefined ? '' : ` (${detail})`
    })
    let all = total
    return {
      advance: (done, detail) => {
        bar.update(done, show(detail))
      },
      total: (now) => {
        all = now
        bar.setTotal(now)
      },
      end: (outcome, detail) => {
        if (outcome === 'done') bar.update(all, show(detail))
        else bar.update({ detail: ` failed${detail === undefined ? '' : `: ${detail}`}` })
        bar.stop()
      }
    }
  }

  print(write: () => void): void {
    if (this.#closed) write()
    else this.#waiting.push(write)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#bars.stop()
    for (const write of this.#waiting.splice(0)) write()
  }
}
