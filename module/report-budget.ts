import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from './log/log.ts'
import { readIfPresent, writeDurably } from './settings/durable-file.ts'
import type { Budget } from './twin/report-pacer.ts'

const saved = z.object({ tokens: z.number(), at: z.number() })

/** Keeps what is left of the day's budget of reports from one start to the next. */
export class ReportBudget {
  readonly #file: string
  readonly #log: Log
  #next: Budget | undefined
  #writing: Promise<void> | undefined

  constructor(folder: string, log: Log) {
    this.#file = join(folder, 'report-budget.json')
    this.#log = log
  }

  /** @returns undefined where nothing is known, or it cannot be read: the budget is then a fresh one */
  async load(): Promise<Budget | undefined> {
    try {
      return saved.parse(JSON.parse((await readIfPresent(this.#file)) ?? 'null'))
    } catch {
      return undefined
    }
  }

  readonly save = (left: Budget): void => {
    this.#next = left
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined))
  }

  /** Resolves when what was saved last is on disk, as far as the disk takes it. */
  async written(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    try {
      for (let left = this.#next; left !== undefined; left = this.#next) {
        this.#next = undefined
        await writeDurably(this.#file, `${JSON.stringify(left)}\n`)
      }
    } catch (error) {
      this.#log.debug('the budget of reports cannot be kept', { reason: String(error) })
    }
  }
}
