import assert from 'node:assert/strict'
import { GeneratorError } from '../errors.ts'
import { deviceNamed, siteText, testSite } from '../testing.ts'
import { siteEditorSchema } from './editor-schema.ts'
import { parseSite } from './read.ts'

function findings(devices: string): readonly string[] {
  try {
    parseSite(siteText(devices), 'site.yaml')
  } catch (error) {
    assert.ok(error instanceof GeneratorError)
    return error.details
  }
  throw new Error('the site was taken')
}

describe('devices by pattern', () => {
  it('are as many as the pattern means, each with what the braces stand for in its values', () => {
    const { devices } = testSite(
      `  ship-{008..011}: { connectedRegistry: { name: "ship{1}", syncToken: "token-of-{1}" }, hostName: "ship-{1}.example" }
  "{north,south}-{1..2}": { connectedRegistry: { name: "{1}ern{2}" } }`
    )
    assert.deepEqual(
      Object.values(devices).map(({ id, registryName, syncToken }) => [id, registryName, syncToken]),
      [
        ['north-1', 'northern1', 'northern1-sync-token'],
        ['north-2', 'northern2', 'northern2-sync-token'],
        ['ship-008', 'ship008', 'token-of-008'],
        ['ship-009', 'ship009', 'token-of-009'],
        ['ship-010', 'ship010', 'token-of-010'],
        ['ship-011', 'ship011', 'token-of-011'],
        ['south-1', 'southern1', 'southern1-sync-token'],
        ['south-2', 'southern2', 'southern2-sync-token']
      ]
    )
    assert.equal(devices['ship-010']?.hostName, 'ship-010.example')
  })

  it('differ by entries of their own, the one that means fewer over the one that means more', () => {
    const site = testSite(
      `  ship-2: { port: 9002, connectedRegistry: { mode: ReadWrite } }
  ship-{1..4}: { connectedRegistry: { name: "ship{1}", mode: ReadOnly }, port: 9000, logLevel: Debug }
  ship-{2..3}: { logLevel: Error, port: 9001 }`
    )
    assert.deepEqual(
      Object.values(site.devices).map(({ id, registryName, mode, port, logLevel }) =>
        [id, registryName, mode, port, logLevel].join(' ')
      ),
      [
        'ship-1 ship1 ReadOnly 9000 Debug',
        'ship-2 ship2 ReadWrite 9002 Error',
        'ship-3 ship3 ReadOnly 9001 Error',
        'ship-4 ship4 ReadOnly 9000 Debug'
      ]
    )
  })

  it('have parents by pattern too', () => {
    const site = testSite(
      '  top-{1..3}: { connectedRegistry: { name: "upper{1}" } }\n  low-{1..3}: { connectedRegistry: { name: "lower{1}" }, parent: "top-{1}" }'
    )
    assert.deepEqual(deviceNamed(site, 'top-2').children, ['low-2'])
  })

  for (const [what, devices, expected] of [
    [
      'one mistake of a pattern once, where it stands',
      '  ship-{1..400}:\n    connectedRegistry: { name: "ship{1}" }\n    port: 70000',
      [/^site\.yaml:16:11: SITE_INVALID devices\.ship-\{1\.\.400\}\.port: .* \(of ship-1, and 399 more\)$/]
    ],
    [
      'a mistake of one device of a pattern where that stands',
      '  ship-{1..400}: { connectedRegistry: { name: "ship{1}" } }\n  ship-7: { prot: 8081 }',
      [/^site\.yaml:15:13: SITE_INVALID devices\.ship-7\.prot: unknown; did you mean port\?$/]
    ],
    [
      'what a pattern gives to all its devices alike',
      '  ship-{1..3}: { connectedRegistry: { name: plantship } }',
      [/^site\.yaml:14:.* the name plantship is taken: device ship-1 has it \(of ship-2, and 1 more\)$/]
    ],
    [
      'one that belongs to no pattern, and says too little',
      '  ship-{1..3}: { connectedRegistry: { name: "ship{1}" } }\n  ship-4: { logLevel: Debug }',
      [/^site\.yaml:15:11: SITE_INVALID devices\.ship-4\.connectedRegistry: /]
    ],
    [
      'two that mean a device, and as many',
      '  a{1..2}b: {}\n  a{2..3}b: {}',
      [/^site\.yaml:15:13: .*a\{1\.\.2\}b means a2b too/]
    ],
    ['a range that runs backwards', '  ship-{3..1}: {}', [/\{3\.\.1\} runs backwards$/]],
    ['braces with one thing in them', '  ship-{one}: {}', [/\{one\} is neither a range .* nor a list/]],
    ['braces that are not closed', '  ship-{1..3: {}', [/its braces are not closed/]],
    ['a slip of the finger', '  ship-{1..99999999}: {}', [/means 99999999 devices$/]],
    ['one of two dimensions', '  "{1..9999}-{1..9999}": {}', [/it means 99980001 devices$/]]
  ] as const)
    it(`tells ${what}`, () => {
      const found = findings(devices)
      assert.equal(found.length, expected.length, found.join('\n'))
      expected.forEach((pattern, index) => assert.match(found[index] ?? '', pattern))
    })

  it('keep a mark that no braces stand for, and are told so', () => {
    assert.match(
      findings('  ship-{1..2}: { connectedRegistry: { name: "ship{3}" } }').join('\n'),
      /connectedRegistry\.name: must be 5 to 40 .* \(of ship-1, and 1 more\)/
    )
  })

  it('pass the schema for editors', () => {
    const devices = siteEditorSchema().properties?.['devices'] as Record<string, Record<string, unknown>>
    assert.ok(!('required' in devices['additionalProperties']!))
    const pattern = devices['patternProperties']!['\\{'] as { properties: Record<string, { properties: object }> }
    const { name } = pattern.properties['connectedRegistry']!.properties as { name: { anyOf: { pattern: string }[] } }
    assert.ok(name.anyOf.some((each) => new RegExp(each.pattern).test('ship{1}')))
  })
})
