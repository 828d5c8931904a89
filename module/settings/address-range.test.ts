import assert from 'node:assert/strict'
import { addressRanges, isAddressRange, plainAddress } from './address-range.ts'
import { settingsSchema } from './document.ts'

describe('address ranges', () => {
  it('are addresses and CIDR ranges of both families', () => {
    for (const text of ['10.1.2.3', '10.1.0.0/16', '0.0.0.0/0', '2001:db8::1', '2001:db8::/32'])
      assert.equal(isAddressRange(text), true, text)
    for (const text of ['', '10.1', '10.1.0.0/33', '10.1.0.0/', '10.1.0.0/x', '::/129', 'proxy.example', '10.1.2.3:80'])
      assert.equal(isAddressRange(text), false, text)
  })

  it('hold what is in them, wherever in the range they are written', () => {
    const list = addressRanges(['10.1.2.3/16', 'no range'])
    assert.equal(list.check('10.1.255.255', 'ipv4'), true)
    assert.equal(list.check('10.2.0.0', 'ipv4'), false)
  })

  it('are compared with addresses in their plain form', () => {
    assert.equal(plainAddress('::ffff:10.1.2.3'), '10.1.2.3')
    assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
    assert.equal(plainAddress('2001:db8::1'), '2001:db8::1')
  })

  it('are refused in the settings where they are none, by their place', () => {
    const { error } = settingsSchema.safeParse({
      schemaVersion: '1.0',
      registry: { trustedProxies: ['10.1.0.0/16', 'proxy'] }
    })
    assert.deepEqual(error?.issues[0]?.path, ['registry', 'trustedProxies', 1])
    assert.match(error.issues[0].message, /an address or a CIDR range/)
  })
})
