import assert from 'node:assert/strict'
import { Listed } from './listed.ts'

describe('resources that are read from a list', () => {
  /** A registry of so many, by number, and what was asked of it. */
  function registryOf(count: number, page: number): { listed: Listed<number>; asked: string[] } {
    const asked: string[] = []
    let at = 0
    const listed = new Listed<number>({
      read: (name) => {
        asked.push(name)
        const number = Number(name.slice(1))
        return Promise.resolve(number < count ? number : undefined)
      },
      nextPage: () => {
        asked.push('page')
        if (at >= count) return Promise.resolve(undefined)
        const numbers = Array.from({ length: Math.min(page, count - at) }, (_, index) => at + index)
        at += page
        return Promise.resolve(numbers.map((number) => [`N${number}`, number] as const))
      }
    })
    return { listed, asked }
  }

  it('are read by themselves where it is a few', async () => {
    const { listed, asked } = registryOf(100, 10)
    for (let number = 0; number < 8; number++) assert.equal(await listed.get(`n${number}`), number)
    assert.ok(!asked.includes('page'))
  })

  it('cost a page for many', async () => {
    const { listed, asked } = registryOf(1000, 100)
    for (let number = 0; number < 1000; number++) assert.equal(await listed.get(`n${number}`), number)
    assert.equal(asked.length, 8 + 10)
    assert.equal(await listed.get('n1000'), undefined)
    assert.equal(await listed.get('n1001'), undefined)
    assert.equal(asked.length, 8 + 11)
  })

  it('cost two calls each at the worst, among others that nobody asks for', async () => {
    const { listed, asked } = registryOf(10_000, 10)
    for (let number = 9_980; number < 10_000; number++) assert.equal(await listed.get(`n${number}`), number)
    assert.equal(asked.length, 8 + 2 * 12)
  })

  it('share a page where they are asked for at once', async () => {
    const { listed, asked } = registryOf(100, 100)
    const found = await Promise.all(Array.from({ length: 50 }, (_, number) => listed.get(`n${number}`)))
    assert.deepEqual(
      found,
      Array.from({ length: 50 }, (_, number) => number)
    )
    assert.equal(asked.length, 8 + 1)
  })

  it('are read by themselves once they were changed, also while a page is on its way', async () => {
    const { listed, asked } = registryOf(100, 100)
    for (let number = 0; number < 9; number++) await listed.get(`n${number}`)
    listed.changed('N50')
    asked.length = 0
    await listed.get('n50')
    await listed.get('n51')
    assert.deepEqual(asked, ['n50'])
    const other = registryOf(100, 100)
    for (let number = 0; number < 8; number++) await other.listed.get(`n${number}`)
    const read = other.listed.get('n60')
    other.listed.changed('n60')
    await read
    assert.deepEqual(other.asked.slice(8), ['page', 'n60'])
  })

  it('are read by themselves once the list has broken off, which tells nothing of those it did not get to', async () => {
    async function* pages(): AsyncGenerator<[string, number][]> {
      yield [['n0', 0]]
      await Promise.reject(new Error('the link is down'))
    }
    const list = pages()
    const listed = new Listed<number>({
      read: (name) => Promise.resolve(Number(name.slice(1))),
      nextPage: async () => {
        const page = await list.next()
        return page.done === true ? undefined : page.value
      }
    })
    for (let number = 0; number < 9; number++) await listed.get(`n${number}`)
    await assert.rejects(listed.get('n50'), /the link is down/)
    assert.equal(await listed.get('n51'), 51)
  })
})
