import type { Log } from './log/log.ts'
import type { Settings } from './settings/document.ts'
import type { Index } from './storage/storage.ts'
import type { PassResult, SyncEvent } from './sync/events.ts'

type PassEnd = Pick<Extract<SyncEvent, { readonly kind: 'passEnded' }>, 'parentIsIncomplete'> & {
  readonly result: Pick<PassResult, 'state'>
}

const stateKey = 'sync.complete'

/**
 * Whether this registry has had all that its image sets want, once, on this data folder. One on a new disk, or whose index was lost, has
 * not: what it lacks is on its way then and not gone, which registries below that mirror deletions have to know.
 */
export class Completeness {
  readonly #index: Pick<Index, 'apply'>
  readonly #log: Log
  #isComplete: boolean

  private constructor(index: Pick<Index, 'apply'>, log: Log, isComplete: boolean) {
    this.#index = index
    this.#log = log
    this.#isComplete = isComplete
  }

  static async read(index: Pick<Index, 'state' | 'apply'>, log: Log): Promise<Completeness> {
    return new Completeness(index, log, (await index.state(stateKey)) === true)
  }

  /** @param settings in force */
  lacksSomething(settings: Settings | undefined): boolean {
    return !this.#isComplete && wantsImages(settings)
  }

  /**
   * A pass that brought everything completes this registry, unless its own parent lacked something: what is on its way to that one
   * was in no list of tags, and would look deleted to those below.
   *
   * @param settings by which it ran: without any it proves nothing
   */
  passEnded({ result, parentIsIncomplete }: PassEnd, settings: Settings | undefined): void {
    if (result.state !== 'Succeeded' || parentIsIncomplete === true) return
    if (this.#isComplete || !wantsImages(settings)) return
    this.#isComplete = true
    this.#index.apply([{ kind: 'setState', key: stateKey, value: true }]).catch((error: unknown) => {
      // The next start says once more that it is not complete, until its first pass.
      this.#log.warn('that all is here cannot be kept', { reason: String(error) })
    })
  }
}

function wantsImages(settings: Settings | undefined): boolean {
  return Object.keys(settings?.imageSets ?? {}).length > 0
}
