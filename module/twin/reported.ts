import { diff, mergePatch, withoutMetadata, type Properties } from './merge.ts'
import { mostReportBytes } from './reported-rules.ts'

/** What the module wants reported, what the hub is known to hold, and so what is left to send. */
export class Reported {
  #wanted: Properties | undefined
  #held: Properties | undefined

  want(document: Properties): void {
    this.#wanted = document
  }

  /** Takes what was read from the hub: another program, or an older release, may have left something else there. */
  read(section: Properties): void {
    this.#held = withoutMetadata(section)
  }

  acknowledged(patch: Properties): void {
    this.#held = mergePatch(this.#held, patch)
  }

  /**
   * The next patch, or undefined where nothing is left to say or nothing is known of the hub yet. One that would be larger than
   * edgeHub takes first removes what it is about to change, and what follows then fits as the whole document does.
   */
  next(): Properties | undefined {
    if (this.#wanted === undefined || this.#held === undefined) return undefined
    const patch = diff(this.#held, this.#wanted)
    if (patch === undefined || Buffer.byteLength(JSON.stringify(patch)) <= mostReportBytes) return patch
    const held = this.#held
    const removals = Object.keys(patch).filter((name) => Object.hasOwn(held, name))
    return Object.fromEntries(removals.map((name) => [name, null]))
  }

  /** Whether the hub holds exactly what is wanted. */
  get settled(): boolean {
    return this.#wanted !== undefined && this.#held !== undefined && diff(this.#held, this.#wanted) === undefined
  }
}
