import assert from 'node:assert/strict'
import { testSite } from '../testing.ts'
import { declaredImages, type DeclaredImages } from './declared-images.ts'

const runtime = ['azureiotedge-agent', 'azureiotedge-api-proxy', 'azureiotedge-diagnostics', 'azureiotedge-hub']

/** A device at the top and one below it; `hello-world` is what their client may read. */
function declared({
  imports = '',
  repositories = '"hello-world:v*"',
  devices = '  top: { connectedRegistry: { name: topregistry } }\n  low: { connectedRegistry: { name: lowregistry }, parent: top }',
  without = [] as readonly string[]
} = {}): DeclaredImages {
  const base = testSite(devices, imports === '' ? '' : `imports: [${imports}]\n`)
  const site = {
    ...base,
    imageSets: { workloads: { ...base.imageSets['workloads']!, repositories: read(repositories) } }
  }
  return declaredImages(site, (token) =>
    without.includes(token) ? undefined : { username: token, password: 'secret' }
  )
}

function read(repositories: string): string[] {
  return JSON.parse(`[${repositories}]`) as string[]
}

function told({ images }: DeclaredImages): string[] {
  return images
    .filter(({ repository }) => !runtime.includes(repository))
    .map(({ username, repository, reference }) => `${username} ${repository}:${reference}`)
}

const bump = '{ source: "mcr.microsoft.com/hello-world:latest", image: "hello-world:v2" }'
const other = '{ source: "mcr.microsoft.com/hello-world:latest", image: "other:1" }'

describe('images that the site file itself names', () => {
  it('are the runtime with what iotedge check starts, for the image pull token', () => {
    const { images, unread } = declared()
    assert.deepEqual(
      images.map(({ username, repository }) => [username, repository]).sort(),
      runtime.map((repository) => ['crimagepulltoken', repository])
    )
    assert.deepEqual(unread, [])
  })

  for (const [what, options, expected] of [
    ['an image to import that devices hold', { imports: bump }, ['topregistry-sync-token hello-world:v2']],
    ['an exact tag of an image set', { repositories: '"hello-world:v2"' }, ['topregistry-sync-token hello-world:v2']],
    [
      'each of several exact tags',
      { repositories: '{"repository":"a","tags":["1","2"]}' },
      ['topregistry-sync-token a:1', 'topregistry-sync-token a:2']
    ],
    [
      'one where both name it',
      { imports: bump, repositories: '"hello-world:v2"' },
      ['topregistry-sync-token hello-world:v2']
    ],
    ['none of a whole repository', { repositories: '"hello-world"' }, []],
    ['none of a range of versions', { repositories: '{"repository":"a","semver":">=1"}' }, []],
    [
      'one that only clients may read',
      { imports: bump, repositories: '"a:1"' },
      ['plant-client hello-world:v2', 'topregistry-sync-token a:1']
    ],
    ['none whose password is not made yet', { imports: bump, without: ['topregistry-sync-token'] }, []]
  ] as const)
    it(`are ${what}`, () => assert.deepEqual(told(declared(options)), expected))

  it('are not those that clients may push to a device', () => {
    const devices = '  top: { connectedRegistry: { name: topregistry, mode: ReadWrite } }'
    const site = testSite(devices)
    const actions = ['repositories/hello-world/content/write']
    const writing = {
      ...site,
      scopeMaps: { 'plant-readers': { actions } },
      imageSets: { workloads: { ...site.imageSets['workloads']!, repositories: ['hello-world:v2'] } }
    }
    assert.deepEqual(told(declaredImages(writing, (token) => ({ username: token, password: 'secret' }))), [])
  })

  it('are told where no token may read them', () => {
    assert.deepEqual(declared({ imports: other }).unread, ['other:1'])
    assert.deepEqual(declared({ imports: bump, without: ['topregistry-sync-token'] }).unread, [])
  })
})
