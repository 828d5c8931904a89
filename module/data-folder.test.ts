import assert from 'node:assert/strict'
import { outsideOf } from './data-folder.ts'

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
