import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { pullPath, World, type Caller } from './world.ts'

const reference = join(import.meta.dirname, '../../shared/reference')
const causewayTag = 'causeway-0.1.0'

/**
 * Published deployment manifests, their placeholders filled and only the image's tag changed: a device that runs Microsoft's
 * module moves over without any other edit (docs/moving-from-microsoft.md).
 */
describe('a published deployment manifest with only its image changed', function () {
  this.timeout(180_000)

  before(function () {
    if (existsSync(reference)) return
    console.log('    skipped: the published manifests (../shared/reference) are not here')
    this.skip()
  })

  /** The site of somebody who followed the quickstart: the four repositories of the runtime are synced as well. */
  const quickstartSite =
    (name: string, versions: { readonly agent: string; readonly apiProxy: string }) => (text: string) =>
      text
        .replace('name: plantgateway', `name: ${name}`)
        .replace('azureiotedge-agent:1.6.1', `azureiotedge-agent:${versions.agent}`)
        .replace('azureiotedge-hub:1.6.1', `azureiotedge-hub:${versions.agent}`)
        .replace('azureiotedge-api-proxy:1.1.27', `azureiotedge-api-proxy:${versions.apiProxy}`)
        .replace(
          'repositories: [hello-world]',
          'repositories: [hello-world, acr/connected-registry, azureiotedge-agent, azureiotedge-hub, azureiotedge-api-proxy]'
        )

  async function publish(
    world: World,
    file: string,
    fill: (text: string) => string,
    device: string,
    ...options: string[]
  ): Promise<void> {
    const published = await readFile(join(reference, file), 'utf8')
    const filled = fill(published).replace(/(acr\/connected-registry):[0-9.]+/, `$1:${causewayTag}`)
    const path = join(world.folder, file)
    await writeFile(path, filled, { mode: 0o600 })
    await world.mustRun('deploy', '--device', device, '--manifest', path, ...options)
  }

  /** What every one of them must come to: a start without settings, then `causeway configure` and nothing else. */
  async function movesOver(world: World, device: string): Promise<Caller> {
    const before = await world.untilReported(
      device,
      ({ statusDetails, connectionState, lastDesiredStatus }) =>
        connectionState === 'Unhealthy' &&
        statusDetails.some(({ code }) => code === 'SettingsMissing') &&
        // The answer to the settings comes with a report of its own, later on a machine that is busy.
        lastDesiredStatus !== undefined,
      'SettingsMissing'
    )
    assert.equal(before.lastDesiredStatus?.code, 417)
    assert.match(before.lastDesiredStatus.description, new RegExp(`causeway configure .*--device ${device}`))
    assert.deepEqual(
      before.statusDetails.map(({ code }) => code),
      ['SettingsMissing'],
      'the parent took its credentials'
    )
    await world.mustRun('configure', '--device', device)
    await world.mustRun('status', '--device', device, '--wait')
    return {
      origin: `http://${world.registry(device)}`,
      user: 'plant-client',
      password: await world.password('plant-client')
    }
  }

  for (const { file, registry, versions } of [
    { file: 'quickstart-top-layer.json', registry: 'plantgateway', versions: { agent: '1.2.4', apiProxy: '1.1.2' } },
    {
      file: 'preview-top-layer.json',
      registry: 'myconnectedregistry',
      versions: { agent: '20210609.5', apiProxy: '9.9.9-dev' }
    }
  ])
    describe(file, () => {
      let world: World

      before(async () => {
        world = await World.start()
        await world.editSite(quickstartSite(registry, versions))
        await world.mustRun('provision')
        await world.mustRun('images', 'import')
      })
      after(() => world.close())

      it('starts, signs in, reports SettingsMissing; after causeway configure alone it syncs and serves', async () => {
        const sync = await world.password(`${registry}-sync-token`)
        const pull = await world.password('crimagepulltoken')
        await publish(world, file, (text) => fillTop(text, registry, { sync, pull }), 'gateway')
        const caller = await movesOver(world, 'gateway')
        const manifest = await pullPath(caller, 'hello-world', 'manifests/latest')
        assert.equal(digestOf(manifest.body), world.cloud.digestOf('hello-world', 'latest'))
      })
    })

  describe('tutorial-lower-layer.json', () => {
    let world: World

    before(async () => {
      world = await World.start([{ id: 'gateway' }, { id: 'machine', parentId: 'gateway' }])
      await world.editSite((text) =>
        quickstartSite('plantgateway', { agent: '1.2.4', apiProxy: '1.1.2' })(text).replace(
          /$/,
          '  machine:\n    parent: gateway\n    connectedRegistry:\n      name: plantmachine\n      mode: ReadOnly\n'
        )
      )
      await world.mustRun('provision')
      await world.mustRun('images', 'import')
      await world.mustRun('deploy', '--device', 'gateway')
      await world.mustRun('status', '--device', 'gateway', '--wait')
    })
    after(() => world.close())

    it('runs below a top layer that knows its sync token, with the cloud unreachable', async () => {
      world.simulator.network.sever(/azurecr\.io:443$/)
      const sync = await world.password('plantmachine-sync-token')
      // Who deploys cannot look for images in a cloud that is unreachable.
      const fill = (text: string): string => fillLower(text, 'plantmachine', sync)
      await publish(world, 'tutorial-lower-layer.json', fill, 'machine', '--no-image-check')
      const caller = await movesOver(world, 'machine')
      const manifest = await pullPath(caller, 'hello-world', 'manifests/latest')
      assert.equal(digestOf(manifest.body), world.cloud.digestOf('hello-world', 'latest'))
    })
  })
})

interface Passwords {
  readonly sync: string
  readonly pull: string
}

function fillTop(text: string, registry: string, { sync, pull }: Passwords): string {
  return text
    .replaceAll('<REPLACE_WITH_CLOUD_REGISTRY_NAME>', 'mycontainerregistry001')
    .replaceAll('<REPLACE_WITH_CLOUD_REGISTRY_REGION>', 'westus2')
    .replaceAll('<REPLACE_WITH_CONNECTED_REGISTRY_NAME>', registry)
    .replaceAll('<REPLACE_WITH_SYNC_TOKEN_NAME>', `${registry}-sync-token`)
    .replaceAll('<REPLACE_WITH_SYNC_TOKEN_PASSWORD>', sync)
    .replaceAll('REPLACE_WITH_SYNC_TOKEN_PASSWORD', sync)
    .replace('SyncTokenPassword=xxxxxxxxxxxxxxxx', `SyncTokenPassword=${sync}`)
    .replace('"password": "xxxxxxxxxxxxxxxx"', `"password": ${JSON.stringify(pull)}`)
}

function fillLower(text: string, registry: string, sync: string): string {
  return fillTop(text, registry, { sync, pull: '' })
}
