/** As IoT Hub counts: keys and texts by their UTF-8 bytes, numbers 8, booleans 4. */
export function twinSize(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (typeof value === 'number') return 8
  if (typeof value === 'boolean') return 4
  if (Array.isArray(value)) return value.reduce((sum: number, entry: unknown) => sum + twinSize(entry), 0)
  if (typeof value !== 'object' || value === null) return 0
  return Object.entries(value).reduce((sum, [key, entry]) => sum + Buffer.byteLength(key) + twinSize(entry), 0)
}
