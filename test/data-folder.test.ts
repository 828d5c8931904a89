import assert from 'node:assert/strict'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { bundle } from '../packaging/bundle.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, mustRun, skip } from './real-tools.ts'
import { ask } from './world.ts'

const runAs = { CAUSEWAY_RUN_AS: '13650:13650' }

describe('the data folder of a module that is started as root', function () {
  this.timeout(30_000)
  let folder: string
  let module: LoneModule

  before(async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can be left behind')
    folder = await mkdtemp(join(tmpdir(), 'causeway-root-'))
    // Another user reads the program, and not the folder that a checkout may stand in.
    await bundle('module', join(folder, 'program'))
  })
  beforeEach(async () => {
    const home = await mkdtemp(join(folder, 'home-'))
    for (const each of [folder, home]) await chmod(each, 0o755)
    module = new LoneModule(home, [process.execPath, join(folder, 'program/main.js')])
    await module.write({ schemaVersion: '1.0' })
    await chmod(module.settings, 0o644)
    await mkdir(module.data, { mode: 0o755 })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('becomes the user’s, with all that is in it, and nothing beside it; no root is left', async () => {
    await writeFile(join(module.data, 'microsofts'), '')
    await mkdir(join(module.data, 'causeway/storage/blobs'), { recursive: true })
    await writeFile(join(module.data, 'causeway/storage/left'), 'by root')
    await symlink('/etc/passwd', join(module.data, 'causeway/storage/link'))
    await module.start(runAs)
    try {
      const status = await readFile(`/proc/${module.pid}/status`, 'utf8')
      assert.match(status, /^Uid:(\t13650){4}$/m)
      assert.match(status, /^Gid:(\t13650){4}$/m)
      assert.match(status, /^Groups:\t13650 ?$/m)
      assert.match(status, /^CapEff:\t0+$/m)
      for (const [path, uid] of [
        ['causeway', 13650],
        ['causeway/storage/left', 13650],
        ['microsofts', 0],
        ['.', 0]
      ] as const)
        assert.equal((await stat(join(module.data, path))).uid, uid, path)
      assert.equal((await stat('/etc/passwd')).uid, 0, 'links are not followed')
    } finally {
      await module.stop()
    }
  })

  it('may be forbidden: it stays up, says with which command that is mended, and goes on once it is', async () => {
    await chmod(module.data, 0o700)
    await module.start(runAs)
    try {
      const health = await ask({ origin: module.origin }, '/healthz')
      assert.equal(health.status, 503)
      assert.deepEqual(JSON.parse(health.body.toString()).faults, [{ code: 'DiskError' }])
      assert.equal((await ask({ origin: module.origin }, '/v2/')).status, 503)
      const [, command = ''] = await module.logs(/serving nothing but its health .*on the device run: (sudo [^"]*)"/)
      assert.ok(command.includes(join(module.data, 'causeway')), command)
      await mustRun('sh', ['-ec', command.replaceAll('sudo ', '')])
      const [, origin = ''] = await module.logs(/ serving version=.*address=(\S+)/)
      assert.equal((await ask({ origin }, '/healthz')).status, 200)
    } finally {
      assert.equal(await module.stop(), 0)
    }
  })

  it('ends at once when it is told to while it waits', async () => {
    await chmod(module.data, 0o700)
    await module.start(runAs)
    assert.equal(await module.stop(), 0)
  })

  it('is used as it is where the engine sets the user', async function () {
    if (!isInstalled('setpriv')) skip(this, 'setpriv is not installed')
    await chown(module.data, 13650, 13650)
    const wrapper = join(folder, 'as-user')
    const words = ['setpriv', '--reuid=13650', '--regid=13650', '--clear-groups', process.execPath]
    await writeFile(wrapper, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 })
    const home = dirname(module.data)
    const other = new LoneModule(home, [wrapper, join(folder, 'program/main.js')])
    await other.start(runAs)
    try {
      assert.equal((await ask({ origin: other.origin }, '/healthz')).status, 200)
    } finally {
      assert.equal(await other.stop(), 0)
    }
  })
})
