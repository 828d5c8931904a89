import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runDoctor } from './doctor-command.ts'
import { packArtifact } from './settings/artifact.ts'

/** Nothing answers there: what the parent's finding names shows which settings were read. */
const parent = { endpoint: '127.0.0.1:1', protocol: 'http', tokenName: 'sync-token', password: 'seven-words' }
const settings = { schemaVersion: '1.0', parent, storage: { reserveMebibytes: 0 } }

describe('the doctor as a command', () => {
  let folder: string

  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-doctor-'))))
  afterEach(() => rm(folder, { recursive: true }))

  async function lines(given: unknown, variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const path = join(folder, 'given.json')
    await writeFile(path, typeof given === 'string' ? given : JSON.stringify(given))
    let printed = ''
    await runDoctor([], { CAUSEWAY_SETTINGS: path, CAUSEWAY_DATA: folder, ...variables }, (text) => (printed += text))
    return printed
  }

  it('finds a volume and its disk well before the first start', async () => {
    const found = await lines(settings)
    assert.match(found, /^ok +volume /m)
    assert.match(found, /^ok +disk .* 0\.0 GB are never used/m)
    assert.match(found, /^ok +settings /m)
  })

  it('goes by the settings artifact that is kept, and by parent and reserve where it is not here', async () => {
    const { digest, manifest, blobs } = packArtifact({ imageSets: { plant: { repositories: ['plant/app'] } } })
    const named = { ...settings, settingsArtifact: { repository: 'causeway/settings', digest } }
    const before = await lines(named)
    assert.match(before, new RegExp(`^warning +settings .*causeway/settings@${digest}.* has not come`, 'm'))
    assert.match(before, /^failed +parent .*127\.0\.0\.1:1/m)
    assert.match(before, /^ok +disk .* 0\.0 GB are never used/m)
    await mkdir(join(folder, 'causeway/settings-artifacts'), { recursive: true })
    await writeFile(
      join(folder, 'causeway/settings-artifacts', `${digest.replace(':', '-')}.json`),
      JSON.stringify({ manifest: manifest.toString(), content: blobs[1]?.toString() })
    )
    assert.match(await lines(named), /^ok +settings /m)
    const twice = await lines({ ...named, imageSets: { plant: { repositories: ['plant/app'] } } })
    assert.match(twice, /^failed +settings +they are refused: settingsArtifact\.imageSets\.plant: stands in/m)
  })

  it('tells settings that cannot be read or are refused from none', async () => {
    const broken = await lines('{"parent": {"password": "seven-words",\n}')
    assert.match(broken, /^failed +settings +\S+given\.json cannot be read: it is not JSON \(line 2 column 1\)$/m)
    // V8's own message would quote it.
    assert.doesNotMatch(await lines('{"password": "seven-words" x}'), /seven-words/)
    const refused = await lines({ ...settings, mode: 'Sometimes' })
    assert.match(refused, /^failed +settings +they are refused: mode: /m)
    assert.match(refused, /^failed +parent .*127\.0\.0\.1:1/m)
    const newer = await lines({ ...settings, parent: { ...parent, novelty: true }, mode: 'Sometimes' })
    assert.match(newer, /^failed +parent .*127\.0\.0\.1:1/m)
    assert.match(await lines('{}'), /^failed +settings +there are no settings in /m)
    assert.match(await lines('7'), /^failed +settings +\S+given\.json cannot be read: it must be a JSON object/m)
    assert.match(await lines('{}', { CAUSEWAY_SETTINGS: folder }), /^failed +settings .* cannot be read: EISDIR$/m)
  })

  it('takes no word that it does not know', async () => {
    await assert.rejects(
      runDoctor(['--jsn'], { CAUSEWAY_SETTINGS: '/nowhere', CAUSEWAY_DATA: folder }, () => assert.fail()),
      { code: 'ARGUMENT_UNKNOWN', message: 'doctor takes --json and nothing else: there is no --jsn' }
    )
  })
})
