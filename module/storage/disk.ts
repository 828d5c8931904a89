import { statfs } from 'node:fs/promises'
import { diskError, StorageError } from './errors.ts'

/** What a file system says of itself, in bytes. */
export interface Space {
  /** What an ordinary process may still take. */
  readonly free: number
  readonly total: number
}

/** What the disk's state changed to. */
export type DiskNews = { readonly full: true; readonly message: string } | { readonly full: false }

export interface DiskOptions {
  readonly folder: string
  /** Bytes on the disk that content never takes: what is left for the index, for settings, and for deleting. */
  readonly reserveBytes?: number
  /** Told when bytes are first refused, and when there is room again. Must not throw. */
  readonly onChange?: (news: DiskNews) => void
  /** How much there is; `statfs` of the folder by default. */
  readonly measure?: () => Promise<Space>
  /** Milliseconds for which a measurement holds; a second by default. */
  readonly measuredForMs?: number
  /** Milliseconds between two looks while full. */
  readonly lookEveryMs?: number
}

/** Others write to the disk as well (images of the container engine), so a measurement holds for this long, in milliseconds. */
const measuredFor = 1000
const lookEvery = 5000
/** A request for more than this is too large for the disk; the disk itself is then not called full. */
const plentyBytes = 1024 ** 3

/**
 * The disk's room above the reserve. Bytes of which the number is known are admitted before the first of them; all others
 * are counted as they come, so that the reserve is never used either way.
 */
export class Disk {
  readonly #options: DiskOptions
  #reserve: number
  /** Bytes above the reserve when last looked, less what was written since. */
  #room = 0
  #measuredAt = -Infinity
  #measuring: Promise<void> | undefined
  /** Bytes that were admitted and have not come yet. */
  #promised = 0
  #news: DiskNews = { full: false }
  /** How much room ends being full. */
  #needed = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: DiskOptions) {
    this.#options = options
    this.#reserve = options.reserveBytes ?? 0
  }

  get reserveBytes(): number {
    return this.#reserve
  }

  set reserveBytes(bytes: number) {
    this.#reserve = bytes
    this.#measuredAt = -Infinity
    if (this.#news.full) void this.#look()
  }

  /** Whether bytes were refused and there is no room for them so far. */
  get isFull(): boolean {
    return this.#news.full
  }

  /**
   * Sets room aside for bytes that are about to come.
   *
   * @throws {StorageError} `DISK_FULL` where they would not fit above the reserve
   */
  async admit(bytes: number): Promise<Admission> {
    await this.#measure()
    const room = this.#room - this.#promised
    if (bytes > room) throw this.#refuse(bytes, room)
    this.#promised += bytes
    return new Admission(bytes, (given) => (this.#promised -= given))
  }

  /**
   * Counts bytes that are about to be written.
   *
   * @param promised how many of them were set aside before
   * @throws {StorageError} `DISK_FULL`
   */
  async take(bytes: number, promised: number): Promise<void> {
    // What was set aside for others is theirs; what was set aside for these bytes may be gone, taken by another program.
    const room = (): number => this.#room - Math.max(0, this.#promised - promised)
    if (this.#measuredAt + (this.#options.measuredForMs ?? measuredFor) < performance.now() || bytes > room())
      await this.#measure()
    if (bytes > 0 && bytes > room()) throw this.#refuse(bytes, room())
    this.#room -= bytes
  }

  /** The file system itself had no room: its word counts more than a measurement. */
  failed(message: string): void {
    this.#becomeFull(message, 1)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #refuse(bytes: number, room: number): StorageError {
    const message = `no space left for ${bytes} bytes: ${Math.max(0, Math.floor(room))} are free above the reserve of ${this.#reserve}; free some on the data volume`
    if (room < plentyBytes) this.#becomeFull(message, Math.min(bytes, plentyBytes))
    return new StorageError('DISK_FULL', message)
  }

  #becomeFull(message: string, needed: number): void {
    this.#needed = Math.max(this.#news.full ? this.#needed : 0, needed)
    if (this.#news.full) return
    this.#tell({ full: true, message })
    this.#timer = setInterval(() => void this.#look(), this.#options.lookEveryMs ?? lookEvery)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    try {
      await this.#measure()
    } catch {
      // A disk that cannot even be asked has not recovered.
      return
    }
    if (!this.#news.full || this.#room < this.#needed) return
    this.close()
    this.#tell({ full: false })
  }

  #tell(news: DiskNews): void {
    this.#news = news
    this.#options.onChange?.(news)
  }

  /** One look at a time; those who come meanwhile share it. */
  #measure(): Promise<void> {
    this.#measuring ??= (this.#options.measure?.() ?? spaceOf(this.#options.folder))
      .then(({ free }) => {
        this.#room = free - this.#reserve
        this.#measuredAt = performance.now()
      })
      .catch((cause: unknown) => {
        throw diskError('asking how much space is left', cause)
      })
      .finally(() => (this.#measuring = undefined))
    return this.#measuring
  }
}

/** Room that was set aside. */
export class Admission {
  #left: number
  readonly #give: (bytes: number) => void

  constructor(bytes: number, give: (bytes: number) => void) {
    this.#left = bytes
    this.#give = give
  }

  get left(): number {
    return this.#left
  }

  /** Some of them have come. */
  used(bytes: number): void {
    const given = Math.min(bytes, this.#left)
    this.#left -= given
    this.#give(given)
  }

  /** The rest will not come. */
  release(): void {
    this.used(this.#left)
  }
}

async function spaceOf(folder: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { free: bavail * bsize, total: blocks * bsize }
}
