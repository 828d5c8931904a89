import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GeneratorError } from '../errors.ts'
import { deviceNamed, testSite } from '../testing.ts'
import { generateManifest } from './generate.ts'
import { readTemplate } from './template.ts'

const now = new Date('2026-11-21T00:00:00Z')

/** A template as people have them, from iotedgedev or the tools for VS Code: no connected registry in it. */
const theirs = {
  '$schema-template': '4.0.0',
  content: {
    modulesContent: {
      $edgeAgent: {
        'properties.desired': {
          schemaVersion: '1.0',
          runtime: {
            type: 'docker',
            settings: {
              minDockerVersion: 'v1.25',
              registryCredentials: {
                mine: {
                  address: '$CONTAINER_REGISTRY_SERVER',
                  username: '$CONTAINER_REGISTRY_USERNAME',
                  password: '${CONTAINER_REGISTRY_PASSWORD}'
                }
              }
            }
          },
          systemModules: {
            edgeAgent: {
              type: 'docker',
              settings: { image: 'mcr.microsoft.com/azureiotedge-agent:1.5', createOptions: {} }
            },
            edgeHub: {
              type: 'docker',
              status: 'running',
              restartPolicy: 'always',
              settings: {
                image: 'mcr.microsoft.com/azureiotedge-hub:1.5',
                createOptions: '{"HostConfig":{"Memory":${MEMORY}}}'
              }
            }
          },
          modules: {
            camera: {
              type: 'docker',
              status: 'running',
              restartPolicy: 'always',
              settings: { image: '${MODULES.camera}', createOptions: '{"Env":["LABEL=', createOptions01: '${LABEL}"]}' }
            },
            filter: { type: 'docker', status: 'running', settings: { image: '${MODULEDIR<../shared\\filter>.debug}' } }
          }
        }
      },
      $edgeHub: {
        'properties.desired': {
          schemaVersion: '1.0',
          routes: { up: 'FROM /messages/modules/camera/* WHERE $body.x INTO $upstream' },
          storeAndForwardConfiguration: { timeToLiveSecs: '${TTL}' }
        }
      }
    }
  }
}

