import type { Repository } from '../oci/name.ts'

/** Something that a puller asked for and did not get: a tag, or the digest of a manifest or blob. */
export interface Missed {
  readonly repository: Repository
  readonly reference: string
}

/** Pullers ask again and again, and a device's workloads are not that many. */
const mostMissed = 200

/** What somebody waits for; kept from pass to pass, the newest of it. */
export class WaitedFor {
  readonly #missed = new Map<string, Missed>()
  #listener: () => void = () => undefined

  add(missed: Missed): void {
    const key = `${missed.repository} ${missed.reference}`
    if (this.#missed.has(key)) return
    this.#missed.set(key, missed)
    const [oldest] = this.#missed.keys()
    if (this.#missed.size > mostMissed && oldest !== undefined) this.#missed.delete(oldest)
    this.#listener()
  }

  all(): readonly Missed[] {
    return [...this.#missed.values()]
  }

  clear(): void {
    this.#missed.clear()
  }

  /** Told when something is added from now on; one listener at a time. */
  listen(listener: () => void): void {
    this.#listener = listener
  }
}
