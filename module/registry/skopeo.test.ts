import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { digestOf } from '../oci/digest.ts'
import { bigLayer, config, layer, manifest, portOf, useWorld } from './world.test.ts'

describe('registry: engines', () => {
  const world = useWorld()

  const run = promisify(execFile)
  before(async function () {
    try {
      await run('skopeo', ['--version'])
    } catch {
      console.log('      skipped: skopeo is not installed')
      this.skip()
    }
  })

  it('is copied from, listed and inspected', async () => {
    const target = join(world.folder, 'copy')
    const image = `docker://127.0.0.1:${portOf(world.server)}/samples/app`
    const source = ['--src-tls-verify=false', '--src-creds', 'reader:secret']
    await run('skopeo', ['copy', ...source, `${image}:1.0`, `dir:${target}`])
    assert.ok((await readFile(join(target, 'manifest.json'))).equals(manifest))
    for (const bytes of [layer, bigLayer, config]) {
      const copied = await readFile(join(target, digestOf(bytes).replace('sha256:', '')))
      assert.ok(copied.equals(bytes))
    }
    const { stdout } = await run('skopeo', ['list-tags', '--tls-verify=false', '--creds', 'reader:secret', image])
    assert.deepEqual(JSON.parse(stdout).Tags, ['1.0', '1.1', '2.0', 'latest'])
    const refused = run('skopeo', [
      'copy',
      '--src-tls-verify=false',
      '--src-creds',
      'reader:no',
      `${image}:1.0`,
      `dir:${target}-refused`
    ])
    await assert.rejects(refused, /unauthorized|invalid username\/password|authentication required/i)
    const push = run('skopeo', [
      'copy',
      '--dest-tls-verify=false',
      '--dest-creds',
      'reader:secret',
      `dir:${target}`,
      `${image}:new`
    ])
    await assert.rejects(push, /denied: this connected registry is ReadOnly: push to its parent/)
  })
})
