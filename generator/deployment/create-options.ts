/**
 * edgeAgent reads `createOptions`, `createOptions01` … `createOptions99` and joins them. It writes pieces of 512 characters
 * itself; the tools of old stopped at eight of them, the runtime does not (facts: deployment-manifests §1.2).
 */
const longestChunk = 512
const mostChunks = 100

/**
 * Cuts a create options' JSON into pieces, never between the halves of a surrogate pair.
 *
 * @returns keys with their texts, in order, or undefined where it takes more pieces than edgeAgent reads
 */
export function chunkCreateOptions(text: string): Readonly<Record<string, string>> | undefined {
  const chunks: string[] = []
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + longestChunk, text.length)
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1
    chunks.push(text.slice(start, end))
    start = end
  }
  if (chunks.length > mostChunks) return undefined
  return Object.fromEntries(
    (chunks.length === 0 ? [''] : chunks).map((chunk, index) => [
      index === 0 ? 'createOptions' : `createOptions${String(index).padStart(2, '0')}`,
      chunk
    ])
  )
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
