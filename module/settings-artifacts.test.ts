import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { EventEmitter } from 'node:events'
import { LineLog } from './log/log.ts'
import { digestOf, type Digest } from './oci/digest.ts'
import { parseRepository } from './oci/name.ts'
import { ParentError } from './parent/errors.ts'
import { SettingsArtifacts, type ArtifactParent } from './settings-artifacts.ts'
import { SettingsKeeper } from './settings-keeper.ts'
import { packArtifact, type PackedArtifact } from './settings/artifact.ts'
import type { Settings } from './settings/document.ts'
import { LastGoodFile } from './settings/last-good.ts'
import { createStatus, type Status } from './status/status.ts'

const hash = `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`

/** More than a twin holds, but for the tokens with their hashes. */
const large = {
  imageSets: { all: { repositories: ['my.repo/app:1.0', 'hello-world'] } },
  scopeMaps: {
    everything: {
      actions: Array.from(
        { length: 500 },
        (_, at) => `repositories/a-rather-long-folder-name/repository-${at}/content/read`
      )
    }
  }
}
const tokens = Object.fromEntries(
  Array.from({ length: 50 }, (_, at) => [
    `client-${at}`,
    { scopeMap: 'everything', passwords: { password1: { hash }, password2: { hash } } }
  ])
)

