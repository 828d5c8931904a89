import { formatTable } from '../output/table.ts'
import type { DeviceStatus } from './status.ts'

/** The table of `causeway status`. */
export function fleetTable(devices: readonly DeviceStatus[]): string {
  return formatTable(
    ['DEVICE', 'STATE', 'IMAGES', 'LAST SYNC', 'SETTINGS', 'AS OF', 'PROBLEMS'],
    devices.map((device) => [
      device.device,
      device.connectionState,
      `${device.imagesReady}/${device.imagesTotal}${percentage(device)}`,
      ago(device.lastSyncAgeSeconds),
      settings(device),
      ago(device.ageSeconds),
      problems(device.problems)
    ])
  )
}

/** `3 min ago`; devices report progress rarely, so an age is part of every line. */
export function ago(seconds: number | undefined): string {
  if (seconds === undefined) return 'never'
  if (seconds < 90) return `${seconds} s ago`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min ago`
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`
  return `${Math.round(seconds / 86400)} d ago`
}

function percentage({ bytesDone, bytesTotal, imagesReady, imagesTotal }: DeviceStatus): string {
  if (bytesDone === undefined || bytesTotal === undefined || bytesTotal === 0 || imagesReady >= imagesTotal) return ''
  return ` (${Math.floor((100 * bytesDone) / bytesTotal)} %)`
}

function settings({ appliedVersion, desiredVersion }: DeviceStatus): string {
  if (desiredVersion === undefined) return '-'
  if (appliedVersion === desiredVersion) return `v${appliedVersion}`
  return `v${appliedVersion ?? 0}, wants v${desiredVersion}`
}

function problems(list: readonly string[]): string {
  const [first] = list
  if (first === undefined) return '-'
  const short = first.length > 60 ? `${first.slice(0, 59)}…` : first
  return list.length === 1 ? short : `${short} (and ${list.length - 1} more)`
}
