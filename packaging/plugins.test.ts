import assert from 'node:assert/strict'
import { asBundled } from './plugins.ts'

describe('packaging: sources as a bundle has them', () => {
  for (const [name, source, bundled] of [
    [
      'finds worker threads beside the bundle',
      "new Worker(new URL('./storage/index-worker.ts', import.meta.url), {})",
      "new Worker(new URL('./index-worker.js', import.meta.url), {})"
    ],
    [
      'finds files of the repository there, too',
      'readFile(new URL(`../../${template}`, import.meta.url))',
      'readFile(new URL(`./${template}`, import.meta.url))'
    ],
    ['leaves addresses alone', "new URL('https://a.test/b', base)", "new URL('https://a.test/b', base)"],
    ['imports zod so that it can be shaken', "import { z } from 'zod'", "import * as z from 'zod'"],
    ['leaves imports of ours and types of packages alone', "import('./a.ts'), typeof import('a')", undefined]
  ] as const)
    it(name, () => {
      assert.equal(asBundled(source), bundled ?? source)
    })

  it('gives CommonJS packages that are imported later their names', () => {
    assert.match(asBundled("await import('undici')"), /^await import\('undici'\)\.then\(/)
  })
})
