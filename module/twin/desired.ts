import { isDeepStrictEqual } from 'node:util'
import { isObject, mergePatch, withoutMetadata, type Properties } from './merge.ts'

export interface DesiredOptions {
  /** Milliseconds in which several changes become one; the first document is announced at once. */
  readonly coalesceMs: number
  /** The document is another than the one announced last, or the first. */
  readonly changed: (document: Properties, version: number) => void
  /** `$version` moved on and the document did not change: whoever waits for the version must still hear of it. */
  readonly moved: (version: number) => void
}

/**
 * The desired properties as this module holds them: the last document that was read whole, and every patch since, in the
 * order of `$version`. Patches are not queued anywhere while a module is away, so a gap means: read it whole again.
 */
export class Desired {
  readonly #options: DesiredOptions
  #current: { readonly document: Properties; readonly version: number } | undefined
  #announced: { readonly document: Properties; readonly version: number } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: DesiredOptions) {
    this.#options = options
  }

  /** Takes a document that was read whole, whatever its version: a twin that was made anew counts from 1 again. */
  replace(section: Properties): void {
    this.#current = { document: withoutMetadata(section), version: versionOf(section) ?? 0 }
    this.#changed()
  }

  /** `gap`: something before this patch is missing, and the whole must be read. `stale`: known already. */
  patch(patch: Properties): 'applied' | 'stale' | 'gap' {
    const version = versionOf(patch)
    if (version === undefined || this.#current === undefined) return 'gap'
    if (version <= this.#current.version) return 'stale'
    if (version > this.#current.version + 1) return 'gap'
    this.#current = { document: mergePatch(this.#current.document, withoutMetadata(patch)), version }
    this.#changed()
    return 'applied'
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #changed(): void {
    if (this.#announced === undefined) this.#announce()
    else this.#timer ??= setTimeout(() => this.#announce(), this.#options.coalesceMs)
  }

  #announce(): void {
    this.#timer = undefined
    const before = this.#announced
    const current = this.#current
    if (current === undefined) return
    this.#announced = current
    if (before === undefined || !isDeepStrictEqual(before.document, current.document))
      this.#options.changed(current.document, current.version)
    else if (before.version !== current.version) this.#options.moved(current.version)
  }
}

function versionOf(section: unknown): number | undefined {
  const version = isObject(section) ? section['$version'] : undefined
  return typeof version === 'number' ? version : undefined
}
