import type { DigestAlgorithm } from '../oci/digest.ts'

/** One partial file to hash from its first byte. */
export interface HashJob {
  readonly id: number
  readonly path: string
  readonly algorithm: DigestAlgorithm
}

/** What the hashing worker is told. */
export type HashRequest =
  /** Bytes up to `to` are written and may be hashed. */
  | ({ readonly kind: 'advance'; readonly to: number } & HashJob)
  /** Answer with the hash of the first `to` bytes, and forget the job. */
  | ({ readonly kind: 'finish'; readonly to: number } & HashJob)
  | { readonly kind: 'forget'; readonly id: number }

/** What it answers to `finish`. */
export type HashReply =
  | { readonly id: number; readonly hex: string }
  | { readonly id: number; readonly error: string; readonly code?: string }
