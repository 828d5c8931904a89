import { TwinError } from './errors.ts'
import { isObject, type Properties } from './merge.ts'

/** IoT Hub's limit for the whole half, and edgeHub's for one patch, both taken on the bytes of the JSON. */
export const mostReportBytes = 32 * 1024
const mostStringBytes = 4 * 1024
const mostNameBytes = 1024
const mostDepth = 10
const mostInteger = 2 ** 52 - 1
const mostProblemsTold = 10

interface Problem {
  readonly path: string
  readonly reason: string
}

/**
 * Checks what the module wants to report, before it is sent: edgeHub refuses with an empty body that the SDK takes for
 * success, and what edgeHub does not look at (the size of the whole) the hub drops later, when nobody listens
 * (ReportedPropertiesValidator.cs; docs: iot-hub-devguide-device-twins).
 *
 * @returns the document as JSON will carry it: without undefined, dates as text
 * @throws {TwinError} `TWIN_REPORT_INVALID`, naming the first few paths
 */
export function checkReport(document: object): Properties {
  const json = JSON.stringify(document)
  const carried: unknown = JSON.parse(json)
  if (!isObject(carried)) throw new TwinError('TWIN_REPORT_INVALID', 'a report must be an object')
  const problems: Problem[] = []
  const bytes = Buffer.byteLength(json)
  if (bytes > mostReportBytes)
    problems.push({ path: '(whole)', reason: `${bytes} bytes, and a twin holds ${mostReportBytes}` })
  lookAt(carried, [], problems)
  if (problems.length > 0) throw new TwinError('TWIN_REPORT_INVALID', `this cannot be reported: ${tell(problems)}`)
  return carried
}

function lookAt(value: unknown, path: readonly string[], problems: Problem[]): void {
  const reason = refuse(value, path.length)
  if (reason !== undefined) problems.push({ path: path.join('.'), reason })
  else if (Array.isArray(value))
    for (const [index, child] of value.entries()) lookAt(child, [...path, String(index)], problems)
  else if (isObject(value))
    for (const [name, child] of Object.entries(value)) {
      const bad = refuseName(name, path.length)
      if (bad === undefined) lookAt(child, [...path, name], problems)
      else problems.push({ path: [...path, name].join('.'), reason: bad })
    }
}

function refuse(value: unknown, depth: number): string | undefined {
  // In a patch null removes, and inside an array edgeHub refuses it.
  if (value === null) return 'null cannot be reported; leave the property out'
  if (typeof value === 'string' && Buffer.byteLength(value) > mostStringBytes)
    return `a string of more than ${mostStringBytes} bytes`
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) > mostInteger)
    return 'an integer beyond 2^52'
  if (typeof value === 'object' && depth > mostDepth) return `deeper than ${mostDepth} levels`
  return undefined
}

function refuseName(name: string, depth: number): string | undefined {
  // The SDK puts a function of this name among the reported properties, and would lose it to ours.
  if (name === 'update' && depth === 0) return 'the name update is taken by the SDK'
  if (name === '') return 'an empty name'
  if (Buffer.byteLength(name) > mostNameBytes) return `a name of more than ${mostNameBytes} bytes`
  return /[.$#\s\u0000-\u001f\u007f-\u009f]/.test(name)
    ? 'a name with a dot, $, #, white space or a control character'
    : undefined
}

function tell(problems: readonly Problem[]): string {
  const told = problems.slice(0, mostProblemsTold).map(({ path, reason }) => `${JSON.stringify(path)}: ${reason}`)
  const rest = problems.length - told.length
  return [...told, ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ')
}
