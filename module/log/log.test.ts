import assert from 'node:assert/strict'
import { LineLog } from './log.ts'

describe('log', () => {
  it('prints the syslog level that iotedge logs filters on, and fields', () => {
    const lines: string[] = []
    const log = new LineLog((line) => lines.push(line))
    log.warn('parent unreachable', { host: 'myreg.azurecr.io', attempt: 3, note: undefined, why: 'no route' })
    assert.match(
      lines[0] ?? '',
      /^<4> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 \[WRN\] parent unreachable host=myreg\.azurecr\.io attempt=3 why="no route"\n$/
    )
  })

  it('keeps what a client sends on one line', () => {
    const lines: string[] = []
    new LineLog((line) => lines.push(line)).info('asked for\n<3> forged', { name: 'a\r\nb' })
    assert.equal(lines[0]?.trimEnd().includes('\n'), false)
  })

  it('follows its level', () => {
    const lines: string[] = []
    const log = new LineLog((line) => lines.push(line))
    log.debug('too much')
    log.level = 'Debug'
    log.debug('wanted')
    log.level = 'None'
    log.error('silenced')
    assert.equal(lines.length, 1)
  })
})
