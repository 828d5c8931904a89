import { html, type Html } from './html.ts'

/** Sizes as people say them; powers of 1000, as links and disks are sold. */
export function bytes(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`
  const [size, unit] = scaled(count, ['kB', 'MB', 'GB', 'TB'])
  return `${size} ${unit}`
}

/** @param seconds how long something will take, which nobody knows exactly */
export function about(seconds: number): string {
  if (seconds < 60) return 'less than a minute'
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `about ${counted(minutes, 'minute')}`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `about ${counted(hours, 'hour')}` : `about ${counted(Math.round(hours / 24), 'day')}`
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** A moment in UTC, which the page's script turns into the reader's own time. @param at ISO 8601 */
export function moment(at: string): Html {
  return html`<time datetime="${at}">${at.slice(0, 16).replace('T', ' ')} UTC</time>`
}

function scaled(count: number, units: readonly [string, ...string[]]): [size: string, unit: string] {
  let value = count / 1000
  let at = 0
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000
    at += 1
  }
  return [value < 10 ? value.toFixed(1) : value.toFixed(0), units[at] ?? '']
}
