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

/** A member by name, in another case where none fits exactly: Newtonsoft and `JsonEx.Get` compare without case. */
export function memberOf(object: Properties, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name]
  const found = Object.keys(object).findLast((key) => key.toLowerCase() === name.toLowerCase())
  return found === undefined ? undefined : object[found]
}

/** As System.Version reads it: two to four numbers, with zeros and white space around. Empty where it is none. */
export function versionOf(text: string): readonly number[] {
  return /^\d+(?:\.\d+){1,3}$/.test(text.trim()) ? text.trim().split('.').map(Number) : []
}

/** The runtime's Preconditions.CheckNonWhiteSpace. */
export function readText(value: unknown, path: string): string {
  const text = readOptionalString(value, path) ?? ''
  if (text.trim() === '') refuse(`${path} must be a string that is not blank`)
  return text
}

/** Newtonsoft's ReadAsString makes a string of every scalar. */
export function readOptionalString(value: unknown, path: string): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value !== undefined && typeof value !== 'string') refuse(`${path} must be a string`)
  return value
}

/** A whole number from `least` to `greatest`, written as a number or a string: .NET parses with NumberStyles.Integer. */
export function readInteger(value: unknown, path: string, least: number, greatest: number): number {
  const digits = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : ''
  const number = /^[+-]?[0-9]+$/.test(digits) ? parseInt(digits, 10) : NaN
  if (!(number >= least && number <= greatest)) refuse(`${path} must be a whole number from ${least} to ${greatest}`)
  return number
}

/** Newtonsoft's StringEnumConverter, which edgeAgent reads such values with, does not mind case. */
export function readChoice<Choice extends string>(value: unknown, choices: readonly Choice[], path: string): Choice {
  const found = choices.find((choice) => typeof value === 'string' && value.toLowerCase() === choice)
  return found ?? refuse(`${path} must be one of ${choices.join(', ')}`)
}
