import assert from 'node:assert/strict'
import { correlationIdOf } from './correlation.ts'
import { LineLog, withFields } from './log.ts'

const made = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const trace = '4bf92f3577b34da6a3ce929d0e0e4736'

describe('correlation', () => {
  it('takes the id that a client or a proxy gives', () => {
    const uuid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
    assert.equal(correlationIdOf({ 'x-ms-correlation-request-id': uuid }), uuid)
    assert.equal(correlationIdOf({ 'x-request-id': trace }), trace)
    assert.equal(correlationIdOf({ traceparent: `00-${trace}-00f067aa0ba902b7-01` }), trace)
    // A later version may say more behind the flags.
    assert.equal(correlationIdOf({ traceparent: `01-${trace}-00f067aa0ba902b7-01-more` }), trace)
  })

  it('takes the one that was made for registries first', () => {
    const headers = {
      'x-ms-correlation-request-id': 'from-a-registry',
      'x-request-id': 'from-a-proxy',
      traceparent: ''
    }
    assert.equal(correlationIdOf(headers), 'from-a-registry')
  })

  it('makes one where there is none, or none that may stand in a log', () => {
    const bad = [
      '',
      'short',
      'x'.repeat(65),
      'with a space',
      'two\r\nlines here',
      'quoted"quoted',
      'a=b;c=d;e=f',
      '<script>alert</script>',
      'one-id-here, another-id',
      '-begins-with-a-hyphen',
      'ünïcödé-ïs-nöt'
    ]
    for (const id of bad) {
      assert.match(correlationIdOf({ 'x-ms-correlation-request-id': id }), made, id)
      assert.match(correlationIdOf({ 'x-request-id': id }), made, id)
    }
    const badTraces = [
      `ff-${trace}-00f067aa0ba902b7-01`,
      `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
      `00-${trace.toUpperCase()}-00f067aa0ba902b7-01`,
      `00-${trace}-00f067aa0ba902b7`,
      trace
    ]
    for (const traceparent of badTraces) assert.match(correlationIdOf({ traceparent }), made, traceparent)
    assert.notEqual(correlationIdOf({}), correlationIdOf({}))
  })

  it('stands on every line of a log that has it', () => {
    const lines: string[] = []
    const log = withFields(new LineLog((line) => lines.push(line)), { correlationId: 'pass-0001' })
    log.info('image ready', { image: 'samples/app:1.0' })
    log.warn('a repository cannot be listed')
    log.error('sync stopped')
    log.debug('not at this level')
    assert.deepEqual(
      lines.map((line) => line.replace(/^.*\] /, '')),
      [
        'image ready image=samples/app:1.0 correlationId=pass-0001\n',
        'a repository cannot be listed correlationId=pass-0001\n',
        'sync stopped correlationId=pass-0001\n'
      ]
    )
  })
})
