import type { ReportedInput } from '../settings/reported.ts'
import type { PassNews } from './events.ts'

type ReportedSync = NonNullable<ReportedInput['sync']>

/** A pass that has begun. */
export interface BegunPass {
  readonly trigger: PassNews['trigger']
  readonly startedAt: string
  readonly correlationId?: string
  readonly windowEndsAt?: string
}

/** The sync passes: the one under way, the last one, and when the next begins. */
export class PassBook {
  #underWay: BegunPass | undefined
  #last: PassNews | undefined
  #nextAt: string | undefined
  #windowEndsAt: string | undefined

  /** @param last how the last pass before this start ended */
  constructor(last: PassNews | undefined) {
    this.#last = last
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  get last(): PassNews | undefined {
    return this.#last
  }

  get nextAt(): string | undefined {
    return this.#nextAt
  }

  begin(pass: BegunPass): void {
    this.#underWay = pass
    this.#windowEndsAt = pass.windowEndsAt
    this.#nextAt = undefined
  }

  plan(nextAt: string | undefined): void {
    this.#nextAt = nextAt
  }

  end(result: PassNews, nextAt: string | undefined): void {
    this.#underWay = undefined
    this.#last = result
    this.#nextAt = nextAt
    this.#windowEndsAt = undefined
  }

  /** The pass under way says nothing more. */
  giveUp(): void {
    this.#underWay = undefined
  }

  /**
   * The pass under way where it brings something or somebody waits for it, else the last one. A scheduled look that finds
   * nothing new is not told of at once: every device does that every few minutes, and IoT Hub counts each report.
   */
  current(transferring: boolean): ReportedSync | undefined {
    const pass = this.#underWay
    if (pass === undefined || (isRoutine(pass.trigger) && !transferring)) return this.#last && reportedPass(this.#last)
    const { trigger, startedAt, correlationId } = pass
    const succeededAt = this.#last?.succeededAt
    return {
      trigger,
      state: 'Syncing',
      startedAt,
      ...(succeededAt === undefined ? {} : { succeededAt }),
      ...(correlationId === undefined ? {} : { correlationId })
    }
  }

  /** The same, with what is next. */
  reported(transferring: boolean): { readonly sync?: ReportedSync } {
    const sync = this.current(transferring)
    if (sync === undefined) return {}
    return {
      sync: {
        ...sync,
        ...(this.#nextAt === undefined ? {} : { nextAt: this.#nextAt }),
        ...(this.#windowEndsAt === undefined ? {} : { windowEndsAt: this.#windowEndsAt })
      }
    }
  }

  /** What of it is news by itself. */
  essence(transferring: boolean): unknown[] {
    const sync = this.current(transferring)
    return [sync?.state, sync === undefined || isRoutine(sync.trigger) ? undefined : [sync.trigger, sync.startedAt]]
  }
}

function isRoutine(trigger: PassNews['trigger']): boolean {
  return trigger === 'Schedule' || trigger === 'Recovery'
}

/** Microsoft's word for a pass whose window ended before everything was here is `TimedOut`. */
function reportedPass({ windowEnded, ...pass }: PassNews): ReportedSync {
  return windowEnded === true ? { ...pass, state: 'TimedOut' } : pass
}
