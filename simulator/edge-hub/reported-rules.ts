/** edgeHub looks at the bytes of the patch, not at the whole twin (ReportedPropertiesValidator.cs). */
const mostPatchBytes = 32 * 1024
const mostStringBytes = 4 * 1024
const mostNameBytes = 1024
const mostDepth = 10
const integer = { least: -(2 ** 52), most: 2 ** 52 - 1 } as const

/**
 * Why edgeHub refuses a reported patch, or undefined where it takes it. Its answer to the module says none of this: 400 and an
 * empty body.
 */
export function refuseReported(payload: Buffer): string | undefined {
  if (payload.length > mostPatchBytes) return `the patch has ${payload.length} bytes`
  let patch: unknown
  try {
    patch = JSON.parse(payload.toString('utf8'))
  } catch {
    return 'not JSON'
  }
  return isObject(patch) ? refuseObject(patch, 0, false) : 'not an object'
}

function refuseObject(value: Record<string, unknown>, depth: number, insideArray: boolean): string | undefined {
  if (depth > mostDepth) return `deeper than ${mostDepth}`
  for (const [name, child] of Object.entries(value)) {
    if (Buffer.byteLength(name) > mostNameBytes) return 'a name is too long'
    if (/[.$#\s\u0000-\u001f\u007f-\u009f]/.test(name)) return `forbidden character in ${name}`
    const refusal = refuseValue(child, depth, insideArray)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function refuseValue(value: unknown, depth: number, insideArray: boolean): string | undefined {
  if (value === null) return insideArray ? 'null inside an array' : undefined
  if (typeof value === 'string') return Buffer.byteLength(value) > mostStringBytes ? 'a string is too long' : undefined
  if (typeof value === 'number')
    return Number.isInteger(value) && (value < integer.least || value > integer.most)
      ? 'an integer is out of range'
      : undefined
  if (Array.isArray(value)) {
    for (const element of value) {
      const refusal = refuseValue(element, depth + 1, true)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }
  return isObject(value) ? refuseObject(value, depth + 1, insideArray) : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
