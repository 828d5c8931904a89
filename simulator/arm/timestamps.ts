/** A time as the service prints it, without the offset, whose form differs by field (arm-wire §1). */
export type Stamp = string & { readonly __brand: 'Stamp' }

let ticks = 0

/**
 * .NET's round-trip form: up to seven digits of a second, trailing zeros dropped. The digits below a millisecond are counted up,
 * so that two stamps of one millisecond differ as they do in the service.
 *
 * @param milliseconds since 1970
 */
export function stamp(milliseconds: number): Stamp {
  ticks = (ticks + 137) % 10_000
  const [seconds = '', fraction = ''] = new Date(milliseconds).toISOString().slice(0, -1).split('.')
  return withFraction(seconds, fraction + String(ticks).padStart(4, '0'))
}

/**
 * Reads a time a client sent (`expiry`), whatever its offset, keeping digits below a millisecond.
 *
 * @returns undefined for what is no time
 */
export function parseStamp(text: string): { readonly stamp: Stamp; readonly milliseconds: number } | undefined {
  const milliseconds = Date.parse(text)
  if (Number.isNaN(milliseconds)) return undefined
  const fraction = /\.(\d{1,7})/.exec(text)?.[1] ?? ''
  return { stamp: withFraction(new Date(milliseconds).toISOString().slice(0, 19), fraction), milliseconds }
}

/** With `+00:00`: systemData, creationDate of scope maps and tokens, passwords. */
export function withOffset(time: Stamp): string {
  return `${time}+00:00`
}

/** With `Z`: creationDate of a registry, systemData in `/resources`. */
export function withZ(time: Stamp): string {
  return `${time}Z`
}

function withFraction(seconds: string, fraction: string): Stamp {
  const digits = fraction.replace(/0+$/, '')
  return (digits === '' ? seconds : `${seconds}.${digits}`) as Stamp
}
