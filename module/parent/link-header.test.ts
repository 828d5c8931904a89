import assert from 'node:assert/strict'
import { parseLinks } from './link-header.ts'

describe('parent: links in headers', () => {
  const next = (header: string | string[]): string[] =>
    (parseLinks(header) ?? assert.fail(`not read: ${JSON.stringify(header)}`))
      .filter(({ relations }) => relations.includes('next'))
      .map(({ target }) => target)

  for (const header of [
    '</n>; rel="next"',
    '</n>;rel=next',
    '</n> ; REL = "NEXT" ;',
    '/n; rel="next"',
    '</n>; rel="last  next"',
    '</n>; title="a,b"; rel="next"',
    '</n>; title="say \\"hi\\", </p>; rel=prev"; rel="next"',
    "</n>; title*=UTF-8''%E; rel=next",
    '</p>; rel="prev", </n>; rel="next"',
    '</p>; rel="prev" , </n>; rel="next"',
    '</p>; crossorigin, </n>; rel="next"',
    '</p>; rel="prev"; rel="next", </n>; rel="next"',
    '</p>; title="</x>; rel=next"; rel=prev, </n>; rel=next',
    ', </n>; rel="next",',
    ['</p>; rel="prev"', '</n>; rel="next"']
  ])
    it(`finds the next page in ${JSON.stringify(header)}`, () => assert.deepEqual(next(header), ['/n']))

  it('keeps what stands between the brackets, nothing too', () => {
    assert.deepEqual(next('</a?x=1,2;3>; rel="next", <>; rel="next"'), ['/a?x=1,2;3', ''])
  })

  it('finds none where there is none', () => {
    for (const header of [undefined, '', ' ', [], '</next>; title="rel=next"', '</style.css>; rel=preload; as=style'])
      assert.deepEqual(
        parseLinks(header)?.filter(({ relations }) => relations.includes('next')),
        [],
        String(header)
      )
  })

  it('says that it cannot read a part, where that may be the next page', () => {
    for (const header of ['</n', '</n> rel="next"', '</p>; rel="prev" </n>; rel="next"', '</n>; title="a; rel="next"'])
      assert.equal(parseLinks(header), undefined, header)
  })
})
