/**
 * edgeAgent reads `createOptions`, `createOptions01` … `createOptions99` and joins them. It writes pieces of 512 characters
 * itself; the tools of old stopped at eight of them, the runtime does not (facts: deployment-manifests §1.2).
 */
const longestChunk = 512
const mostChunks = 100

/** Longer names are no names, and would keep a cut from coming anywhere. */
const placeholder = /\$\{[^}]{1,200}\}/g

/**
 * Cuts a create options' JSON into pieces, never between the halves of a surrogate pair, nor inside a placeholder that waits for
 * its value: nobody would find it again.
 *
 * @returns keys with their texts, in order, or undefined where it takes more pieces than edgeAgent reads
 */
export function chunkCreateOptions(text: string): Readonly<Record<string, string>> | undefined {
  const chunks: string[] = []
  const whole = [...text.matchAll(placeholder)].map(({ index, 0: each }) => ({ from: index, to: index + each.length }))
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + longestChunk, text.length)
    end = whole.find(({ from, to }) => from > start && from < end && to > end)?.from ?? end
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

/**
 * A module's settings with the keys of its create options as they are usually written: edgeAgent reads them in any case
 * (facts: deployment-manifests §1.2). One that is there in two cases stays as it is, and edgeAgent refuses it.
 */
export function withUsualKeys(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const usual = (key: string): string => key.replace(/^createOptions(?=(?:\d\d)?$)/i, 'createOptions')
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [Object.hasOwn(settings, usual(key)) ? key : usual(key), value])
  )
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
