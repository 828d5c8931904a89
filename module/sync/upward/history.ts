import type { Digest } from '../../oci/digest.ts'
import type { StateChange, StateStore } from './ports.ts'

const countsKey = 'upward/counts'
const troublesKey = 'upward/troubles'
/** Of what did not go up as it was meant to; the log has all of it. */
const mostTroubles = 50

/** What became of a push or a delete. */
export interface Ended {
  readonly kind: 'delivered' | 'conflict' | 'expired'
  /** `push samples/app:1.0` */
  readonly what: string
  readonly digest?: Digest
  readonly reason?: string
}

/** What did not go up as it was meant to. */
export interface Trouble {
  readonly kind: 'conflict' | 'expired'
  readonly what: string
  readonly digest?: string
  readonly reason: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Counts {
  readonly delivered: number
  readonly conflicts: number
  readonly expired: number
}

const none: Counts = { delivered: 0, conflicts: 0, expired: 0 }

/** What became of everything that was for the parent: counted for ever, and the newest troubles by name. */
export class History {
  #counts: Counts
  #troubles: readonly Trouble[]

  private constructor(counts: Counts, troubles: readonly Trouble[]) {
    this.#counts = counts
    this.#troubles = troubles
  }

  static async read(store: StateStore): Promise<History> {
    const states = new Map(await store.states('upward/'))
    const counts = states.get(countsKey) as Partial<Counts> | undefined
    const troubles = states.get(troublesKey)
    return new History({ ...none, ...counts }, Array.isArray(troubles) ? (troubles as Trouble[]) : [])
  }

  get counts(): Counts {
    return this.#counts
  }

  /** The newest first. */
  get troubles(): readonly Trouble[] {
    return this.#troubles
  }

  /** @returns what to apply, and what to call once it is */
  add(ended: Ended, at: number): { readonly changes: readonly StateChange[]; readonly confirm: () => void } {
    const { kind, what, digest, reason = '' } = ended
    const key = kind === 'conflict' ? 'conflicts' : kind
    const counts = { ...this.#counts, [key]: this.#counts[key] + 1 }
    const trouble =
      kind === 'delivered' ? [] : [{ kind, what, reason, at, ...(digest === undefined ? {} : { digest }) }]
    const troubles = [...trouble, ...this.#troubles].slice(0, mostTroubles)
    return {
      changes: [
        { kind: 'setState', key: countsKey, value: counts },
        ...(trouble.length === 0 ? [] : [{ kind: 'setState' as const, key: troublesKey, value: troubles }])
      ],
      confirm: () => {
        this.#counts = counts
        this.#troubles = troubles
      }
    }
  }
}
