import assert from 'node:assert/strict'
import fc from 'fast-check'
import { areDigests, isDigest, type Digest } from '../oci/digest.ts'
import { areTags, isTag, type Tag } from '../oci/name.ts'
import { RepositoryModel } from './repository-model.ts'

const oneOf = (text: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(text))
const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: oneOf('0123456789abcdef'), minLength: length, maxLength: length })
const digest = fc.oneof(
  hex(64).map((each) => `sha256:${each}`),
  hex(128).map((each) => `sha512:${each}`)
)
const nearlyDigest = fc.oneof(
  digest,
  digest.map((each) => each.slice(1)),
  digest.map((each) => `${each}0`),
  digest.map((each) => each.toUpperCase()),
  fc.string({ unit: oneOf('sha256:0g\n') })
)
const nearlyTag = fc.oneof(
  fc.string({ unit: oneOf('aZ9._-/\n:é'), maxLength: 4 }),
  fc.integer({ min: 126, max: 130 }).map((length) => 'a'.repeat(length))
)

describe('storage: lists of names', () => {
  it('are digests where each of them is one', () => {
    fc.assert(
      fc.property(fc.array(nearlyDigest, { minLength: 1, maxLength: 5 }), (list) => {
        assert.equal(areDigests(list.join(' ')), list.every(isDigest))
      })
    )
  })

  it('are tags where each of them is one', () => {
    fc.assert(
      fc.property(fc.array(nearlyTag, { minLength: 1, maxLength: 5 }), (list) => {
        assert.equal(areTags(list.join(' ')), list.every(isTag))
      })
    )
  })
})

describe('storage: a repository that was read', () => {
  const [one, two, subject] = ['1', '2', '3'].map((each) => `sha256:${each.repeat(64)}` as Digest) as [
    Digest,
    Digest,
    Digest
  ]
  const repository = (): RepositoryModel =>
    new RepositoryModel({
      links: `${one} ${two}`,
      manifests: JSON.stringify([
        [one, 'a/b', 5, null, null],
        [two, 'a/b', 6, subject, 'c/d']
      ]),
      tags: '1.0 latest',
      tagged: `${one} ${two}`
    })

  it('holds what was written, and follows changes from then on', () => {
    const model = repository()
    assert.deepEqual([...model.links], [one, two])
    assert.deepEqual(model.manifests.get(one), { digest: one, mediaType: 'a/b', size: 5 })
    assert.deepEqual(model.manifests.get(two), {
      digest: two,
      mediaType: 'a/b',
      size: 6,
      subject,
      artifactType: 'c/d'
    })
    assert.deepEqual(model.referrers.page(subject), [two])
    assert.equal(model.tags.get('latest' as Tag), two)
    assert.deepEqual(model.tagNames.page(), ['1.0', 'latest'])
    model.links.delete(one)
    assert.equal(model.hasLink(one), false)
    model.manifests.delete(one)
    assert.equal(model.names(one), false)
    assert.equal(model.names(two), true)
  })

  it('says which digests it names before and after it was taken apart, and a subject is none', () => {
    const model = repository()
    const described = new RepositoryModel({ manifests: JSON.stringify([[two, 'a/b', 6, subject, null]]) })
    for (const round of ['before', 'after']) {
      assert.equal(model.hasLink(one), true, round)
      assert.equal(model.names(two), true, round)
      assert.equal(model.names(subject), false, round)
      assert.equal(described.names(two), true, round)
      assert.equal(described.names(subject), false, round)
      assert.equal(described.hasLink(two), false, round)
      for (const each of [model, described]) assert.ok(each.links.size + each.manifests.size > 0)
    }
  })

  it('is empty where nothing was', () => {
    const model = new RepositoryModel()
    assert.deepEqual([model.links.size, model.manifests.size, model.tags.size], [0, 0, 0])
  })
})
