import type { Spot } from './place.ts'

/**
 * What Newtonsoft makes of a value of another kind than the runtime's own (JsonTextReader.cs, ReadAsInt32 and ReadAsString; for
 * others Convert.ChangeType): a whole number in quotes is read as a number, and a number or boolean as a text.
 */

/** @returns the whole number, of the range, that the runtime reads; undefined where it refuses */
export function wholeOf({ node }: Spot, least: number, most: number): number | undefined {
  const value = node.kind === 'string' && /^\s*[+-]?\d+\s*$/.test(node.value) ? Number(node.value) : undefined
  const number = node.kind === 'number' ? node.value : value
  return number !== undefined && Number.isInteger(number) && number >= least && number <= most ? number : undefined
}

/** @returns the text that the runtime reads; undefined for objects and lists */
export function textOf({ node }: Spot): string | undefined {
  return node.kind === 'string' || node.kind === 'number' || node.kind === 'boolean' ? String(node.value) : undefined
}

export const numberInQuotes = "is a number in quotes: the runtime reads it, az's schema and other tools do not"
export const notInQuotes = "is no text: the runtime makes one of it, az's schema and other tools do not"
