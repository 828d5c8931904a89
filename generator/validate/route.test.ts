import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readRoute } from './route.ts'

/** What the shared cases do not ask: where a route leads, what of it is silently ignored, and the corners of the lexer. */
describe("edgeHub's routes", () => {
  it('lead to IoT Hub or a module', () => {
    assert.deepEqual(readRoute('FROM /* INTO $upstream'), {
      ok: true,
      route: { sink: { kind: 'upstream' }, refusedCalls: [], ignored: undefined }
    })
    for (const address of ['/modules/b/inputs/c', 'modules/b/inputs/c/', ' /x/b/y/c ']) {
      const reading = readRoute(`FROM /messages/* INTO BrokeredEndpoint("${address}")`)
      assert.ok(reading.ok, address)
      assert.deepEqual(reading.route.sink, { kind: 'module', module: 'b' })
    }
  })

  for (const text of [
    'FROM /messages/modules/a-b/outputs/c.d WHERE NOT is_defined($body.x) AND temperature > 30 OR a ?? \'b\' = "c" INTO $upstream',
    "select * from /messages/modules/m/* where starts_with($connectionModuleId, 'a') and -1.5e3 < x into $Upstream",
    'FROM /twinChangeNotifications INTO $upstream',
    "FROM\t/messages/*\nWHERE {$connectionDeviceId} <> 'it\\'s' || x\nINTO $upstream",
    'FROM /messages/* WHERE null = undefined OR FALSE != 0xFF % 2 INTO $upstream'
  ])
    it(`are taken: ${JSON.stringify(text)}`, () => {
      const reading = readRoute(text)
      assert.ok(reading.ok, reading.ok ? '' : reading.message)
    })

  for (const [text, why] of [
    // A keyword, a number or a dash is no name in a path, since the lexer comes first.
    ['FROM /messages/modules/from/* INTO $upstream', /name in the path, found from/],
    ['FROM /messages/modules/m/outputs/1 INTO $upstream', /found 1 at/],
    ['FROM /messages/modules/{moduleName}/* INTO $upstream', /found \{/],
    ['FROM //messages INTO $upstream', /found \//],
    ['SELECT a FROM /* INTO $upstream', /SELECT \*/],
    ['FROM /* WHERE a[0] = 1 INTO $upstream', /a\[0\]/],
    ['FROM /* WHERE a = 1 b INTO $upstream', /expected INTO/],
    ['FROM /* WHERE f(1, INTO $upstream', /value in the condition/],
    ['FROM /* WHERE (a)) INTO $upstream', /expected INTO/],
    ['FROM /* INTO BrokeredEndpoint("/modules/b/inputs/c"', /expected \), found the end/],
    ['FROM /* INTO BrokeredEndpoint("//modules/b/inputs/c")', /must read/],
    ['FROM /* INTO Elsewhere("/modules/b/inputs/c")', /must be BrokeredEndpoint/],
    ['', /expected FROM, found the end/]
  ] as const)
    it(`are refused: ${JSON.stringify(text)}`, () => {
      const reading = readRoute(text)
      assert.ok(!reading.ok)
      assert.match(reading.message, why)
    })

  it('tell a sink that an expanded variable left', () => {
    for (const [sink, expanded] of [
      ['value-of-upstream', true],
      ['upstream', false],
      ['$downstream', false]
    ] as const) {
      const reading = readRoute(`FROM /* INTO ${sink}`)
      assert.ok(!reading.ok)
      assert.equal(reading.expanded, expanded, sink)
    }
  })

  it('say what is behind the sink', () => {
    const reading = readRoute('FROM /* WHERE IS_NULL(b) INTO $upstream WHERE c = 1')
    assert.ok(reading.ok)
    assert.equal(reading.route.ignored, 'WHERE c = 1')
  })

  it("say what edgeHub's compiler refuses", () => {
    const refused = (condition: string): readonly string[] => {
      const reading = readRoute(`FROM /* WHERE ${condition} INTO $upstream`)
      assert.ok(reading.ok, condition)
      return reading.route.refusedCalls
    }
    assert.deepEqual(refused('is_object(a) AND is_object(b) OR IS_NULL(c)'), ['edgeHub has no function is_object'])
    assert.deepEqual(refused("STARTSWITH(a, 'b')"), ['edgeHub has no function STARTSWITH; did you mean starts_with?'])
    assert.deepEqual(refused('length() = 1 OR Length(a, b) = 1'), [
      'length takes 1 argument, and has 0',
      'Length takes 1 argument, and has 2'
    ])
    assert.deepEqual(refused('concat(a) = b'), ['concat takes 2 or more arguments, and has 1'])
    assert.deepEqual(refused('substring(a, 1, 2, 3) = b'), ['substring takes 2 or 3 arguments, and has 4'])
    assert.deepEqual(refused('twin_change_includes(properties.reported.a)'), [
      "twin_change_includes is a function of IoT Hub's routes, and not of edgeHub's"
    ])
    assert.deepEqual(refused("concat(lower(a), 'b', 'c', substring(d, 1)) = power(2, abs(-3)) || upper(e)"), [])
  })

  it('read anything without failing', () => {
    const words = fc.constantFrom(
      ...[
        'SELECT',
        '*',
        'FROM',
        '/',
        'a',
        'WHERE',
        '(',
        ')',
        'NOT',
        '-',
        '=',
        "'",
        '"',
        '\\',
        '{',
        '$b',
        '$upstream',
        'INTO',
        ',',
        '[',
        '?',
        ';'
      ]
    )
    fc.assert(
      fc.property(fc.array(words), (list) => typeof readRoute(list.join(' ')).ok === 'boolean'),
      { numRuns: 2000 }
    )
    assert.equal(readRoute(`FROM /* WHERE ${'('.repeat(5000)} INTO $upstream`).ok, false)
  })
})
