import assert from 'node:assert/strict'
import type { Tag } from '../oci/name.ts'
import { listedRepositories, planImages, readWants } from './plan.ts'

describe('sync: plan', () => {
  const names = (images: ReturnType<typeof planImages>): string[] => images.map(({ name }) => name)

  it('puts lower priorities first, keeps the written order within one, and names each image once', () => {
    const wants = readWants({
      later: { repositories: ['samples/web:2.0', 'samples/web:1.0'], priority: 200 },
      first: { repositories: ['base:1'], priority: 0 },
      usual: { repositories: ['samples/web:1.0', 'samples/worker:7'], priority: 100 }
    })
    assert.deepEqual(names(planImages(wants, () => undefined)), [
      'base:1',
      'samples/web:1.0',
      'samples/worker:7',
      'samples/web:2.0'
    ])
    assert.deepEqual(listedRepositories(wants), [])
  })

  it('lists only what globs and whole repositories ask for', () => {
    const wants = readWants({ a: { repositories: ['app:1.*', 'app:9.9', 'tools', 'app'], priority: 1 } })
    assert.deepEqual(listedRepositories(wants), ['app', 'tools'])
    const tags = (repository: string): Tag[] => (repository === 'app' ? ['1.1', '2.0', '9.9'] : ['x']) as Tag[]
    assert.deepEqual(names(planImages(wants, tags)), ['app:1.1', 'app:9.9', 'tools:x', 'app:2.0'])
  })

  it('wants nothing of a repository that could not be listed', () => {
    const wants = readWants({ a: { repositories: ['app', 'tools:1'], priority: 1 } })
    assert.deepEqual(names(planImages(wants, () => undefined)), ['tools:1'])
  })
})
