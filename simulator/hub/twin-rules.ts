import type { Properties } from '../twins.ts'
import { HubError } from './errors.ts'

/** What the hub allows in a twin (azure-sdk.md §7); sizes in bytes. */
const limits = {
  key: 1024,
  string: 4096,
  section: { tags: 8192, desired: 32_768, reported: 32_768 },
  depth: 10,
  integer: { least: -(2 ** 52), most: 2 ** 52 - 1 }
} as const

/** C0 and C1 controls, the dot, the dollar and the space. */
const forbiddenInKeys = /[\u0000-\u001f\u007f-\u009f.$ ]/

/**
 * Checks one section of a twin as the service accepts it, or a patch of one: a patch may hold nulls, which delete.
 *
 * @throws HubError ArgumentInvalid naming the place
 */
export function checkValues(value: unknown, path: string, depth = 1): void {
  if (typeof value === 'string') {
    if (Buffer.byteLength(value) > limits.string)
      throw new HubError(
        'ArgumentInvalid',
        `Property or Tag value should be maximum ${limits.string} bytes. Error in Property/Tag ${value}`
      )
  } else if (typeof value === 'number') {
    if (Number.isInteger(value) && (value < limits.integer.least || value > limits.integer.most))
      throw new HubError('ArgumentInvalid', `Integer out of range in ${path}`)
  } else if (typeof value === 'object' && value !== null) {
    if (depth > limits.depth)
      throw new HubError('ArgumentInvalid', `Maximum depth of ${limits.depth} exceeded in ${path}`)
    if (Array.isArray(value)) value.forEach((item, index) => checkValues(item, `${path}[${index}]`, depth + 1))
    else
      for (const [key, item] of Object.entries(value)) {
        checkKey(key, path)
        checkValues(item, `${path}.${key}`, depth + 1)
      }
  }
}

/** Checks the size that a whole section would have, nulls already applied. */
export function checkSize(section: 'tags' | 'desired', properties: Properties): void {
  if (fits(section, properties)) return
  const most = limits.section[section]
  // The recorded answer is a 403, which the SDK calls TooManyDevicesError (Azure/iotedge#1694).
  const name = section === 'tags' ? 'Tags' : 'Properties.Desired'
  throw new HubError('DeviceModelMaxPropertiesExceeded', `'${name}' size should be less than ${most} bytes.`)
}

/** Whether a whole section keeps to its limit, nulls already applied. */
export function fits(section: keyof typeof limits.section, properties: Properties): boolean {
  return sizeOf(properties) <= limits.section[section]
}

/**
 * The size that counts: UTF-8 bytes of keys and strings without control characters, 8 for a number, 4 for a boolean.
 */
export function sizeOf(value: unknown): number {
  if (typeof value === 'string') return textSize(value)
  if (typeof value === 'number') return 8
  if (typeof value === 'boolean') return 4
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + sizeOf(item), 0)
  if (typeof value !== 'object' || value === null) return 0
  return Object.entries(value).reduce((sum, [key, item]) => sum + textSize(key) + sizeOf(item), 0)
}

function textSize(text: string): number {
  return Buffer.byteLength(text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ''))
}

function checkKey(key: string, path: string): void {
  if (key === '' || forbiddenInKeys.test(key))
    throw new HubError('ArgumentInvalid', `Invalid character in property name '${key}' in ${path}`)
  if (Buffer.byteLength(key) > limits.key)
    throw new HubError('ArgumentInvalid', `Property name should be maximum ${limits.key} bytes in ${path}`)
}
