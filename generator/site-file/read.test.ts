import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { deviceNamed, siteText, testSite } from '../testing.ts'
import { parseSite, readSite } from './read.ts'

function findings(text: string): readonly string[] {
  try {
    parseSite(text, 'site.yaml')
  } catch (error) {
    assert.ok(error instanceof GeneratorError)
    assert.equal(error.code, 'SITE_INVALID')
    assert.equal(error.exitCode, 3)
    return error.details
  }
  throw new Error('the site was taken')
}

/** The site of the tests with one text replaced, which must be there. */
function changed(from: string, to: string): string {
  const text = siteText()
  assert.ok(text.includes(from), from)
  return text.replace(from, to)
}

describe('the site file', () => {
  it('takes the worked example', () => {
    const site = parseSite(readFileSync(join(import.meta.dirname, '../../manifests/site.yaml'), 'utf8'), 'site.yaml')
    assert.deepEqual(Object.keys(site.devices), ['gateway'])
    assert.equal(site.hubHost, 'causeway-hub.azure-devices.net')
  })

  it('fills in what is left out, and writes the login server in lower case as Azure does', () => {
    const site = testSite()
    assert.equal(site.loginServer, 'mycontainerregistry001.azurecr.io')
    assert.deepEqual(site.pullToken, { name: 'crimagepulltoken', scopeMap: 'connected-registry-pull' })
    const gateway = deviceNamed(site, 'gateway')
    assert.equal(gateway.syncToken, 'plantgateway-sync-token')
    assert.deepEqual(
      [gateway.mode, gateway.port, gateway.resource, gateway.imageSets, gateway.tokens],
      ['ReadOnly', 8080, false, ['workloads'], ['plant-client']]
    )
  })

  it('knows the domains of other clouds', () => {
    const site = parseSite(changed('hub: causeway-hub', 'hub: causeway-hub\n  cloud: AzureChinaCloud'), 'site.yaml')
    assert.equal(site.loginServer, 'mycontainerregistry001.azurecr.cn')
    assert.equal(site.hubHost, 'causeway-hub.azure-devices.cn')
  })

  for (const [what, text, expected] of [
    [
      'an unknown key, with what was meant',
      siteText('  gateway: { connectedRegistry: { name: plantgateway }, prot: 8081 }'),
      'site.yaml:14:57: SITE_INVALID devices.gateway.prot: unknown; did you mean port?'
    ],
    [
      'an unknown key that is near to none, with those there are',
      siteText('  gateway: { connectedRegistry: { name: plantgateway, colour: blue } }'),
      'site.yaml:14:55: SITE_INVALID devices.gateway.connectedRegistry.colour: unknown; known are name, mode, syncToken, resource'
    ],
    [
      'a value out of range, at the value',
      siteText('  gateway:\n    connectedRegistry: { name: plantgateway }\n    port: 70000'),
      /^site\.yaml:16:11: SITE_INVALID devices\.gateway\.port: /
    ],
    [
      'a key that is there twice',
      changed('resourceGroup: demo', 'resourceGroup: demo\n  resourceGroup: other'),
      /^site\.yaml:5:3: SITE_INVALID Map keys must be unique/
    ],
    ['what is not YAML', 'azure: [', /^site\.yaml:1:9: SITE_INVALID /],
    [
      'an alias of nothing',
      changed('{ scopeMap: plant-readers }', '{ scopeMap: *readers }'),
      'site.yaml:10:29: SITE_INVALID nothing before it has the anchor &readers, which *readers names'
    ],
    [
      'an alias inside of what it names',
      changed('{ scopeMap: plant-readers }', '&own { scopeMap: *own }'),
      'site.yaml:10:34: SITE_INVALID *own stands inside of what it names'
    ],
    [
      'aliases that would fill the memory',
      [
        'a: &a [0]',
        ...'bcdef'.split('').map((name, at) => `${name}: &${name} [${`*${'abcde'[at]},`.repeat(10)}]`)
      ].join('\n'),
      /^site\.yaml:1:1: SITE_INVALID its aliases come to more than 10000/
    ],
    [
      'two documents in one file',
      `${siteText()}---\n${siteText()}`,
      /^site\.yaml:15:1: SITE_INVALID a second document begins here, and the file has to be one/
    ],
    ['an empty file', '', /^site\.yaml:1:1: SITE_INVALID schemaVersion: must be "1\.0", in quotes$/],
    ['a version that YAML reads as a number', changed('"1.0"', '1.0'), /^site\.yaml:1:16: .*in quotes$/],
    [
      'a connected registry name that Azure would refuse',
      siteText('  gateway: { connectedRegistry: { name: Plant-Gateway } }'),
      /^site\.yaml:14:41: .*name: must be 5 to 40 lower-case letters/
    ],
    [
      'an action that is none',
      changed('hello-world/content/read', 'hello-world/content/raed'),
      /^site\.yaml:8:30: .*scopeMaps\.plant-readers\.actions\.0: unknown action content\/raed/
    ],
    [
      'a scope map that is not there',
      changed('{ scopeMap: plant-readers }', '{ scopeMap: plant-reader }'),
      'site.yaml:10:29: SITE_INVALID tokens.plant-client.scopeMap: there is no scope map plant-reader here; did you mean plant-readers?'
    ],
    [
      'a name of every object, which is not there either',
      changed('{ scopeMap: plant-readers }', '{ scopeMap: toString }'),
      /there is no scope map toString here$/
    ],
    [
      'an image set that is not there',
      siteText('  gateway: { connectedRegistry: { name: plantgateway }, imageSets: [work] }'),
      /^site\.yaml:14:69: .*imageSets\.0: there is no image set work here/
    ],
    [
      'a device that is its own grandparent',
      siteText(
        '  aaa: { connectedRegistry: { name: registrya }, parent: bbb }\n  bbb: { connectedRegistry: { name: registryb }, parent: aaa }'
      ),
      /devices\.aaa\.parent: the parents go round in a circle$/
    ],
    [
      'a writer below a reader',
      siteText(
        '  top: { connectedRegistry: { name: topregistry } }\n  low: { connectedRegistry: { name: lowregistry, mode: ReadWrite }, parent: top }'
      ),
      'site.yaml:15:56: SITE_INVALID devices.low.connectedRegistry.mode: must be ReadOnly, because its parent top is'
    ],
    [
      'a resource below none',
      siteText(
        '  top: { connectedRegistry: { name: topregistry } }\n  low: { connectedRegistry: { name: lowregistry, resource: true }, parent: top }'
      ),
      /^site\.yaml:15:60: .*resource: needs resource: true on its parent top too/
    ],
    [
      'two tokens that ACR takes for one',
      changed('  plant-client:', '  Plant-Client: { scopeMap: plant-readers }\n  plant-client:'),
      /tokens\.plant-client: the name plant-client is taken: token Plant-Client has it$/
    ],
    [
      'a sync token called like the pull token',
      siteText('  gateway: { connectedRegistry: { name: plantgateway, syncToken: crimagepulltoken } }'),
      /syncToken: the name crimagepulltoken is taken: the pull token has it$/
    ],
    [
      'an image with an upper-case repository',
      siteText(undefined, 'images: { agent: "Agent:1" }\n'),
      /images\.agent: must be/
    ],
    [
      'an import without a registry',
      siteText(undefined, 'imports: [{ source: hello-world:latest, image: hello-world:latest }]\n'),
      /imports\.0\.source: must be host\/repository:tag/
    ]
  ] as const)
    it(`refuses ${what}`, () => {
      const [first] = findings(text)
      if (typeof expected === 'string') assert.equal(first, expected)
      else assert.match(first ?? '', expected)
    })

  it('takes aliases, of hundreds of devices too', () => {
    const devices = Array.from(
      { length: 300 },
      (_, at) => `  d${at}: { connectedRegistry: { name: registry${at} }, tokens: *all }`
    )
    const site = parseSite(siteText(devices.join('\n').replace('*all', '&all [plant-client]')), 'site.yaml')
    assert.deepEqual(deviceNamed(site, 'd299').tokens, ['plant-client'])
  })

  it('tells everything that is wrong at once, in the order of the file', () => {
    const text = siteText('  gateway: { connectedRegistry: { name: x }, prot: 1 }').replace('demo', '""')
    assert.deepEqual(
      findings(text).map((finding) => finding.split(': ', 1)[0]),
      ['site.yaml:4:18', 'site.yaml:14:41', 'site.yaml:14:46']
    )
  })

  it('is read whatever it was saved as', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-site-'))
    try {
      const little = Buffer.from(`\uFEFF${siteText()}`, 'utf16le')
      for (const bytes of [Buffer.from(`\uFEFF${siteText()}`), little, Buffer.from(little).swap16()]) {
        await writeFile(join(folder, 'site.yaml'), bytes)
        assert.deepEqual(await readSite('site.yaml', folder), testSite())
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('says how to name a file that is not there', async () => {
    await assert.rejects(readSite('nowhere.yaml', '/'), (error: GeneratorError) => {
      assert.equal(error.code, 'SITE_UNREADABLE')
      return error.message.includes('nowhere.yaml') && error.message.includes('--site')
    })
  })
})
