import { constants } from 'node:os'

/** The few system calls that Node has no name for. Each is short: none of them waits, except {@link Libc.poll}. */
export interface Libc {
  /** A second descriptor of the same socket, which stays the same socket when the first one is closed. */
  dup(descriptor: number): number
  close(descriptor: number): void
  /** A counter that {@link poll} can wait for. */
  eventCounter(): number
  /** Adds to an event counter. */
  raise(counter: number): void
  /** Sets an event counter back to nothing. */
  clear(counter: number): void
  /**
   * Waits until one of the descriptors is ready, and notes in the list which.
   *
   * @param milliseconds the longest wait
   */
  poll(list: PollList, milliseconds: number): void
  /**
   * Moves bytes from a file into a socket, as many as the socket takes now.
   *
   * @param offset one element: where to begin, and then where to go on
   * @returns bytes moved, 0 at the file's end, or `'later'` where the socket is full
   * @throws {Error} with the system's `code`
   */
  sendFile(socket: number, file: number, offset: BigInt64Array, count: number): number | 'later'
  /**
   * Takes what a socket has, without waiting.
   *
   * @returns bytes taken, 0 where the sender has ended, or `'later'` where there is nothing yet
   * @throws {Error} with the system's `code`
   */
  receive(socket: number, into: Uint8Array, count: number): number | 'later'
  /** Has the kernel begin to bring a part of a file to the disk, so that the fsync at the end finds little left to do. */
  startWriteBack(file: number, offset: number, count: number): void
}

const pollEvents = { readable: 1, writable: 4 } as const

/** `struct pollfd[]`, of the same layout on every Linux: int fd, short events, short revents. */
export class PollList {
  readonly records: Int16Array
  readonly count: number

  constructor(entries: readonly { readonly descriptor: number; readonly until: keyof typeof pollEvents }[]) {
    this.count = entries.length
    this.records = new Int16Array(4 * entries.length)
    const descriptors = new Int32Array(this.records.buffer)
    entries.forEach(({ descriptor, until }, index) => {
      descriptors[2 * index] = descriptor
      this.records[4 * index + 2] = pollEvents[until]
    })
  }

  /** An error and a hang-up count as ready: the next call tells which. */
  isReady(index: number): boolean {
    return this.records[4 * index + 3] !== 0
  }
}

const nonBlockingCloseOnExec = 0o4000 | 0o2000000
const doNotWait = 0x40
/** `SYNC_FILE_RANGE_WRITE`: begins, and does not wait for the end. */
const beginToWrite = 2
const { EAGAIN, EINTR } = constants.errno

let loading: Promise<Libc | undefined> | undefined

/**
 * Loads libc, once for each thread, through koffi, whose prebuilt binary an installation may lack: it is an optional package.
 *
 * @returns undefined where there is no sendfile to be had; serving works all the same, with reads and writes
 */
export function loadLibc(): Promise<Libc | undefined> {
  loading ??= load()
  return loading
}

async function load(): Promise<Libc | undefined> {
  // Elsewhere sendfile has other parameters, or is not there.
  if (process.platform !== 'linux') return undefined
  try {
    const { default: koffi } = await import('koffi')
    const library = koffi.load(null)
    // 64-bit offsets by name in glibc, always in musl.
    const signature = '(int socket, int file, int64_t *offset, size_t count)'
    const sendfile: (socket: number, file: number, offset: BigInt64Array, count: number) => number = firstOf(
      [`intptr_t sendfile64${signature}`, `intptr_t sendfile${signature}`],
      (definition) => library.func(definition)
    )
    const dup: (descriptor: number) => number = library.func('int dup(int descriptor)')
    const close: (descriptor: number) => number = library.func('int close(int descriptor)')
    const eventfd: (initial: number, flags: number) => number = library.func(
      'int eventfd(unsigned int initial, int flags)'
    )
    const write: (descriptor: number, value: bigint) => number = library.func(
      'int eventfd_write(int descriptor, uint64_t value)'
    )
    const read: (descriptor: number, value: BigInt64Array) => number = library.func(
      'int eventfd_read(int descriptor, int64_t *value)'
    )
    const poll: (records: Int16Array, count: number, milliseconds: number) => number = library.func(
      'int poll(void *records, unsigned long count, int milliseconds)'
    )
    const recv: (socket: number, into: Uint8Array, count: number, flags: number) => number = library.func(
      'intptr_t recv(int socket, void *into, size_t count, int flags)'
    )
    const syncFileRange: (file: number, offset: number, count: number, flags: number) => number = library.func(
      'int sync_file_range(int file, int64_t offset, int64_t count, unsigned int flags)'
    )
    const discarded = new BigInt64Array(1)
    const checked = (result: number, call: string): number => {
      if (result < 0) throw systemError(call, koffi.errno())
      return result
    }
    return {
      dup: (descriptor) => checked(dup(descriptor), 'dup'),
      close: (descriptor) => void close(descriptor),
      eventCounter: () => checked(eventfd(0, nonBlockingCloseOnExec), 'eventfd'),
      raise: (counter) => void write(counter, 1n),
      clear: (counter) => void read(counter, discarded),
      poll: ({ records, count }, milliseconds) => void poll(records, count, milliseconds),
      sendFile: (socket, file, offset, count) => {
        const sent = sendfile(socket, file, offset, count)
        if (sent >= 0) return sent
        const number = koffi.errno()
        if (number === EAGAIN || number === EINTR) return 'later'
        throw systemError('sendfile', number)
      },
      receive: (socket, into, count) => {
        const taken = recv(socket, into, count, doNotWait)
        if (taken >= 0) return taken
        const number = koffi.errno()
        if (number === EAGAIN || number === EINTR) return 'later'
        throw systemError('recv', number)
      },
      // What a file system does not know of, it does at the fsync.
      startWriteBack: (file, offset, count) => void syncFileRange(file, offset, count, beginToWrite)
    }
  } catch {
    return undefined
  }
}

function firstOf<T>(names: readonly string[], find: (name: string) => T): T {
  for (const name of names.slice(0, -1)) {
    try {
      return find(name)
    } catch {
      continue
    }
  }
  return find(names.at(-1) ?? '')
}

function systemError(call: string, number: number): Error {
  const code = Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`
  return Object.assign(new Error(`${call}: ${code}`), { code })
}
