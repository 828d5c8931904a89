import assert from 'node:assert/strict'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository } from '../oci/name.ts'
import { app, basicOf, codeOf, indexOf, layer, portOf, useWorld } from './world.test.ts'

describe('registry: lists', () => {
  const world = useWorld()

  it('give tags, in pages with a link to the next', async () => {
    const list = '/v2/samples/app/tags/list'
    const all = await world.get(list)
    assert.deepEqual(JSON.parse(all.body.toString()), { name: app, tags: ['1.0', '1.1', '2.0', 'latest'] })
    assert.equal(all.headers['link'], undefined)
    const first = await world.get(`${list}?n=2`)
    assert.deepEqual(JSON.parse(first.body.toString()).tags, ['1.0', '1.1'])
    assert.equal(first.headers['link'], `<${list}?n=2&last=1.1>; rel="next"`)
    const second = await world.get(`${list}?n=2&last=1.1`)
    assert.deepEqual(JSON.parse(second.body.toString()).tags, ['2.0', 'latest'])
    assert.equal(second.headers['link'], undefined)
    assert.deepEqual(JSON.parse((await world.get(`${list}?last=1.5`)).body.toString()).tags, ['2.0', 'latest'])
    const none = await world.get(`${list}?n=0`)
    assert.deepEqual(JSON.parse(none.body.toString()).tags, [])
    assert.equal(none.headers['link'], undefined)
    for (const n of ['-1', 'x', '', '1.5'])
      assert.equal(codeOf(await world.get(`${list}?n=${n}`)), 'PAGINATION_NUMBER_INVALID')
    assert.equal(codeOf(await world.get('/v2/samples/unknown/tags/list')), 'NAME_UNKNOWN')
  })

  it('give the catalog of what the caller may see', async () => {
    const all = await world.get('/v2/_catalog')
    assert.deepEqual(JSON.parse(all.body.toString()), { repositories: ['samples/app', 'samples/blobs/uploads'] })
    const first = await world.get('/v2/_catalog?n=1')
    assert.deepEqual(JSON.parse(first.body.toString()).repositories, ['samples/app'])
    assert.equal(first.headers['link'], '</v2/_catalog?n=1&last=samples%2Fapp>; rel="next"')
    const second = await world.get('/v2/_catalog?n=1&last=samples%2Fapp')
    assert.deepEqual(JSON.parse(second.body.toString()).repositories, ['samples/blobs/uploads'])
    assert.equal(second.headers['link'], undefined)
  })

  describe('of a catalog with thousands of repositories', () => {
    const names = Array.from({ length: 3000 }, (_each, number) => `many/r${String(number).padStart(4, '0')}`)
    const seen = { calls: 0, names: 0 }
    let port: number

    before(async () => {
      await world.storage.index.apply(
        [...names, 'many', 'many-more/x', 'zoo'].map((name) => ({
          kind: 'linkBlob' as const,
          repository: parseRepository(name),
          digest: digestOf(layer)
        }))
      )
      const index = indexOf(world.storage)
      const repositories: typeof index.repositories = async (page) => {
        const found = await index.repositories(page)
        seen.calls += 1
        seen.names += found.length
        return found
      }
      port = portOf(await world.start({ content: { ...world.storage, index: { ...index, repositories } } }))
    })
    beforeEach(() => Object.assign(seen, { calls: 0, names: 0 }))

    /** What the catalog shows to a token whose scope map allows reading these patterns, page by page. */
    const pages = async (patterns: readonly string[], n?: number): Promise<string[][]> => {
      const actions = patterns.flatMap((each) =>
        ['content/read', 'metadata/read'].map((right) => `repositories/${each}/${right}`)
      )
      world.configure({ lister: { actions } })
      const all: string[][] = []
      for (let path = n === undefined ? '/v2/_catalog' : `/v2/_catalog?n=${n}`; path !== '';) {
        const { headers, body } = await world.send('GET', path, { authorization: basicOf('lister') }, undefined, port)
        all.push((JSON.parse(body.toString()) as { repositories: string[] }).repositories)
        path = /^<(.*)>; rel="next"$/.exec(String(headers['link']))?.[1] ?? ''
      }
      return all
    }
    after(() => world.configure())

    it('looks at no more of them than the token may see', async () => {
      assert.deepEqual(await pages(['zoo', 'many', 'absent', 'samples/*']), [
        ['many', 'samples/app', 'samples/blobs/uploads', 'zoo']
      ])
      assert.ok(seen.names <= 5 && seen.calls === 4, JSON.stringify(seen))
    })

    it('looks for a page at no more than the page, whatever comes before and after', async () => {
      assert.deepEqual(await pages(['many/r2999', 'samples/*', 'many-more/*', 'zoo'], 2), [
        ['many-more/x', 'many/r2999'],
        ['samples/app', 'samples/blobs/uploads'],
        ['zoo']
      ])
      assert.ok(seen.names <= 9 && seen.calls <= 9, JSON.stringify(seen))
      seen.names = 0
      const everything = await pages(['*'], 1000)
      assert.deepEqual(
        everything.map((page) => page.length),
        [1000, 1000, 1000, 6]
      )
      assert.equal(new Set(everything.flat()).size, 3006)
      assert.ok(seen.names <= 3006 + 3, JSON.stringify(seen))
    })

    it('shows each once where patterns hold each other, and only what can be pulled as well', async () => {
      assert.deepEqual(await pages(['many/r0001', 'many/*', 'many'], 5000), [['many', ...names]])
      world.configure({
        lister: {
          actions: [
            'repositories/*/metadata/read',
            'repositories/many/r0001/content/read',
            'repositories/samples/*/content/read'
          ]
        }
      })
      const { body } = await world.send('GET', '/v2/_catalog', { authorization: basicOf('lister') }, undefined, port)
      assert.deepEqual(JSON.parse(body.toString()).repositories, ['many/r0001', 'samples/app', 'samples/blobs/uploads'])
    })
  })

  it('give no referrers, in the form of an index, where there are none', async () => {
    const answer = await world.get(`/v2/samples/unknown/referrers/${digestOf('x')}`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], mediaTypes.ociIndex)
    assert.deepEqual(JSON.parse(answer.body.toString()), {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: []
    })
    assert.equal(codeOf(await world.get('/v2/samples/app/referrers/nonsense')), 'DIGEST_INVALID')
  })
})