describe('settings artifacts', () => {
  const repository = parseRepository('causeway/settings')
  const packed = packArtifact(large)
  let folder: string
  let status: Status
  let applied: (Settings | undefined)[]
  let told: EventEmitter<{ judged: [] }>
  let parent: Map<Digest, Buffer>
  let down: Error | undefined
  let fetches: number
  const keepers: SettingsKeeper[] = []

  const serve = ({ digest, manifest, blobs }: PackedArtifact): void => {
    parent.set(digest, manifest)
    for (const blob of blobs) parent.set(digestOf(blob), blob)
  }
  const source: ArtifactParent = {
    manifest: (_repository, digest) => give(digest).then((bytes) => ({ bytes, digest })),
    blob: (_repository, digest) => give(digest).then((bytes) => ({ stream: Readable.from([bytes]) }))
  }
  const give = (digest: Digest): Promise<Buffer> => {
    fetches += 1
    const bytes = parent.get(digest)
    if (down !== undefined) return Promise.reject(down)
    return bytes === undefined
      ? Promise.reject(new ParentError('PARENT_NOT_FOUND', 'no such thing'))
      : Promise.resolve(bytes)
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-settings-artifacts-'))
    parent = new Map()
    down = undefined
    fetches = 0
    serve(packed)
    await start()
  })
  afterEach(async () => {
    for (const keeper of keepers.splice(0)) keeper.close()
    await rm(folder, { recursive: true })
  })

  /** As a start of the module does. */
  async function start(): Promise<void> {
    for (const before of keepers.splice(0)) before.close()
    status = createStatus({ version: '0.0.0', startedAt: new Date() })
    applied = []
    told = new EventEmitter()
    const log = new LineLog(() => undefined)
    const artifacts = new SettingsArtifacts(folder, log)
    const keeper = new SettingsKeeper({
      status: {
        setDesired: (desired) => {
          status.setDesired(desired)
          told.emit('judged')
        },
        setFault: (code, description) => status.setFault(code, description),
        clearFault: (code) => status.clearFault(code)
      },
      lastGood: new LastGoodFile(folder),
      artifacts: {
        kept: (digest) => artifacts.kept(digest),
        forgetOthers: (digest) => artifacts.forgetOthers(digest),
        fetch: (_document, reference, signal) => artifacts.fetch(source, reference, signal)
      },
      log,
      howToMend: 'run causeway configure',
      apply: (settings) => applied.push(settings)
    })
    keepers.push(keeper)
    await keeper.restore()
  }

  const document = (digest: string = packed.digest, more: object = {}): Record<string, unknown> => ({
    schemaVersion: '1.0',
    tokens,
    settingsArtifact: { repository, digest },
    ...more
  })
  const judged = () => {
    const { lastDesiredStatus, appliedVersion } = status.snapshot()
    return { code: lastDesiredStatus?.code, errors: lastDesiredStatus?.errors ?? [], appliedVersion }
  }

  /** Gives the document, and waits until it is judged, or its artifact has been asked for in vain. */
  async function take(given: Record<string, unknown>, version: number): Promise<ReturnType<typeof judged>> {
    await keepers[0]?.take(given, version)
    const asking = (): boolean =>
      judged().code === 202 && !/waits for its/.test(status.snapshot().lastDesiredStatus?.description ?? '')
    while (asking()) await once(told, 'judged')
    return judged()
  }

  it('complete the twin: 50 tokens, a scope map of 500 actions, a repository with a dot', async () => {
    assert.equal((await take(document(), 3)).code, 200)
    const settings = applied.at(-1)
    assert.equal(Object.keys(settings?.tokens ?? {}).length, 50)
    assert.equal(settings?.scopeMaps['everything']?.actions.length, 500)
    assert.deepEqual(settings.imageSets['all']?.repositories, ['my.repo/app:1.0', 'hello-world'])
  })

  it('are there again after a start without a parent, and fetched once', async () => {
    await take(document(), 3)
    down = new ParentError('PARENT_UNREACHABLE', 'gone')
    const before = fetches
    await start()
    assert.equal(applied.length, 1)
    assert.equal(applied[0]?.scopeMaps['everything']?.actions.length, 500)
    assert.equal((await take(document(packed.digest, { logLevel: 'Debug' }), 4)).code, 200)
    assert.equal(fetches, before)
  })

  it('are waited for while the parent is away, with the settings before in force, and nothing half', async () => {
    await take({ schemaVersion: '1.0', imageSets: { before: { repositories: ['hello-world'] } } }, 1)
    down = new ParentError('PARENT_UNREACHABLE', 'the link is down')
    const { code, appliedVersion } = await take(document(), 2)
    assert.deepEqual([code, appliedVersion], [202, 1])
    assert.match(
      status.snapshot().lastDesiredStatus?.description ?? '',
      /waits for its settings artifact.*the link is down/
    )
    assert.deepEqual(Object.keys(applied.at(-1)?.imageSets ?? {}), ['before'])
    await keepers[0]?.acknowledge(3)
    assert.equal(status.snapshot().lastDesiredVersion, 3)
    down = undefined
    assert.equal(
      (await take(document(packed.digest, { logLevel: 'Debug' }), 4)).code,
      200,
      'newer settings need not wait'
    )
    assert.equal(applied.at(-1)?.logLevel, 'Debug')
  })

  it('are never used with other bytes than the digest says', async () => {
    await take({ schemaVersion: '1.0', imageSets: { before: { repositories: ['hello-world'] } } }, 1)
    const [, content] = packed.blobs
    parent.set(digestOf(content!), Buffer.from(content!.toString().replace('hello-world', 'hello-w0rld')))
    const { code, errors, appliedVersion } = await take(document(), 2)
    assert.deepEqual([code, errors[0]?.path, appliedVersion], [400, 'settingsArtifact', 1])
    assert.match(errors[0]?.reason ?? '', /causeway\/settings@sha256:.*other bytes/)
    parent.set(packed.digest, Buffer.from('{}'))
    assert.match((await take(document(packed.digest, { logLevel: 'Debug' }), 3)).errors[0]?.reason ?? '', /other bytes/)
    assert.equal(applied.at(-1)?.imageSets['all'], undefined)
  })

  it('are fetched again where the disk changed them', async () => {
    await take(document(), 3)
    const [name] = await readdir(join(folder, 'settings-artifacts'))
    const path = join(folder, 'settings-artifacts', name!)
    await writeFile(path, (await readFile(path, 'utf8')).replace('hello-world', 'hello-w0rld'))
    await start()
    assert.equal(applied.length, 1)
    assert.equal(applied[0], undefined)
    assert.equal((await take(document(), 3)).code, 200)
    assert.ok(applied.at(-1)?.imageSets['all']?.repositories.includes('hello-world'))
  })

  it('do not stay when no settings name them any more', async () => {
    await take(document(), 3)
    const other = packArtifact({ scopeMaps: large.scopeMaps })
    serve(other)
    await take(document(other.digest), 4)
    assert.deepEqual(await readdir(join(folder, 'settings-artifacts')), [`${other.digest.replace(':', '-')}.json`])
    await take({ schemaVersion: '1.0' }, 5)
    assert.deepEqual(await readdir(join(folder, 'settings-artifacts')), [])
  })

  for (const [what, sections, path, reason] of [
    ['tokens', { tokens }, 'settingsArtifact.tokens', /only imageSets and scopeMaps/],
    ['a parent', { parent: { password: 'x' } }, 'settingsArtifact.parent', /only imageSets and scopeMaps/],
    [
      'what the twin has too',
      { scopeMaps: { small: { actions: [] } } },
      'settingsArtifact.scopeMaps.small',
      /stands in the twin too/
    ],
    [
      'what is wrong, with its place',
      { imageSets: { all: { repositories: ['Hello World'] } } },
      'settingsArtifact.imageSets.all.repositories.0',
      /must be repository/
    ]
  ] as const)
    it(`are refused with ${what}`, async () => {
      const bad = packArtifact(sections as Parameters<typeof packArtifact>[0])
      serve(bad)
      const scopeMaps = { small: { actions: ['repositories/a/content/read'] } }
      const { code, errors } = await take(document(bad.digest, { tokens: {}, scopeMaps }), 2)
      assert.deepEqual([code, errors.length, errors[0]?.path], [400, 1, path])
      assert.match(errors[0]?.reason ?? '', reason)
      assert.deepEqual(applied, [undefined])
    })

  it('are found by a reference with a key of a newer release, which is warned about', async () => {
    const settingsArtifact = { repository, digest: packed.digest, mediaType: 'application/json' }
    assert.equal((await take({ ...document(), settingsArtifact }, 1)).code, 200)
    assert.deepEqual(status.snapshot().lastDesiredStatus?.warnings, [
      { path: 'settingsArtifact.mediaType', reason: 'unknown to this release, ignored' }
    ])
  })

  it('are refused by a reference that is none, and where a token of the twin names no scope map in either', async () => {
    const wrong = await take({ ...document(), settingsArtifact: { repository: 'A B', digest: 'latest' } }, 1)
    assert.deepEqual(
      wrong.errors.map(({ path }) => path),
      ['settingsArtifact.repository', 'settingsArtifact.digest']
    )
    const without = packArtifact({ imageSets: large.imageSets })
    serve(without)
    assert.equal((await take(document(without.digest), 2)).errors[0]?.path, 'tokens.client-0.scopeMap')
  })

  it('are no other artifact', async () => {
    const manifest = Buffer.from(packed.manifest.toString().replaceAll('vnd.causeway.settings', 'vnd.other'))
    parent.set(digestOf(manifest), manifest)
    const { code, errors } = await take(document(digestOf(manifest)), 2)
    assert.equal(code, 400)
    assert.match(errors[0]?.reason ?? '', /no artifact of type/)
  })
})
