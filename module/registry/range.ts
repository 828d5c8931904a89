/** What a `Range` header asks of a body of a known size. */
export type RangeReading =
  /** No range, or one that a server may ignore: other units, several ranges, not understood. */
  | { readonly kind: 'whole' }
  /** Both ends inclusive. */
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' }

/**
 * Reads a single byte range. One that runs backwards is unsatisfiable here, where HTTP would have it ignored: the
 * conformance suite of the distribution spec expects 416.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-14.2
 */
export function readRange(header: string | undefined, size: number): RangeReading {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? '') ?? []
  if (first === '' && last === '') return { kind: 'whole' }
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start > end ? { kind: 'unsatisfiable' } : { kind: 'part', start, end }
}
