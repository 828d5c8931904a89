import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { GeneratorError } from '../errors.ts'
import type { Output } from '../io.ts'
import { reportError } from './errors.ts'
import { chooseStyle, createProgress, type ProgressStyle } from './progress.ts'
import { Redaction } from './redaction.ts'

function capture(isTTY = false): { readonly output: Output; readonly text: () => string } {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { output: Object.assign(stream, { isTTY, columns: 80 }), text: () => text }
}

describe('progress', () => {
  async function showing(style: ProgressStyle, isTTY = false): Promise<string> {
    const { output, text } = capture(isTTY)
    const progress = await createProgress(style, output)
    const task = progress.begin('importing', 2)
    task.advance(1, 'hello-world:latest')
    task.advance(1, 'hello-world:latest')
    task.end('done')
    let printed = ''
    progress.print(() => (printed += text().length > 0 || style === 'none' ? 'x' : ''))
    progress.close()
    assert.equal(printed, 'x')
    return text()
  }

  it('is drawn only where a person watches', () => {
    for (const [isTTY, env, expected] of [
      [true, {}, 'bar'],
      [false, {}, 'plain'],
      [true, { CI: 'true' }, 'plain'],
      [true, { CI: 'false' }, 'bar'],
      [true, { TERM: 'dumb' }, 'plain']
    ] as const)
      assert.equal(chooseStyle('auto', capture(isTTY).output, env), expected)
    assert.equal(chooseStyle('json', capture(true).output, {}), 'json')
  })

  it('is lines in a log, and no line twice', async () => {
    assert.equal(await showing('plain'), 'importing 0/2…\nimporting 1/2… (hello-world:latest)\nimporting 2/2: done\n')
  })

  it('is JSON lines on request, each look one', async () => {
    const events = (await showing('json'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    assert.equal(events.length, 4)
    assert.deepEqual(events.at(-1), { event: 'progress', task: 'importing', state: 'done', done: 2, total: 2 })
  })

  it('is a bar on a terminal', async () => {
    assert.match(await showing('bar', true), /█+.* 2\/2 importing/)
  })

  it('is nothing where nothing is asked for', async () => {
    assert.equal(await showing('none'), '')
  })
})

describe('secrets in what is printed', () => {
  it('are replaced wherever they come from', () => {
    const { output, text } = capture()
    const redaction = new Redaction()
    redaction.add('abc+/=abc+/=abc')
    redaction.add('short')
    redaction.add('')
    redaction.guard(output).write('it was abc+/=abc+/=abc, and short\n')
    assert.equal(text(), 'it was ***, and short\n')
  })
})

describe('errors that are told', () => {
  function reported(error: unknown, env: Record<string, string> = {}, isTTY = false): [text: string, code: number] {
    const { output, text } = capture(isTTY)
    const code = reportError(error, { stderr: output, env })
    return [text(), code]
  }

  it('have a code, a sentence and what was found', () => {
    const error = new GeneratorError('SITE_INVALID', 'site.yaml has 1 mistake', { details: ['site.yaml:1:1: …'] })
    assert.deepEqual(reported(error), ['site.yaml:1:1: …\nerror SITE_INVALID: site.yaml has 1 mistake\n', 3])
  })

  it('stay on their lines, and give no service commands, whatever they quote', () => {
    const error = new GeneratorError('USAGE', 'a\n##vso[task.complete]', { details: ['\n::error::b'] })
    assert.equal(reported(error)[0], ' : :error::b\nerror USAGE: a # #vso[task.complete]\n')
  })

  it('are in colour on a terminal, unless that is not wanted', () => {
    const error = new GeneratorError('USAGE', 'no')
    assert.ok(reported(error, {}, true)[0].includes('\u001b[31m'))
    assert.ok(!reported(error, { NO_COLOR: '1' }, true)[0].includes('\u001b'))
  })

  it('take one line where nobody foresaw them, and a stack trace only on request', () => {
    const error = new TypeError('x is not a function\nat somewhere')
    const [text, code] = reported(error)
    assert.equal(code, 1)
    assert.match(text, /^error UNEXPECTED: x is not a function\. .*CAUSEWAY_DEBUG=1.*\n$/)
    assert.match(reported(error, { CAUSEWAY_DEBUG: '1' })[0], /\n {4}at /)
  })
})
