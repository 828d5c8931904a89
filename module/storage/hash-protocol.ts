import type { DigestAlgorithm } from '../oci/digest.ts'

/** One partial file to hash from its first byte. */
export interface HashJob {
  readonly id: number
  readonly path: string
  readonly algorithm: DigestAlgorithm
}

/** Bytes to take from a socket into the file, after the first `from`. */
export interface ReceiveOrder {
  /** Non-blocking; open, as the file is, until the reply. */
  readonly socket: number
  /** Open for writing. */
  readonly file: number
  readonly from: number
  /** The most bytes to take. */
  readonly length: number
  /** One element: how many are in the file, as they come. */
  readonly stored: Int32Array
  /** An event counter that is raised with every request: a thread that waits for sockets hears no messages. */
  readonly wake: number
}

/** What a hashing worker is told. */
export type HashRequest =
  /** Bytes up to `to` are written and may be hashed. */
  | ({ readonly kind: 'advance'; readonly to: number } & HashJob)
  /** Answer with the hash of the first `to` bytes, and forget the job. */
  | ({ readonly kind: 'finish'; readonly to: number } & HashJob)
  /** Answer when all of the bytes are in the file and hashed, or no more come. */
  | ({ readonly kind: 'receive'; readonly order: ReceiveOrder } & HashJob)
  /** Answer now, with what has come. */
  | { readonly kind: 'stop'; readonly id: number }
  | { readonly kind: 'forget'; readonly id: number }

/** What it answers to `finish` (with the hash) and to `receive`. */
export type HashReply =
  | { readonly id: number; readonly hex?: string }
  | { readonly id: number; readonly error: string; readonly code?: string }
