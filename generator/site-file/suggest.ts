import { z } from 'zod'

/** Whether `name` is a key of `known` itself, not one of every object's. */
export function isOneOf(name: string, known: object): boolean {
  return Object.hasOwn(known, name)
}

/** `; did you mean pullToken?`, or nothing where no known name is near. */
export function suggest(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter((entry) => entry.distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0]
  return near === undefined ? '' : `; did you mean ${near.candidate}?`
}

/** The keys that a schema knows at a path, for {@link suggest}. */
export function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly string[] {
  let place: z.core.$ZodType | undefined = unwrap(schema)
  for (const key of path) {
    if (place instanceof z.ZodObject) place = (place.shape as Record<PropertyKey, z.core.$ZodType>)[key]
    else if (place instanceof z.ZodRecord) place = place.valueType
    else if (place instanceof z.ZodArray) place = place.element
    else return []
    place = place === undefined ? undefined : unwrap(place)
  }
  return place instanceof z.ZodObject ? Object.keys(place.shape) : []
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return unwrap(schema.unwrap())
  return schema
}

/** How many letters to add, drop, change or swap with their neighbour, at least (optimal string alignment). */
function distance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, index) => index)]
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    rows.push(current)
    for (let column = 1; column <= to.length; column++) {
      const change = at(row - 1, column - 1) + (from[row - 1] === to[column - 1] ? 0 : 1)
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      const swap = swapped ? at(row - 2, column - 2) + 1 : Infinity
      current.push(Math.min(change, swap, at(row - 1, column) + 1, at(row, column - 1) + 1))
    }
  }
  return at(from.length, to.length)
}
