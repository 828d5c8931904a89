import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
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

  it('expands names in lower case only where something is called so, and never in a route', async () => {
    const changed = structuredClone(theirs)
    Object.assign(changed.content.modulesContent.$edgeAgent['properties.desired'].modules.camera, {
      env: { A: { value: '$hub_id and $body' }, B: { value: '$nothing' }, C: { value: '$upstream $constructor' } }
    })
    await write(changed)
    const content = await generate({ ...env, hub_id: 'h' })
    assert.deepEqual(content.$edgeAgent['properties.desired'].modules.camera.env, {
      A: { value: 'h and soul' },
      B: { value: '$nothing' },
      C: { value: '$upstream $constructor' }
    })
    assert.equal(
      content.$edgeHub['properties.desired'].routes.up,
      'FROM /messages/modules/camera/* WHERE $body.x INTO $upstream'
    )
  })

  it('expands keys, which other tools do with the rest of the text', async () => {
    const text = JSON.stringify(theirs).replace('"mine"', '"$CONTAINER_REGISTRY_USERNAME"')
    await write(JSON.parse(text) as object)
    const { settings } = (await generate()).$edgeAgent['properties.desired'].runtime
    assert.deepEqual(Object.keys(settings.registryCredentials as object), ['somebody', 'crimagepulltoken'])
    await write(JSON.parse(text.replace('"registryCredentials":{', '"registryCredentials":{"somebody":{},')) as object)
    await assert.rejects(
      generate(),
      /:\d+:\d+: \$CONTAINER_REGISTRY_USERNAME stands for somebody, which is there already$/
    )
    await write(JSON.parse(text.replace('USERNAME":{', 'NICKNAME":{')) as object)
    await assert.rejects(generate(), /:\d+:\d+: there is no variable \$CONTAINER_REGISTRY_NICKNAME/)
  })

  it('leaves comments out, and what exports of IoT Hub have besides', async () => {
    const changed = structuredClone(theirs)
    const { modulesContent } = changed.content
    const desired = modulesContent.$edgeAgent['properties.desired']
    Object.assign(desired.modules, { '//': 'a comment with ${NOTHING}' })
    Object.assign(desired.modules.camera, {
      _comment: 'why',
      configuration: { id: 'x' },
      env: { _comment_A: ['why', 'too'], A: { value: '1', $comment: 'x' }, _comments_on: { value: '2' } },
      settings: { image: '${MODULES.camera}', createOptions: { Labels: { _comment: 'theirs' } } }
    })
    Object.assign(desired.runtime.settings.registryCredentials, { _comment: 'none' })
    Object.assign(modulesContent.$edgeHub['properties.desired'].routes, { _comment: 'none' })
    Object.assign(modulesContent, {
      _comment: 'x',
      filter: {},
      camera: { 'properties.desired': { _comment: 'its own', $version: 4, $metadata: {} } }
    })
    await write(changed)
    const content = await generate()
    const { modules, runtime } = content.$edgeAgent['properties.desired']
    assert.deepEqual(Object.keys(modules as object), ['camera', 'filter', 'connected-registry'])
    assert.deepEqual(Object.keys(modules.camera as object), ['type', 'status', 'restartPolicy', 'settings', 'env'])
    assert.deepEqual(modules.camera.env, { A: { value: '1' }, _comments_on: { value: '2' } })
    assert.equal(modules.camera.settings.createOptions, '{"Labels":{"_comment":"theirs"}}')
    assert.deepEqual(Object.keys(runtime.settings.registryCredentials as object), ['mine', 'crimagepulltoken'])
    assert.deepEqual(Object.keys(content.$edgeHub['properties.desired'].routes as object), ['up'])
    assert.deepEqual(Object.keys(content as object), ['$edgeAgent', '$edgeHub', 'camera', 'connected-registry'])
    assert.deepEqual(content.camera['properties.desired'], { _comment: 'its own' })
  })

  it('takes create options by keys in any case, as edgeAgent does', async () => {
    const changed = structuredClone(theirs)
    const { camera } = changed.content.modulesContent.$edgeAgent['properties.desired'].modules
    const given = async (options: Record<string, unknown>): Promise<Module['settings']> => {
      Object.assign(camera, { settings: { image: '${MODULES.camera}', ...options } })
      await write(changed)
      return moduleOf(await generate(), 'camera').settings
    }
    const long = { Env: [`A=${'x'.repeat(600)}`] }
    const { image: _, ...pieces } = await given({ CreateOptions: long })
    assert.deepEqual(Object.keys(pieces), ['createOptions', 'createOptions01'])
    assert.deepEqual(JSON.parse(Object.values(pieces).join('')), long)
    const mixed = await given({ createoptions: '{"Env":["A=', createOptions01: '${LABEL}', CreateOptions02: '"]}' })
    assert.deepEqual(JSON.parse(mixed.createOptions), { Env: [`A=${env.LABEL}`] })
    for (const wrong of ['not JSON', { Env: ['A=${secret:plant-client/password1}'] }, { Env: ['A=${NOWHERE}'] }]) {
      const error = await given({ CREATEOPTIONS: wrong }).catch((each: unknown) => each as GeneratorError)
      const line = (await readFile(path, 'utf8')).split('\n').findIndex((text) => text.includes('CREATEOPTIONS')) + 1
      assert.ok(error instanceof GeneratorError)
      const told = Number(/json:(\d+):/.exec(error.message)?.[1])
      assert.ok(error.code === 'TEMPLATE_INVALID' && told >= line && told <= line + 2, error.message)
    }
    const twice = await given({ createOptions: {}, CreateOptions: {} })
    assert.deepEqual(Object.keys(twice), ['image', 'CreateOptions', 'createOptions'], 'which edgeAgent refuses')
  })

  it('takes create options that only edgeAgent’s reader takes, tabs, UTF-16, and colons on lines of their own', async () => {
    const changed = structuredClone(theirs)
    Object.assign(changed.content.modulesContent.$edgeAgent['properties.desired'].modules.camera, {
      settings: { image: '${MODULES.camera}', createOptions: "{HostConfig: {'Binds': ['/a:${LABEL}',]}}" }
    })
    const text = JSON.stringify(changed, undefined, '\t').replace('"${TTL}"', '${TTL}').replaceAll('": {', '"\n:\t{')
    await writeFile(path, Buffer.from(`\uFEFF${text}`, 'utf16le'))
    assert.deepEqual(JSON.parse(moduleOf(await generate(), 'camera').settings.createOptions), {
      HostConfig: { Binds: ['/a:a "quoted" label'] }
    })
  })

  it('says everything that is missing at once, each once and with its place', async () => {
    const text = JSON.stringify(theirs, undefined, 2).replace('"${TTL}"', '${TTL}')
    await writeFile(path, text.replaceAll('MODULES.camera', 'MODULES.x').replace('shared', 'nowhere'))
    await assert.rejects(generate(), (error: GeneratorError) => {
      assert.match(
        error.message,
        /^.*deployment\.template\.json:\d+:\d+: \$\{MODULES\.x\}: .*module\.json cannot be read$/
      )
      assert.equal(error.details.length, 1)
      assert.match(
        error.details[0] ?? '',
        /:\d+:\d+: \$\{MODULEDIR<\.\.\/nowhere\\filter>\.debug\}: .* cannot be read$/
      )
      return true
    })
    await writeFile(path, text)
    const { LABEL: _label, CONTAINER_REGISTRY_PASSWORD: _password, ...rest } = env
    await assert.rejects(generate(rest), (error: GeneratorError) => {
      const said = [...error.details, error.message].join('\n')
      assert.match(said, /:\d+:\d+: there is no variable \$\{LABEL\}/)
      assert.match(said, /:\d+:\d+: there is no variable \$\{CONTAINER_REGISTRY_PASSWORD\}/)
      return true
    })
  })

  it('lets a module’s own .env file go before the others', async () => {
    await writeFile(join(folder, 'solution', 'modules', 'camera', '.env'), 'VERSION=9.9\n')
    const content = await generate()
    assert.equal(moduleOf(content, 'camera').settings.image, 'theirs.azurecr.io/camera:9.9-amd64')
    assert.equal(moduleOf(content, 'filter').settings.image, 'theirs.azurecr.io/filter:1.0-amd64.debug')
  })

  it('keeps what looks like a secret as a reference, where there are to be none', async () => {
    const { mine } = (await generate()).$edgeAgent['properties.desired'].runtime.settings.registryCredentials
    assert.equal(mine.password, '${CONTAINER_REGISTRY_PASSWORD}')
  })

  it('keeps them in create options too, each in one piece, and expands what is no secret by any name', async () => {
    const changed = structuredClone(theirs)
    Object.assign(changed.content.modulesContent.$edgeAgent['properties.desired'].modules.camera, {
      settings: {
        image: '$TOKENSERVICE_IMAGE',
        createOptions: { Env: [`${'x'.repeat(495)}\${GRAFANA_ADMIN_PASSWORD}`] }
      }
    })
    await write(changed)
    const variables = { ...env, TOKENSERVICE_IMAGE: 'a/b:1', GRAFANA_ADMIN_PASSWORD: 'hunter2' }
    const { settings } = moduleOf(await generate(variables), 'camera')
    assert.equal(settings.image, 'a/b:1')
    assert.match(settings.createOptions01 ?? '', /^\$\{GRAFANA_ADMIN_PASSWORD\}"\]\}$/)
    assert.ok(!JSON.stringify(settings).includes('hunter2'))
  })

  it('has the runtime’s versions by the names that the tools for VS Code give them', async () => {
    const text = JSON.stringify(theirs)
      .replace('agent:1.5', 'agent:${VERSION.edgeAgent}')
      .replaceAll('"1.0"', '"${SCHEMAVERSION.edgeHub}"')
    await write(JSON.parse(text) as object)
    const content = await generate()
    const desired = content.$edgeAgent['properties.desired']
    assert.equal(desired.systemModules.edgeAgent.settings.image, 'mcr.microsoft.com/azureiotedge-agent:1.6.1')
    assert.equal(desired.schemaVersion, '1.1')
  })

  it('fills in a layer as it does a whole deployment, where one is asked for', async () => {
    const module = { type: 'docker', status: 'running', settings: { image: '${MODULES.camera}', createOptions: {} } }
    const layer = {
      content: {
        modulesContent: {
          $edgeAgent: {
            'properties.desired.modules.camera': { ...module, env: { A: { value: '${LABEL}' } } },
            'properties.desired.modules.lamp.env.B': { value: '$TTL' },
            'properties.desired.runtime.settings.registryCredentials.mine': {
              address: '$CONTAINER_REGISTRY_SERVER',
              username: 'u',
              password: 'p'
            }
          },
          $edgeHub: { 'properties.desired.routes.up': 'FROM /messages/modules/camera/* INTO $upstream' },
          camera: { 'properties.desired.rate': 5 }
        }
      }
    }
    const made = async (
      variables = env as Record<string, string>
    ): Promise<Record<string, Record<string, unknown>>> => {
      const template = await readTemplate(path, folder, { env: variables, layers: true })
      const { modulesContent } = generateManifest(site, gateway, template, { now })
      return JSON.parse(JSON.stringify(modulesContent)) as Record<string, Record<string, unknown>>
    }
    await write(layer)
    const { $edgeAgent: agent, ...rest } = await made()
    assert.deepEqual(Object.keys(agent ?? {}), [
      'properties.desired.modules.camera',
      'properties.desired.modules.connected-registry',
      'properties.desired.runtime.settings.registryCredentials.mine',
      'properties.desired.runtime.settings.registryCredentials.crimagepulltoken',
      'properties.desired.modules.lamp.env.B'
    ])
    assert.deepEqual(agent?.['properties.desired.modules.camera'], {
      ...module,
      settings: { image: 'theirs.azurecr.io/camera:1.0-amd64', createOptions: '{}' },
      env: { A: { value: env.LABEL } }
    })
    assert.deepEqual(agent['properties.desired.modules.lamp.env.B'], { value: '7200' })
    assert.deepEqual(rest['camera'], { 'properties.desired.rate': 5 })
    assert.ok(rest['connected-registry']?.['properties.desired'])
    assert.equal(rest['$edgeHub']?.['properties.desired'], undefined)
    const { LABEL: _, ...others } = env
    const line = (await readFile(path, 'utf8')).split('\n').findIndex((text) => text.includes('LABEL')) + 1
    await assert.rejects(made(others), new RegExp(`:${line}:\\d+: there is no variable \\$\\{LABEL\\}`))
    await assert.rejects(generate(), /whole deployments, not layers$/, 'a device is given no layer')
  })

  it('fills in what a layer says of a module’s settings alone, under the same keys', async () => {
    const key = (name: string): string => `properties.desired.modules.${name}.settings`
    const long = { Labels: { one: 'x'.repeat(600) } }
    const agent = {
      [key('worker')]: {
        image: '${registry.address}/hello-world:v1',
        createOptions: { HostConfig: { Privileged: true } }
      },
      [`${key('lamp')}.image`]: '${registry.address}/hello-world:v2',
      [`${key('fan')}.createOptions`]: long,
      [key('connected-registry')]: { createOptions: { User: '1' } }
    }
    const made = async (content: object): Promise<Record<string, unknown>> => {
      await write({ modulesContent: { $edgeAgent: content } })
      const template = await readTemplate(path, folder, { env, layers: true })
      const { modulesContent } = generateManifest(site, gateway, template, { now })
      return { ...modulesContent['$edgeAgent'] }
    }
    const content = await made(agent)
    assert.deepEqual(content[key('worker')], {
      image: '127.0.0.1:8080/hello-world:v1',
      createOptions: '{"HostConfig":{"Privileged":true}}'
    })
    assert.equal(content[`${key('lamp')}.image`], '127.0.0.1:8080/hello-world:v2')
    const pieces = [content[`${key('fan')}.createOptions`], content[`${key('fan')}.createOptions01`]]
    assert.deepEqual(JSON.parse(pieces.join('')), long)
    assert.deepEqual(content[key('connected-registry')], { createOptions: '{"User":"1"}' })
    assert.ok(Object.hasOwn(content, 'properties.desired.modules.connected-registry'), 'beside the whole module')
    assert.ok(Object.keys(content).every((name) => !name.includes('..')))
    await assert.rejects(
      made({ [key('worker')]: { image: '${registry.address}/other:v1' } }),
      (error: GeneratorError) => {
        const lines = readFileSync(path, 'utf8').split('\n')
        const [, line, column] = /:(\d+):(\d+): /.exec(error.message) ?? []
        return lines[Number(line) - 1]?.slice(Number(column) - 1).startsWith('"${registry.address}/other:v1"') === true
      }
    )
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

  it('refuses what is no object where it adds something, with its place, in place of losing it', async () => {
    const refused: readonly (readonly [path: string, value: unknown, message: string])[] = [
      ['runtime', 'x', 'runtime must be an object, and is a text'],
      ['runtime.settings', 5, 'settings must be an object, and is a number'],
      ['runtime.settings.registryCredentials', [1], 'registryCredentials must be an object, and is a list'],
      [
        'runtime.settings.registryCredentials',
        '${CREDENTIALS}',
        'registryCredentials must be an object, and is a text: write it out, with placeholders inside'
      ],
      ['modules', [], 'modules must be an object, and is a list'],
      ['modules.connected-registry', 'x', 'connected-registry must be an object, and is a text'],
      ['modules.connected-registry.env', ['A=1'], 'env must be an object, and is a list']
    ]
    for (const [at, value, message] of refused) {
      const changed = structuredClone(theirs)
      const keys = at.split('.')
      const last = keys.pop() ?? ''
      let holder: Record<string, unknown> = changed.content.modulesContent.$edgeAgent['properties.desired']
      for (const key of keys) holder = (holder[key] ??= {}) as Record<string, unknown>
      holder[last] = value
      await write(changed)
      const lines = (await readFile(path, 'utf8')).split('\n')
      const line = lines.findIndex((text) => text.includes(`"${last}": ${JSON.stringify(value).charAt(0)}`)) + 1
      await assert.rejects(generate(), (error: GeneratorError) => {
        assert.equal(error.code, 'TEMPLATE_INVALID')
        assert.ok(error.message.endsWith(`:${line}:${lines[line - 1]!.indexOf(': ') + 3}: ${message}`), error.message)
        return true
      })
    }
    const changed = structuredClone(theirs)
    Object.assign(changed.content.modulesContent, { 'connected-registry': ['mine'] })
    await write(changed)
    await assert.rejects(generate(), /:\d+:\d+: connected-registry must be an object, and is a list$/)
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
