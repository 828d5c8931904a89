/** How a file was saved, where that matters to those who read it after us. */
export type Encoding = 'UTF-8' | 'UTF-16' | 'unknown'

export interface DecodedText {
  /** Its byte order mark is still there in UTF-8, and gone in UTF-16. */
  readonly text: string
  readonly encoding: Encoding
}

/** The text of a file, whatever it was saved as: PowerShell's `>` writes UTF-16, old editors write code pages. */
export function decodeText(bytes: Buffer): DecodedText {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return { text: decode('utf-16le', bytes.subarray(2)), encoding: 'UTF-16' }
  if (first === 0xfe && second === 0xff) return { text: decode('utf-16be', bytes.subarray(2)), encoding: 'UTF-16' }
  const text = bytes.toString('utf8')
  // Every wrong byte became a replacement character; one that was written on purpose is no mistake.
  const wrong = text.includes('\uFFFD') && !Buffer.from(text, 'utf8').equals(bytes)
  return { text, encoding: wrong ? 'unknown' : 'UTF-8' }
}

function decode(encoding: 'utf-16le' | 'utf-16be', bytes: Buffer): string {
  return new TextDecoder(encoding).decode(bytes)
}