describe('templates by the conventions that people have', () => {
  const site = testSite()
  const gateway = deviceNamed(site, 'gateway')
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-template-'))
    path = join(folder, 'solution', 'deployment.template.json')
    await mkdir(join(folder, 'solution', 'modules', 'camera'), { recursive: true })
    await mkdir(join(folder, 'shared', 'filter'), { recursive: true })
    const module = (repository: string): string =>
      JSON.stringify({
        '$schema-version': '0.0.1',
        image: {
          repository,
          tag: {
            version: '${VERSION}',
            platforms: { amd64: 'a', arm64v8: 'b', 'amd64.debug': 'c', 'arm64v8.debug': 'd' }
          }
        },
        language: 'python'
      })
    await writeFile(
      join(folder, 'solution', 'modules', 'camera', 'module.json'),
      module('$CONTAINER_REGISTRY_SERVER/Camera')
    )
    await writeFile(join(folder, 'shared', 'filter', 'module.json'), module('${CONTAINER_REGISTRY_SERVER}/filter'))
    await writeFile(
      join(folder, 'solution', '.env'),
      'CONTAINER_REGISTRY_SERVER=theirs.azurecr.io\nCONTAINER_REGISTRY_USERNAME="somebody"\nVERSION=1.0\nTTL=10\nMEMORY=1\n# a comment\n'
    )
    await write(theirs)
  })
  afterEach(() => rm(folder, { recursive: true }))

  const env = {
    CONTAINER_REGISTRY_PASSWORD: 'p"w\\d=+/0123456789',
    TTL: '7200',
    LABEL: 'a "quoted" label',
    // A trap that raw text expansion falls into.
    upstream: 'downstream',
    body: 'soul'
  }
  const write = (template: object): Promise<void> =>
    writeFile(path, JSON.stringify(template, undefined, 2).replace('"${TTL}"', '${TTL}'))
  const generate = async (
    variables: Record<string, string> = env,
    platform?: string
  ): Promise<ReturnType<typeof JSON.parse>> => {
    const template = await readTemplate(path, folder, { env: variables, platform })
    return JSON.parse(JSON.stringify(generateManifest(site, gateway, template, { now }))).modulesContent
  }
  interface Module {
    readonly startupOrder?: number
    readonly settings: { readonly image: string; readonly createOptions: string; readonly createOptions01?: string }
    readonly env: {
      readonly ACR_REGISTRY_CONNECTION_STRING: { readonly value: string }
      readonly MINE: { readonly value: string }
    }
  }
  const moduleOf = (content: ReturnType<typeof JSON.parse>, name: string): Module =>
    content.$edgeAgent['properties.desired'].modules[name] as Module

  it('finds the images of modules in their module.json, by platform', async () => {
    const content = await generate()
    assert.equal(moduleOf(content, 'camera').settings.image, 'theirs.azurecr.io/camera:1.0-amd64')
    assert.equal(moduleOf(content, 'filter').settings.image, 'theirs.azurecr.io/filter:1.0-amd64.debug')
    assert.match(
      moduleOf(await generate({ ...env, DEFAULT_PLATFORM: 'arm64v8' }), 'camera').settings.image,
      /-arm64v8$/
    )
    assert.match(
      moduleOf(await generate({ ...env, CONTAINER_TAG: 'rc1' }, 'arm64v8'), 'camera').settings.image,
      /:1\.0-rc1-arm64v8$/
    )
    await assert.rejects(generate(env, 'windows-amd64'), (error: GeneratorError) => {
      assert.equal(error.code, 'TEMPLATE_INVALID')
      return /\$\{MODULES\.camera\}: .*module\.json has no platform windows-amd64; it has amd64, arm64v8, amd64\.debug/.test(
        error.message
      )
    })
  })

  it('expands the environment inside of values, before the .env file, and never what is IoT Edge’s', async () => {
    const content = await generate()
    const hub = content.$edgeHub['properties.desired']
    assert.equal(hub.routes.up, 'FROM /messages/modules/camera/* WHERE $body.x INTO $upstream')
    assert.equal(hub.storeAndForwardConfiguration.timeToLiveSecs, 7200, 'a number, without quotes in the template')
    const { mine } = content.$edgeAgent['properties.desired'].runtime.settings.registryCredentials
    assert.deepEqual([mine.address, mine.username], ['theirs.azurecr.io', 'somebody'])
    assert.deepEqual(JSON.parse(moduleOf(content, 'camera').settings.createOptions), {
      Env: ['LABEL=a "quoted" label']
    })
    assert.equal(moduleOf(content, 'camera').settings.createOptions01, undefined, 'the pieces were joined')
  })

  it('keeps what looks like a secret as a reference, where there are to be none', async () => {
    const { mine } = (await generate()).$edgeAgent['properties.desired'].runtime.settings.registryCredentials
    assert.equal(mine.password, '${CONTAINER_REGISTRY_PASSWORD}')
  })

  it('refuses what is not set, with its place, and a bare one that is no number', async () => {
    const { LABEL: _, ...rest } = env
    await assert.rejects(
      generate(rest),
      (error: GeneratorError) =>
        error.code === 'TEMPLATE_INVALID' && /:\d+:\d+: there is no variable \$\{LABEL\}/.test(error.message)
    )
    await assert.rejects(
      generate({ ...env, TTL: 'for ever' }),
      /\$\{TTL\} stands without quotes, and its value is no number/
    )
  })

  it('adds the connected registry to a template that has none, and leaves the rest', async () => {
    const content = await generate()
    const desired = content.$edgeAgent['properties.desired']
    const module = moduleOf(content, 'connected-registry')
    assert.equal(module.settings.image, 'mycontainerregistry001.azurecr.io/acr/connected-registry:causeway-0.1.0')
    assert.equal(module.startupOrder, undefined, 'schema 1.0 has none')
    assert.deepEqual(Object.keys(desired.modules as object), ['camera', 'filter', 'connected-registry'])
    assert.deepEqual(Object.keys(desired.runtime.settings.registryCredentials as object), ['mine', 'crimagepulltoken'])
    assert.equal(content['connected-registry']['properties.desired'].schemaVersion, '1.0')
    assert.equal(content['$schema-template'], undefined)
  })

  it('takes Microsoft’s own manifest over, with its image, login and connection string changed', async () => {
    const reference = join(import.meta.dirname, '../../../shared/reference/quickstart-top-layer.json')
    const text = await readFile(reference, 'utf8').catch(() => undefined)
    const module = {
      type: 'docker',
      status: 'running',
      settings: { image: 'contoso.azurecr.io/acr/connected-registry:0.8.0', createOptions: '{"HostConfig":{}}' },
      env: { ACR_REGISTRY_CONNECTION_STRING: { value: 'REPLACE_WITH_CONNECTION_STRING' }, MINE: { value: 'stays' } }
    }
    const changed = structuredClone(theirs)
    Object.assign(changed.content.modulesContent.$edgeAgent['properties.desired'].modules, {
      'connected-registry': module
    })
    await write(changed)
    const generated = moduleOf(await generate(), 'connected-registry')
    assert.match(generated.settings.image, /\/acr\/connected-registry:causeway-0\.1\.0$/)
    assert.match(generated.env.ACR_REGISTRY_CONNECTION_STRING.value, /^ConnectedRegistryName=plantgateway;/)
    assert.equal(generated.env.MINE.value, 'stays')
    if (text === undefined) return
    await writeFile(path, text)
    const published = await generate()
    assert.match(
      moduleOf(published, 'connected-registry').env.ACR_REGISTRY_CONNECTION_STRING.value,
      /^ConnectedRegistryName=plantgateway;/
    )
    assert.ok(published['connected-registry']['properties.desired'].schemaVersion)
  })
})
