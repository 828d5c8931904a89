import type { BlobFile } from './content.ts'

/** Bytes of an open file. */
export interface FilePart {
  readonly file: BlobFile
  /** The first byte's offset. */
  readonly start: number
  /** Bytes from there. */
  readonly length: number
}

/** What ends a transfer whose reader went away. */
export function clientGone(): Error {
  return Object.assign(new Error('the client closed the connection'), { code: 'ECONNRESET' })
}
