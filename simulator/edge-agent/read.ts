import { DeploymentError } from './deployment.ts'

/** Readers of desired properties that stop at the first wrong value and say where it stands. */

export type Properties = Readonly<Record<string, unknown>>

export function refuse(message: string): never {
  throw new DeploymentError(400, message)
}

export function readObject(value: unknown, path: string): Properties {
  if (!isObject(value)) refuse(`${path} must be an object`)
  return value
}

export function isObject(value: unknown): value is Properties {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The runtime's Preconditions.CheckNonWhiteSpace. */
export function readText(value: unknown, path: string): string {
  if (typeof value !== 'string' || value.trim() === '') refuse(`${path} must be a string that is not blank`)
  return value
}

export function readOptionalString(value: unknown, path: string): string | undefined {
  if (value !== undefined && typeof value !== 'string') refuse(`${path} must be a string`)
  return value
}

/** A whole number from `least` to `greatest`. */
export function readInteger(value: unknown, path: string, least: number, greatest: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > greatest)
    refuse(`${path} must be a whole number from ${least} to ${greatest}`)
  return value
}

/** Newtonsoft's StringEnumConverter, which edgeAgent reads such values with, does not mind case. */
export function readChoice<Choice extends string>(value: unknown, choices: readonly Choice[], path: string): Choice {
  const found = choices.find((choice) => typeof value === 'string' && value.toLowerCase() === choice)
  return found ?? refuse(`${path} must be one of ${choices.join(', ')}`)
}
