import assert from 'node:assert/strict'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { app, codeOf, useWorld } from './world.test.ts'

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
