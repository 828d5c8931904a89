import { GeneratorError } from '../errors.ts'
import { mapStrings } from './references.ts'
import { twinSize } from './twin-size.ts'

/** IoT Hub's limits of a twin's desired half (facts: azure-sdk §7). */
const mostBytes = 32 * 1024
const longestValue = 4096

/**
 * @throws {GeneratorError} `SETTINGS_TOO_LARGE` before the hub would say so, and by name
 */
export function assertFitsTwin(desired: unknown, where: string): void {
  const long: string[] = []
  mapStrings(desired, (text, path) => {
    if (Buffer.byteLength(text) > longestValue) long.push(path.map(String).join('.'))
    return text
  })
  if (long.length > 0)
    throw new GeneratorError(
      'SETTINGS_TOO_LARGE',
      `IoT Hub takes values of up to ${longestValue} bytes, and these of ${where} are longer: ${long.join(', ')}`
    )
  const size = twinSize(desired)
  if (size > mostBytes)
    throw new GeneratorError(
      'SETTINGS_TOO_LARGE',
      `the settings of ${where} take ${size} bytes, and IoT Hub keeps ${mostBytes}; give the device fewer tokens, or use wildcards (samples/*) in scope maps`
    )
}
