const pattern = /^P(?:(\d+)W|(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?)$/

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/**
 * Reads an ISO 8601 duration such as `PT4H` or `P1DT12H`. Months and years are no durations here: their length depends on
 * when they begin.
 *
 * @returns milliseconds, or undefined where the text is none
 */
export function parseDuration(text: string): number | undefined {
  const found = pattern.exec(text)
  if (found === null || text === 'P') return undefined
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = found
    .slice(1)
    .map((part?: string) => Number(part ?? 0))
  return weeks * 7 * day + days * day + hours * hour + minutes * minute + seconds * second
}
