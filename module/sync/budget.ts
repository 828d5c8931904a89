import type { Clock, Content } from './ports.ts'

/** Bytes that may be fetched. */
export interface BudgetSettings {
  readonly bytesPerDay?: number | undefined
  readonly bytesPerMonth?: number | undefined
}

/** Thrown where nothing more may be fetched for now. */
export class BudgetSpent extends Error {
  override readonly name = 'BudgetSpent'
  readonly code = 'BUDGET_SPENT'
}

const stateKey = 'sync.spent'
/** Days and months that are remembered: clocks without a battery are wrong for a while after a start, and then right again. */
const mostPeriods = 6
const smallestStep = 64 * 1024
const largestStep = 4 * 1024 * 1024

/**
 * Counts what is fetched by day and by month (UTC), also over restarts. What is about to come is written down ahead, a step at
 * a time: after a kill a little counts that did not come, rather than that a budget is exceeded.
 */
export class Budget {
  readonly #clock: Clock
  readonly #index: Pick<Content['index'], 'state' | 'apply'>
  #settings: BudgetSettings = {}
  /** Bytes by `2026-11-21` and by `2026-11`, in the order in which they were begun. */
  #spent = new Map<string, number>()
  /** Bytes that are written down and have not come yet. */
  #ahead = 0
  #loaded: Promise<void> | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(clock: Clock, index: Pick<Content['index'], 'state' | 'apply'>) {
    this.#clock = clock
    this.#index = index
  }

  configure(settings: BudgetSettings | undefined): void {
    this.#settings = settings ?? {}
  }

  get isLimited(): boolean {
    return this.#limits().length > 0
  }

  /** @throws {BudgetSpent} */
  async mayFetch(): Promise<void> {
    if (!this.isLimited) return
    await (this.#loaded ??= this.#load())
    this.#check()
  }

  /**
   * Counts bytes that came.
   *
   * @throws {BudgetSpent} where no more may come; the index's errors
   */
  async fetched(bytes: number): Promise<void> {
    if (!this.isLimited) return
    await (this.#loaded ??= this.#load())
    const { day, month } = periods(this.#clock.now())
    for (const period of [day, month]) this.#spent.set(period, (this.#spent.get(period) ?? 0) + bytes)
    this.#ahead -= bytes
    if (this.#ahead <= 0) {
      this.#ahead = this.#step()
      await this.#write()
    }
    this.#check()
  }

  /** Writes down what really came, at the end of a pass. */
  async settle(): Promise<void> {
    if (!this.isLimited || this.#loaded === undefined) return
    this.#ahead = 0
    await this.#write()
  }

  #limits(): { readonly period: 'day' | 'month'; readonly limit: number }[] {
    const { bytesPerDay, bytesPerMonth } = this.#settings
    return [
      ...(bytesPerDay === undefined ? [] : [{ period: 'day' as const, limit: bytesPerDay }]),
      ...(bytesPerMonth === undefined ? [] : [{ period: 'month' as const, limit: bytesPerMonth }])
    ]
  }

  #check(): void {
    const now = periods(this.#clock.now())
    for (const { period, limit } of this.#limits())
      if ((this.#spent.get(now[period]) ?? 0) >= limit)
        throw new BudgetSpent(
          `the budget of ${limit} bytes for ${now[period]} is spent: it goes on with the next ${period} (UTC), or with a larger sync.budget`
        )
  }

  /** A two-hundredth of the smallest budget: what one kill may cost of it. */
  #step(): number {
    const smallest = Math.min(...this.#limits().map(({ limit }) => limit))
    return Math.min(largestStep, Math.max(smallestStep, Math.floor(smallest / 200)))
  }

  async #load(): Promise<void> {
    const value = await this.#index.state(stateKey)
    if (typeof value !== 'object' || value === null) return
    for (const [period, bytes] of Object.entries(value)) if (typeof bytes === 'number') this.#spent.set(period, bytes)
  }

  /** One after another: the newest figures are written last. */
  #write(): Promise<void> {
    this.#writing = this.#writing
      .catch(() => undefined)
      .then(async () => {
        const { day, month } = periods(this.#clock.now())
        this.#spent = new Map([...this.#spent].slice(-mostPeriods))
        const ahead = Math.max(0, this.#ahead)
        const value = Object.fromEntries(
          [...this.#spent].map(([period, bytes]) => [
            period,
            period === day || period === month ? bytes + ahead : bytes
          ])
        )
        await this.#index.apply([{ kind: 'setState', key: stateKey, value }])
      })
    return this.#writing
  }
}

function periods(now: number): { readonly day: string; readonly month: string } {
  const day = new Date(now).toISOString().slice(0, 10)
  return { day, month: day.slice(0, 7) }
}
