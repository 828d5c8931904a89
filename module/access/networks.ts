import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { BlockList } from 'node:net'
import { addressRanges, familyOf, plainAddress } from '../settings/address-range.ts'
import { Lru } from './lru.ts'

export interface NetworksOptions {
  /** The container networks this process stands in, as CIDR ranges. */
  readonly readContainerNetworks?: () => readonly string[]
  /** Milliseconds, of any clock that only goes forward. */
  readonly now?: () => number
}

/** Milliseconds between two looks at the interfaces: a container can be joined to a network while it runs. */
const lookEvery = 30_000
const mostRemembered = 1000

const loopback = atFirstUse(() => addressRanges(['127.0.0.0/8', '::1']))
/** RFC 1918 and RFC 4193: engines give container networks no other addresses unless they are told to. */
const privateRanges = atFirstUse(() => addressRanges(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']))

/**
 * Where a connection comes from. Near is loopback, and the container networks of this process: nothing on a wire lies between.
 *
 * An engine that hides who connects to a published port behind its own gateway address (docker's userland proxy, IPv6 to IPv4)
 * makes those clients look near, and nothing in the connection tells the difference; the device's own engine comes the same way.
 */
export class Networks {
  readonly #read: () => readonly string[]
  readonly #now: () => number
  readonly #near = new Lru<boolean>(mostRemembered)
  readonly #proxies = new Lru<boolean>(mostRemembered)
  #containers: BlockList
  #trusted = addressRanges([])
  #looked: number

  constructor({ readContainerNetworks = containerNetworks, now = () => performance.now() }: NetworksOptions = {}) {
    this.#read = readContainerNetworks
    this.#now = now
    this.#containers = addressRanges(this.#read())
    this.#looked = now()
  }

  /** @param trustedProxies addresses or CIDR ranges */
  configure(trustedProxies: readonly string[]): void {
    this.#trusted = addressRanges(trustedProxies)
    this.#proxies.clear()
  }

  /** Loopback, or one of the container networks. */
  isNear(address: string): boolean {
    const known = this.#near.get(address)
    if (known === true) return true
    if (known === false && this.#now() - this.#looked < lookEvery) return false
    const near = holds(loopback(), address) || this.#isContainer(address)
    this.#near.set(address, near)
    return near
  }

  /** Near, or among the trusted proxies of the settings. */
  isTrustedProxy(address: string): boolean {
    if (this.isNear(address)) return true
    const known = this.#proxies.get(address)
    if (known !== undefined) return known
    const trusted = holds(this.#trusted, address)
    this.#proxies.set(address, trusted)
    return trusted
  }

  #isContainer(address: string): boolean {
    if (!holds(this.#containers, address) && this.#now() - this.#looked >= lookEvery) {
      this.#looked = this.#now()
      this.#containers = addressRanges(this.#read())
      this.#near.clear()
    }
    return holds(this.#containers, address)
  }
}

/** What tells of a container, and of the network interfaces in it; replaced in tests. */
export interface Surroundings {
  readonly exists: (path: string) => boolean
  readonly read: (path: string) => string
  readonly interfaces: () => NodeJS.Dict<readonly { readonly cidr: string | null; readonly internal: boolean }[]>
}

const here: Surroundings = {
  exists: existsSync,
  read: (path) => readFileSync(path, 'utf8'),
  interfaces: networkInterfaces
}

/**
 * The container networks of this process: private subnets of interfaces that are one end of a veth pair, while something
 * tells of a container. A container in the host's network sees the host's real interfaces, and one with macvlan or ipvlan
 * stands on the site's own network: neither counts, for there others than containers have addresses in the same subnet.
 *
 * @returns CIDR ranges
 */
export function containerNetworks({ exists, read, interfaces }: Surroundings = here): string[] {
  if (!['/.dockerenv', '/run/.containerenv'].some(exists)) return []
  return Object.entries(interfaces()).flatMap(([name, addresses = []]) =>
    isVeth(name, read)
      ? addresses.flatMap(({ cidr, internal }) =>
          cidr !== null && !internal && holds(privateRanges(), cidr.split('/', 1)[0] ?? '') ? [cidr] : []
        )
      : []
  )
}

/** A veth's other end has another index; so has what lies on a VLAN, macvlan or ipvlan, but those tell their type. */
function isVeth(name: string, read: Surroundings['read']): boolean {
  try {
    const field = (file: string): string => read(`/sys/class/net/${name}/${file}`)
    const type = /^DEVTYPE=(.*)$/m.exec(field('uevent'))?.[1]
    return field('iflink').trim() !== field('ifindex').trim() && (type === undefined || type === 'veth')
  } catch {
    // What cannot be told is not trusted.
    return false
  }
}

/** Node's test for IPv6 is a large regular expression, and compiling it is 4 ms of a start on a gateway's core. */
function atFirstUse(make: () => BlockList): () => BlockList {
  let made: BlockList | undefined
  return () => (made ??= make())
}

function holds(list: BlockList, address: string): boolean {
  const plain = plainAddress(address)
  const family = familyOf(plain)
  return family !== undefined && list.check(plain, family)
}
