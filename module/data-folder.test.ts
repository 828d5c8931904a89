import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findObstacle, outsideOf } from './data-folder.ts'

const mounts = [
  '22 1 252:1 / / rw,relatime - overlay overlay rw',
  '30 22 252:1 /home/azure\\040user/connected-registry /var/acr/data rw,relatime - ext4 /dev/vda rw',
  '31 22 0:5 /pts /dev/pts rw - devpts devpts rw'
].join('\n')

describe('what a folder in the container is called on the device', () => {
  for (const [folder, outside] of [
    ['/var/acr/data/causeway', '/home/azure user/connected-registry/causeway'],
    ['/var/acr/data', '/home/azure user/connected-registry'],
    ['/var/acr/database', '/var/acr/database'],
    ['/data/causeway', '/data/causeway']
  ] as const)
    it(`${folder} is ${outside}`, () => {
      assert.equal(outsideOf(folder, mounts), outside)
    })
})

describe('a data folder on a full disk', () => {
  let folder: string
  before(function () {
    if (!existsSync('/dev/full')) this.skip() // Only Linux has it.
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-data-'))
    // Every byte that is written to it fails with ENOSPC.
    await symlink('/dev/full', join(folder, '.may-write'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('is in the way of a first start, which takes nothing of what is left', async () => {
    assert.match((await findObstacle(folder)) ?? '', /no room .*\(ENOSPC\): free/)
    assert.deepEqual(await readdir(folder), [])
    assert.equal(await findObstacle(folder), undefined)
  })

  it('is in the way of no later start', async () => {
    await mkdir(join(folder, 'storage'))
    await writeFile(join(folder, 'storage', 'index.db'), 'SQLite format 3')
    assert.equal(await findObstacle(folder), undefined)
  })
})
