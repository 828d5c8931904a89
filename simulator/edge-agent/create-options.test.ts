import assert from 'node:assert/strict'
import { bindSource, containerEnvironment, portBindings } from './create-options.ts'

describe('create options', () => {
  it('publishes TCP ports, and knows those of loopback', () => {
    const bindings = {
      '8080/tcp': [{ HostPort: '80' }, { HostPort: '8080', HostIp: '127.0.0.1' }],
      '53/udp': [{ HostPort: '53' }],
      '443': [{ HostPort: '443' }],
      '5000/tcp': [{}],
      '6000/tcp': null
    }
    assert.deepEqual(portBindings({ HostConfig: { PortBindings: bindings } }), [
      { containerPort: 443, hostPort: 443, loopbackOnly: false },
      { containerPort: 8080, hostPort: 80, loopbackOnly: false },
      { containerPort: 8080, hostPort: 8080, loopbackOnly: true }
    ])
    assert.deepEqual(portBindings({}), [])
  })

  it('finds what is bound to a folder', () => {
    const options = {
      HostConfig: { Binds: ['/host:/data:ro'], Mounts: [{ Type: 'volume', Source: 'kept', Target: '/kept' }] }
    }
    assert.equal(bindSource(options, '/data'), '/host')
    assert.equal(bindSource(options, '/kept'), 'kept')
    assert.equal(bindSource(options, '/other'), undefined)
  })

  it('reads Env', () => {
    assert.deepEqual(containerEnvironment({ Env: ['A=b=c', 'D'] }), { A: 'b=c', D: '' })
  })
})
