import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './bundle.ts'
import { nodeFlags, nodeVariables } from './runtime.ts'

describe('how the module is run', () => {
  it('is the same in the image as in the benchmarks', async () => {
    const file = await readFile(join(root, 'module/Dockerfile'), 'utf8')
    const [, words = '[]'] = /^ENTRYPOINT (\[.*\])$/m.exec(file) ?? []
    const [program, ...rest] = JSON.parse(words) as string[]
    assert.equal(program, 'node')
    assert.deepEqual(rest.slice(0, nodeFlags.length), [...nodeFlags])
    for (const [name, value] of Object.entries(nodeVariables))
      assert.match(file, new RegExp(`^ENV ${name}=${value}$`, 'm'))
  })
})
