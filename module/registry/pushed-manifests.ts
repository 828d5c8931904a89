import { OciError } from '../oci/errors.ts'

/** Of all manifests that are being pushed at once: four as large as one may be, or a thousand as they are. */
const mostHeldBytes = 24 * 1024 * 1024
/** What is read out of a manifest takes several times its bytes: of those above this, one is read at a time. */
const large = 256 * 1024
/** Milliseconds that one of them may wait for its turn. */
const longestWait = 30_000

/** Bytes of one manifest that is being pushed. */
export interface HeldManifest {
  /** @throws {OciError} `TOOMANYREQUESTS` */
  take(bytes: number): void
  giveBack(): void
}

/** Bounds the memory that manifests take while they are pushed, whoever sends them and however many at once. */
export class PushedManifests {
  readonly #longestWait: number
  readonly #waiting: (() => void)[] = []
  #held = 0
  #busy = false

  constructor(changes: { readonly longestWait?: number } = {}) {
    this.#longestWait = changes.longestWait ?? longestWait
  }

  hold(): HeldManifest {
    let own = 0
    return {
      take: (bytes) => {
        if (this.#held + bytes > mostHeldBytes) throw tooMany()
        own += bytes
        this.#held += bytes
      },
      giveBack: () => {
        this.#held -= own
        own = 0
      }
    }
  }

  /**
   * Does what is to be done with a manifest: at once where it is small, one after the other where it is large.
   *
   * @param bytes how large it is
   * @throws {OciError} `TOOMANYREQUESTS` where its turn does not come
   */
  async inTurn<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (bytes <= large) return work()
    if (this.#busy) await this.#turn()
    this.#busy = true
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#busy = false
      else next()
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1)
        reject(tooMany())
      }, this.#longestWait)
      this.#waiting.push(begin)
    })
  }
}

function tooMany(): OciError {
  return new OciError('TOOMANYREQUESTS', 'too many large manifests are being pushed at once: try again', {
    retryAfterSeconds: 5
  })
}
