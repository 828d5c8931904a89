/**
 * Faults by code: which part they belong to, and whether they are critical, that is, whether the module cannot do its work until
 * somebody acts. A parent that is merely away is no such fault: what is ready is served meanwhile.
 */
const table = {
  SettingsMissing: ['Settings', true],
  SettingsInvalid: ['Settings', false],
  ParentMissing: ['Parent', true],
  ParentInvalid: ['Parent', true],
  ParentUnreachable: ['Parent', false],
  ParentUntrusted: ['Parent', true],
  ParentUnauthorized: ['Parent', true],
  ParentDenied: ['Parent', false],
  ParentThrottled: ['Parent', false],
  ParentFailed: ['Parent', false],
  ParentProtocol: ['Parent', true],
  ParentLoop: ['Parent', true],
  ClockSkew: ['Clock', false],
  CertificateUnusable: ['Registry', false],
  InsecureCredentials: ['Registry', false],
  ContentDamaged: ['Content', false],
  ImageQuarantined: ['Signature', false],
  DiskFull: ['Disk', true],
  DiskError: ['Disk', true]
} as const satisfies Record<string, readonly [type: string, critical: boolean]>

export type FaultCode = keyof typeof table

/** The part of the module that a fault belongs to. */
export function typeOf(code: FaultCode): string {
  return table[code][0]
}

export function isCritical(code: FaultCode): boolean {
  return table[code][1]
}

/**
 * The code as the twin gives it. Microsoft's connected registry has one, `DiskError`, for a disk that is full and for one that
 * fails (its connected-registry-error-codes), and dashboards look for that.
 */
export function reportedCode(code: FaultCode): string {
  return code === 'DiskFull' ? 'DiskError' : code
}

export const faultCodes = Object.keys(table) as FaultCode[]
export const parentFaults = faultCodes.filter((code) => typeOf(code) === 'Parent')
export const contentFaults = faultCodes.filter((code) => typeOf(code) === 'Disk')

/** `PARENT_UNREACHABLE` as the twin says it, `ParentUnreachable`; a code that is new here counts as a failing parent. */
export function parentFault(code: string): FaultCode {
  return parentFaults.find((known) => snake(known) === code) ?? 'ParentFailed'
}

export function contentFault(code: string): FaultCode {
  return code === 'DISK_FULL' ? 'DiskFull' : 'DiskError'
}

function snake(code: string): string {
  return code.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}
