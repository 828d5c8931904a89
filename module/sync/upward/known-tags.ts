import type { Digest } from '../../oci/digest.ts'
import type { StateChange, StateStore } from './ports.ts'

const knownPrefix = 'upward/known/'

/** What the parent's tag names where that is not what it names here, as of when the latter was so. */
export interface Known {
  readonly here: Digest | null
  readonly there: Digest | null
}

/** What to apply, and what to call once it is. */
interface Step {
  readonly changes: readonly StateChange[]
  readonly confirm: () => void
}

/** Tags, each `repository:tag`, that are known to name something else in the parent: after conflicts, and what has expired. */
export class KnownTags {
  readonly #known = new Map<string, Known>()

  static async read(store: StateStore): Promise<KnownTags> {
    const tags = new KnownTags()
    for (const [key, value] of await store.states(knownPrefix))
      tags.#known.set(key.slice(knownPrefix.length), value as Known)
    return tags
  }

  /**
   * What the parent's tag names; null for nothing.
   *
   * @param here what the tag names here
   */
  there(name: string, here: Digest | null): Digest | null {
    const known = this.#known.get(name)
    return known?.here === here ? known.there : here
  }

  learn(tags: readonly (readonly [name: string, known: Known])[]): Step {
    return {
      changes: tags.map(([name, value]) => ({ kind: 'setState', key: knownPrefix + name, value })),
      confirm: () => {
        for (const [name, value] of tags) this.#known.set(name, value)
      }
    }
  }

  forget(names: readonly string[]): Step {
    return {
      changes: names
        .filter((name) => this.#known.has(name))
        .map((name) => ({ kind: 'setState', key: knownPrefix + name, value: undefined })),
      confirm: () => {
        for (const name of names) this.#known.delete(name)
      }
    }
  }
}
