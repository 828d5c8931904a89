import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './bundle.ts'
import { buildCommand, isLoopback, pushCommands } from './engine.ts'
import { platforms } from './platforms.ts'

const build = {
  file: 'module/Dockerfile',
  context: 'dist/image',
  arguments: { PLATFORM: 'arm64v8' },
  platform: 'linux/arm64',
  epoch: 7,
  tag: 'a.test/b:1'
}

describe('packaging: the image', () => {
  it('is built by docker and podman from the same parts', () => {
    const common = ['--build-arg', 'PLATFORM=arm64v8', '--platform', 'linux/arm64', '--tag', 'a.test/b:1']
    const ends = [...common, '--file', 'module/Dockerfile', 'dist/image']
    assert.deepEqual(buildCommand('docker', build), ['build', ...ends])
    assert.deepEqual(buildCommand('podman', build), ['build', '--format', 'docker', '--timestamp', '7', ...ends])
  })

  it('goes without TLS to registries on this machine only', () => {
    assert.deepEqual(pushCommands('podman', 'x', 'a.test/b:1'), [['push', 'x', 'docker://a.test/b:1']])
    assert.ok(pushCommands('buildah', 'x', '127.0.0.1:5000/b:1')[0]?.includes('--tls-verify=false'))
    assert.deepEqual(pushCommands('docker', 'x', 'a.test/b:1'), [
      ['tag', 'x', 'a.test/b:1'],
      ['push', 'a.test/b:1']
    ])
    assert.equal(isLoopback('localhost.example.com/b:1'), false)
  })

  it("has the release's version and every platform in IoT Edge's module.json", async () => {
    const read = async (file: string): Promise<unknown> => JSON.parse(await readFile(join(root, file), 'utf8'))
    const { version } = (await read('package.json')) as { version: string }
    const { image } = (await read('module/module.json')) as {
      image: { tag: { version: string; platforms: Record<string, string> } }
    }
    assert.equal(image.tag.version, `causeway-${version}`)
    assert.deepEqual(Object.keys(image.tag.platforms), Object.keys(platforms))
  })
})
