import { BlockList, isIP } from 'node:net'

/** `10.1.2.3`, `10.1.0.0/16`, or the same of IPv6. */
export function isAddressRange(text: string): boolean {
  return readRange(text) !== undefined
}

/** @param ranges texts that {@link isAddressRange} takes; others are passed over */
export function addressRanges(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const { address, prefix, family } of ranges.flatMap((text) => readRange(text) ?? []))
    list.addSubnet(address, prefix, family)
  return list
}

/** The address a socket tells, without the form that IPv4 takes on a dual-stack socket, and without a zone. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}

export function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address)
  return version === 0 ? undefined : version === 4 ? 'ipv4' : 'ipv6'
}

function readRange(
  text: string
): { readonly address: string; readonly prefix: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = familyOf(address)
  if (family === undefined) return undefined
  const longest = family === 'ipv4' ? 32 : 128
  const prefix = length === undefined ? longest : Number(length)
  return prefix <= longest ? { address, prefix, family } : undefined
}
