import assert from 'node:assert/strict'
import { containerNetworks, Networks, type Surroundings } from './networks.ts'

/** A place with network interfaces, each with its addresses and what /sys tells of it. */
function place(
  interfaces: Readonly<Record<string, { cidrs: readonly string[]; link?: [number, number]; type?: string }>>,
  files: readonly string[] = ['/.dockerenv']
): Surroundings {
  return {
    exists: (path) => files.includes(path),
    interfaces: () =>
      Object.fromEntries(
        Object.entries(interfaces).map(([name, { cidrs }]) => [
          name,
          cidrs.map((cidr) => ({ cidr, internal: name === 'lo' }))
        ])
      ),
    read: (path) => {
      const [, name = '', file] = /^\/sys\/class\/net\/([^/]+)\/(\w+)$/.exec(path) ?? []
      const { link, type } = interfaces[name] ?? {}
      if (link === undefined) throw new Error('ENOENT')
      if (file === 'uevent') return `${type === undefined ? '' : `DEVTYPE=${type}\n`}INTERFACE=${name}\n`
      return `${file === 'ifindex' ? link[0] : link[1]}\n`
    }
  }
}

describe('container networks', () => {
  const bridged = {
    lo: { cidrs: ['127.0.0.1/8'] },
    eth0: { cidrs: ['172.18.0.5/16'], link: [7, 8] as [number, number] }
  }

  it('are the private subnets at the other end of a veth pair', () => {
    assert.deepEqual(containerNetworks(place(bridged)), ['172.18.0.5/16'])
    assert.deepEqual(containerNetworks(place(bridged, ['/run/.containerenv'])), ['172.18.0.5/16'])
    const six = { eth0: { cidrs: ['fd00:18::5/64', 'fe80::1/64', '2001:db8::5/64'], link: [7, 8] as [number, number] } }
    assert.deepEqual(containerNetworks(place(six)), ['fd00:18::5/64'])
  })

  for (const [what, surroundings] of [
    ['outside a container', place(bridged, [])],
    ["in the host's network", place({ eth0: { cidrs: ['192.168.1.20/24'], link: [2, 2] } })],
    ['with macvlan', place({ eth0: { cidrs: ['192.168.1.20/24'], link: [7, 2], type: 'macvlan' } })],
    ['on a VLAN of the host', place({ 'eth0.5': { cidrs: ['10.5.0.20/24'], link: [7, 2], type: 'vlan' } })],
    ['with a public address', place({ eth0: { cidrs: ['203.0.113.5/24'], link: [7, 8] } })],
    ['where /sys tells nothing', place({ eth0: { cidrs: ['172.18.0.5/16'] } })]
  ] as const)
    it(`there are none ${what}`, () => assert.deepEqual(containerNetworks(surroundings), []))

  it('can be read on this machine', () => assert.ok(Array.isArray(containerNetworks())))
})

describe('networks', () => {
  it('tell near from far', () => {
    const networks = new Networks({ readContainerNetworks: () => ['172.18.0.5/16', 'fd00:18::5/64'] })
    for (const near of [
      '127.0.0.1',
      '127.9.9.9',
      '::1',
      '::ffff:127.0.0.1',
      '172.18.255.1',
      '::ffff:172.18.0.1',
      'fd00:18::1'
    ])
      assert.equal(networks.isNear(near), true, near)
    for (const far of ['172.19.0.1', '10.0.0.1', '192.0.2.1', '::ffff:10.0.0.1', 'fd00:19::1', 'fe80::1%eth0', '', 'x'])
      assert.equal(networks.isNear(far), false, far)
  })

  it('trust the proxies of the settings in force, and what is near', () => {
    const networks = new Networks({ readContainerNetworks: () => [] })
    assert.equal(networks.isTrustedProxy('10.1.2.3'), false)
    networks.configure(['10.1.0.0/16', '2001:db8::1'])
    assert.equal(networks.isTrustedProxy('10.1.2.3'), true)
    assert.equal(networks.isTrustedProxy('::ffff:10.1.2.3'), true)
    assert.equal(networks.isTrustedProxy('2001:db8::1'), true)
    assert.equal(networks.isTrustedProxy('2001:db8::2'), false)
    assert.equal(networks.isTrustedProxy('127.0.0.1'), true)
    assert.equal(networks.isNear('10.1.2.3'), false, 'a trusted proxy is not near: others may read what it sends')
    networks.configure([])
    assert.equal(networks.isTrustedProxy('10.1.2.3'), false)
  })

  it('see a network that a container is joined to later, and do not look all the time', () => {
    let now = 0
    let looks = 0
    let found: string[] = []
    const networks = new Networks({ now: () => now, readContainerNetworks: () => (looks++, found) })
    assert.equal(networks.isNear('172.20.0.9'), false)
    found = ['172.20.0.2/16']
    for (let times = 0; times < 10; times++) assert.equal(networks.isNear(`172.20.0.${times}`), false)
    assert.equal(looks, 1)
    now += 30_000
    assert.equal(networks.isNear('172.20.0.9'), true)
    assert.equal(looks, 2)
  })
})
