/** Milliseconds that the pace is taken over: long enough to bridge a cut, short enough to follow a window's ceiling. */
const windowMs = 300_000
/** Milliseconds between two samples, and before which there is nothing to tell. */
const stepMs = 5_000

export interface Estimate {
  readonly bytesPerSecond: number
  readonly secondsLeft: number
}

/** How fast bytes have been coming lately, and so how long the rest will take. */
export class Pace {
  #samples: { readonly at: number; readonly bytesDone: number }[] = []

  /** Takes note of how many bytes are here. @param at milliseconds */
  note(at: number, bytesDone: number): void {
    const last = this.#samples.at(-1)
    // Fewer than before: other images are wanted now, or bytes proved wrong.
    if (last !== undefined && bytesDone < last.bytesDone) this.#samples = []
    else if (last !== undefined && at - last.at < stepMs) return
    this.#samples.push({ at, bytesDone })
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) >= windowMs) this.#samples.shift()
  }

  /** Nothing is coming any more. */
  stop(): void {
    this.#samples = []
  }

  /** @returns undefined while there is no pace to go by */
  estimate(at: number, bytesDone: number, bytesTotal: number): Estimate | undefined {
    const first = this.#samples[0]
    if (first === undefined || at - first.at < stepMs || bytesDone <= first.bytesDone) return undefined
    const perMs = (bytesDone - first.bytesDone) / (at - first.at)
    return {
      bytesPerSecond: Math.round(perMs * 1000),
      secondsLeft: Math.ceil(Math.max(0, bytesTotal - bytesDone) / perMs / 1000)
    }
  }
}
