import assert from 'node:assert/strict'
import { Arguments, parseArguments, type Option } from './arguments.ts'
import { shellWords } from './world.test.ts'

const options: readonly Option[] = [
  { names: ['--name', '-n'], arity: 'one', required: true, help: '' },
  { names: ['--status'], arity: 'one', choices: ['enabled', 'disabled'], help: '' },
  { names: ['--scope-map'], arity: 'one', help: '' },
  { names: ['--add-repository'], hidden: ['--add'], arity: 'some', append: true, help: '' },
  { names: ['--add-gateway'], arity: 'some', append: true, help: '' },
  { names: ['--anonymous-pull-enabled'], arity: 'optional', choices: ['true', 'false'], help: '' },
  { names: ['--remove'], arity: 'any', help: '' },
  { names: ['--yes', '-y'], arity: 'flag', help: '' },
  { names: ['--secrets'], arity: 'one', own: true, help: '' }
]

function parse(line: string): Arguments {
  return new Arguments('acr test', parseArguments('acr test', options, shellWords(line)))
}

describe('arguments as az reads them', () => {
  for (const line of ['--name x', '-n x', '-nx', '-n=x', '--name=x', '--na x', '--n=x', '-n y -n x'])
    it(`reads ${line}`, () => {
      assert.equal(parse(line).text('--name'), 'x')
    })

  it('keeps what belongs together, occurrence by occurrence', () => {
    const args = parse('-n x --add-repository a content/read metadata/read --add b content/read --add-g c config/read')
    assert.deepEqual(args.groups('--add-repository'), [
      ['a', 'content/read', 'metadata/read'],
      ['b', 'content/read']
    ])
    assert.deepEqual(args.groups('--add-gateway'), [['c', 'config/read']])
  })

  for (const [line, expected] of [
    ['-n x', undefined],
    ['-n x --anonymous-pull-enabled', true],
    ['--anonymous-pull-enabled -n x', true],
    ['-n x --anonymous-pull-enabled FALSE', false],
    ['-n x --anon=true', true]
  ] as const)
    it(`reads the switch of ${line}`, () => {
      assert.equal(parse(line).threeState('--anonymous-pull-enabled'), expected)
    })

  it('takes choices in any case, empty lists, and text that only looks like an option', () => {
    const args = parse('-y -n "-x is text" --status Disabled --remove --yes')
    assert.equal(args.text('--name'), '-x is text')
    assert.equal(args.optional('--status'), 'disabled')
    assert.deepEqual(args.list('--remove'), [])
    assert.equal(args.has('--yes'), true)
  })

  it('gives prefixes to az’s options, and none to Causeway’s own', () => {
    assert.equal(parse('-n x --sc map').optional('--scope-map'), 'map')
    assert.equal(parse('-n x --secrets file').optional('--secrets'), 'file')
    assert.throws(() => parse('-n x --secret file'), /unrecognized arguments: --secret file; did you mean --secrets\?/)
  })

  for (const [line, message] of [
    ['--status enabled', /required: --name\/-n/],
    ['-n', /--name\/-n: expected one argument/],
    ['-n x --s a', /ambiguous option: --s could match --status, --scope-map/],
    ['-n x --status on', /'on' is none of enabled, disabled/],
    ['-n x --add-repository', /expected at least one argument/],
    ['-n x --yes=true', /takes no value/],
    ['-n x stray', /unrecognized arguments: stray/],
    ['-n x --staus enabled', /unrecognized arguments: --staus enabled; did you mean --status\?/],
    ['-n x -- y', /unrecognized arguments: -- y/]
  ] as const)
    it(`refuses ${line}`, () => {
      assert.throws(() => parse(line), { code: 'USAGE', message })
    })
})
