import assert from 'node:assert/strict'
import { goodManifest } from '../../test/cases/deployment-manifests.ts'
import type { ManifestKind, ValidationFinding } from './finding.ts'
import { checkLayers } from './layers.ts'
import { examine, validateManifest } from './manifest.ts'
import { rules, type RuleCode, type Severity } from './rules.ts'

type Json = Readonly<Record<string, unknown>>

/** The good manifest with an RFC 7396 patch of its modulesContent. */
function good(patch: Json = {}): string {
  return JSON.stringify({ modulesContent: patched(goodManifest.modulesContent, patch) }, undefined, 2)
}

function patched(before: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result: Record<string, unknown> = isObject(before) ? { ...before } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name)
    else result[name] = patched(result[name], value)
  }
  return result
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The good manifest with a section that is there and empty. */
const empty = (section: string): string => {
  const { modulesContent } = goodManifest
  return JSON.stringify({ modulesContent: { ...modulesContent, [section]: {} } })
}
const agent = (desired: Json): Json => ({ $edgeAgent: { 'properties.desired': desired } })
const hub = (desired: Json): Json => ({ $edgeHub: { 'properties.desired': desired } })
const m = (module: Json): string => good(agent({ modules: { m: module } }))
const settings = (values: Json): string => m({ settings: values })
const route = (value: unknown): string => good(hub({ routes: { upstream: value } }))
const credential = (values: Json): string =>
  good(agent({ runtime: { settings: { registryCredentials: { cloud: values } } } }))
const layer = (content: Json, more: Json = {}): string =>
  JSON.stringify({ ...more, content: { modulesContent: content } })
const ofAgent = (path: string, value: unknown): string =>
  layer({ $edgeAgent: { [`properties.desired.${path}`]: value } })
const ofHub = (path: string, value: unknown): string => layer({ $edgeHub: { [`properties.desired.${path}`]: value } })
/** A layer that sets something of a module of its base. */
const inside = (path: string, value: unknown): string =>
  layer({ $edgeAgent: { [`properties.desired.modules.m.${path}`]: value } })
const layerModule = { type: 'docker', status: 'running', settings: { image: 'mcr.microsoft.com/a:1' } }
const named = (name: string): string => good(agent({ modules: { [name]: layerModule } }))
const template = (text: string): string => text.replace('{', '{"$schema-template":"4.0.0",')
const oneTwin = { m: { 'properties.desired': { a: 1 } } }
const proxy = (port: string, address: string, more: Json = {}): string =>
  good(
    agent({
      modules: {
        m: { startupOrder: 1 },
        IoTEdgeAPIProxy: {
          ...{ type: 'docker', status: 'running', startupOrder: 2 },
          settings: {
            image: 'mcr.microsoft.com/azureiotedge-api-proxy:1.1.27',
            createOptions: '{"HostConfig":{"PortBindings":{"8000/tcp":[{"HostPort":"8000"}]}}}'
          },
          env: { NGINX_DEFAULT_PORT: { value: port }, CONNECTED_ACR_ROUTE_ADDRESS: { value: address } },
          ...more
        }
      }
    })
  )
const modulesOf = (count: number, more: Json = {}): string =>
  good(
    agent({
      modules: Object.fromEntries(
        Array.from({ length: count - 1 }, (_, index) => [`m${index}`, { ...layerModule, ...more }])
      )
    })
  )

const layerOf = (count: number, more: Json = {}): string =>
  layer({
    $edgeAgent: Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`properties.desired.modules.m${index}`, { ...layerModule, ...more }])
    )
  })
const oneRoute = { $edgeHub: { 'properties.desired.routes.a': 'FROM /* INTO $upstream' } }

interface RuleCase {
  readonly fine: string
  readonly wrong: string
  /** Where the finding weighs less than its rule. */
  readonly severity?: Severity
  readonly file?: string
}

const cases: Readonly<Record<RuleCode, readonly RuleCase[]>> = {
  M001: [
    { fine: good(), wrong: `${good()},` },
    { fine: good(), wrong: `\uFEFF${good()}`, severity: 'warning' },
    {
      fine: good(),
      wrong: good().replace('"schemaVersion"', '"schemaVersion": "1.0", "schemaVersion"'),
      severity: 'warning'
    },
    { fine: good(), wrong: good().replace('7200', '${TTL}') }
  ],
  M002: [
    { fine: `{"content": ${good()}, "id": "x", "priority": 1}`, wrong: '{"modules": {}}' },
    { fine: good(), wrong: good().replace('modulesContent', 'moduleContent'), severity: 'warning' }
  ],
  M003: [
    { fine: good(), wrong: good({ $edgeHub: null }) },
    { fine: layer({ $edgeAgent: {}, a: { 'properties.desired': { x: 1 } } }), wrong: empty('$edgeHub') }
  ],
  M004: [
    { fine: good({ m: { 'properties.desired': {} } }), wrong: good({ m: { 'properties.reported': {} } }) },
    { fine: good({ m: { 'properties.desired': {} } }), wrong: good({ m: {} }), severity: 'info' },
    { fine: good(), wrong: good({ $edgeHub: { comment: {} } }), severity: 'warning' },
    { fine: good(), wrong: good({ $edgeHub: { 'properties.desired.routes.x': 'FROM /* INTO $upstream' } }) },
    {
      fine: layer({ m: { 'properties.desired.a': 1 } }),
      wrong: good({ m: { 'properties.desired.a': 1 } }),
      severity: 'warning'
    }
  ],
  M010: [
    { fine: good(agent({ schemaVersion: '1.0' })), wrong: good(agent({ schemaVersion: '1.1.1' })) },
    { fine: good(hub({ schemaVersion: '1.3' })), wrong: good(hub({ schemaVersion: '2.0' })) },
    { fine: good(), wrong: good(hub({ schemaVersion: null })) },
    { fine: good(), wrong: good(agent({ schemaVersion: 1.1 })), severity: 'warning' },
    { fine: good(), wrong: good(hub({ schemaVersion: 1.2 })), severity: 'warning' },
    { fine: good(), wrong: good(agent({ schemaVersion: 1 })) },
    { fine: good(), wrong: good(hub({ schemaVersion: 1 })) }
  ],
  M011: [{ fine: good(), wrong: good(agent({ runtime: { type: 'kubernetes' } })) }],
  M012: [{ fine: good(), wrong: good(agent({ systemModules: null })) }],
  M013: [
    { fine: m({ restartPolicy: 'never' }), wrong: m({ restartPolicy: 'unless-stopped' }) },
    { fine: m({ startupOrder: 3 }), wrong: m({ startupOrder: 'first' }) },
    { fine: m({ startupOrder: 3 }), wrong: m({ startupOrder: '3' }), severity: 'warning' },
    { fine: m({ startupOrder: 3 }), wrong: m({ startupOrder: '4294967296' }) },
    { fine: m({ version: '1' }), wrong: m({ version: 1 }), severity: 'warning' },
    { fine: m({ version: '1' }), wrong: m({ version: ['1'] }) },
    { fine: inside('status', 'Stopped'), wrong: inside('status', 'paused') },
    { fine: inside('startupOrder', 5), wrong: inside('startupOrder', -5) },
    { fine: inside('type', 'docker'), wrong: inside('type', 'podman') },
    { fine: inside('version', '1'), wrong: inside('version', {}) },
    { fine: ofAgent('modules', { a: layerModule }), wrong: ofAgent('modules', { a: { ...layerModule, status: 'x' } }) },
    { fine: good(agent({ systemModules: { edgeHub: { restartPolicy: null } } })), wrong: m({ status: null }) }
  ],
  M014: [
    { fine: good(), wrong: good(agent({ modules: { 'a+b': layerModule } })) },
    { fine: m({ env: { A_b: { value: '1' } } }), wrong: m({ env: { 'A#b': { value: '1' } } }) }
  ],
  M015: [
    { fine: m({ env: { Logging__Level: { value: 'x' } } }), wrong: m({ env: { 'Logging.Level': { value: 'x' } } }) },
    {
      fine: good({ m: { 'properties.desired': { n: 2 ** 52 - 1 } } }),
      wrong: good({ m: { 'properties.desired': { n: 2 ** 53 } } })
    },
    { fine: good({ m: { 'properties.desired': nested(9) } }), wrong: good({ m: { 'properties.desired': nested(10) } }) }
  ],
  M016: [
    { fine: named("a:b+c'"), wrong: named('a/b') },
    { fine: named('m'), wrong: named('m~') },
    { fine: named('e'), wrong: named('é') },
    { fine: named('m'.repeat(128)), wrong: named('m'.repeat(129)) },
    { fine: good({ m: { 'properties.desired': {} } }), wrong: good({ 'a&b': { 'properties.desired': {} } }) },
    { fine: template(good({ '${NAME}': { 'properties.desired': {} } })), wrong: template(named('a/b')) }
  ],
  M020: [
    { fine: route('FROM /messages/* INTO $upstream'), wrong: route('FROM /messages/* TO $upstream') },
    { fine: ofHub('routes', { a: 'FROM /* INTO $upstream' }), wrong: ofHub('routes', { a: 'garbage' }) },
    { fine: ofHub('routes.a.route', 'FROM /* INTO $upstream'), wrong: ofHub('routes.a.route', 'garbage') },
    { fine: ofHub('routes.a.timeToLiveSecs', 5), wrong: ofHub('routes.a', { timeToLiveSecs: 5 }) }
  ],
  M021: [
    {
      fine: route('FROM /* INTO BrokeredEndpoint("/modules/m/inputs/i")'),
      wrong: route('FROM /* INTO BrokeredEndpoint("/modules/n/inputs/i")')
    }
  ],
  M022: [
    {
      fine: route({ route: 'FROM /* INTO $upstream' }),
      wrong: good(hub({ schemaVersion: '1.0', routes: { r: { route: 'FROM /* INTO $upstream' } } }))
    }
  ],
  M023: [
    {
      fine: ofHub('routes.a.priority', 9),
      wrong: ofHub('routes.a.priority', 10)
    },
    {
      fine: route({ route: 'FROM /* INTO $upstream', priority: 9 }),
      wrong: route({ route: 'FROM /* INTO $upstream', priority: 10 })
    },
    {
      fine: route({ route: 'FROM /* INTO $upstream', priority: 2_000_000_000 }),
      wrong: route({ route: 'FROM /* INTO $upstream', priority: 1_000_000_000 })
    },
    {
      fine: route({ route: 'FROM /* INTO $upstream', priority: 1 }),
      wrong: route({ route: 'FROM /* INTO $upstream', priority: '1' }),
      severity: 'warning'
    }
  ],
  M024: [
    {
      fine: route({ route: 'FROM /* INTO $upstream', timeToLiveSecs: 0 }),
      wrong: route({ route: 'FROM /* INTO $upstream', timeToLiveSecs: -1 })
    },
    {
      fine: route({ route: 'FROM /* INTO $upstream', timeToLiveSecs: 60 }),
      wrong: route({ route: 'FROM /* INTO $upstream', timeToLiveSecs: ' 60' }),
      severity: 'warning'
    },
    {
      fine: route({ route: 'FROM /* INTO $upstream', timeToLiveSecs: 60 }),
      wrong: route({ route: 'FROM /* INTO $upstream', timeToLiveSecs: '' })
    }
  ],
  M025: [
    { fine: good(hub({ storeAndForwardConfiguration: {} })), wrong: good(hub({ storeAndForwardConfiguration: null })) },
    {
      fine: good(hub({ storeAndForwardConfiguration: { storeLimits: { maxSizeBytes: 1 } } })),
      wrong: good(hub({ storeAndForwardConfiguration: { storeLimits: { maxSizeBytes: '1 GB' } } }))
    },
    {
      fine: good(),
      wrong: good(hub({ storeAndForwardConfiguration: { storeLimits: { maxSizeBytes: '100' } } })),
      severity: 'warning'
    },
    { fine: good(), wrong: good(hub({ storeAndForwardConfiguration: { timeToLiveSecs: '-1' } })), severity: 'warning' }
  ],
  M026: [
    { fine: good(), wrong: good(hub({ schemaVersion: '1.2', mqttBroker: {} })) },
    { fine: ofHub('integrity', {}), wrong: ofHub('mqttBroker', {}) }
  ],
  M027: [{ fine: route('FROM /* WHERE a = 1 INTO $upstream'), wrong: route('FROM /* INTO $upstream WHERE a = 1') }],
  M028: [
    { fine: route('FROM /* WHERE is_null(a) INTO $upstream'), wrong: route('FROM /* WHERE is_nul(a) INTO $upstream') },
    {
      fine: route('FROM /* WHERE length(a) = 1 INTO $upstream'),
      wrong: route('FROM /* WHERE length() = 1 INTO $upstream')
    }
  ],
  M030: [
    { fine: settings({ image: 'localhost:5000/a/b:1' }), wrong: settings({ image: 'a:b:c' }) },
    { fine: inside('settings.image', 'a/b:1'), wrong: inside('settings.image', 'a:b:c') },
    { fine: inside('settings', { image: 'a/b:1' }), wrong: inside('settings', { image: 'a:b:c' }) },
    { fine: inside('settings.createOptions', '{}'), wrong: inside('settings', { createOptions: '{}' }) },
    { fine: settings({ image: '$upstream:443/a:1' }), wrong: settings({ image: '$REGISTRY/a:1' }) }
  ],
  M031: [
    {
      fine: settings({ image: `mcr.microsoft.com/a@sha256:${'0'.repeat(64)}` }),
      wrong: settings({ image: `mcr.microsoft.com/a:1@sha256:${'0'.repeat(64)}` })
    }
  ],
  M032: [
    { fine: settings({ image: '$upstream:8000/a:1' }), wrong: settings({ image: '$upstream/a:1' }) },
    { fine: credential({ address: '$upstream:8000' }), wrong: credential({ address: '$upstream' }) }
  ],
  M033: [
    { fine: good(), wrong: settings({ image: 'other.azurecr.io/a:1' }) },
    { fine: settings({ image: '#{name}#.azurecr.io/a:1' }), wrong: settings({ image: 'other.azurecr.io/a:#{tag}#' }) },
    { fine: credential({ address: '#{registry}#' }), wrong: credential({ address: 'other.azurecr.io' }) },
    {
      fine: settings({ image: 'docker.io/library/redis:7' }),
      wrong: settings({ image: 'mycontainerregistry001.azurecr.io:443/a:1' })
    }
  ],
  M034: [{ fine: good(), wrong: credential({ address: 'https://mycontainerregistry001.azurecr.io' }) }],
  M035: [
    { fine: good(), wrong: credential({ password: ' ' }) },
    { fine: good(), wrong: credential({ username: null }) },
    {
      fine: ofAgent('runtime.settings.registryCredentials.a.password', 'p'),
      wrong: ofAgent('runtime.settings.registryCredentials.a.password', ' ')
    },
    { fine: good(), wrong: credential({ username: 1 }), severity: 'warning' },
    { fine: good(), wrong: credential({ username: { a: 1 } }) }
  ],
  M036: (
    [
      ['mcr.microsoft.com/a:1', 'https://mcr.microsoft.com/a:1'],
      ['mcr.microsoft.com/sample/module:1.0', 'mcr.microsoft.com/SampleModule:1.0'],
      ['MCR.microsoft.com/a__b/c.d/e--f:1.0-RC_1', 'mcr.microsoft.com/my module:1.0'],
      [`mcr.microsoft.com/a@sha256:${'0'.repeat(64)}`, 'mcr.microsoft.com/a@'],
      ['mcr.microsoft.com/a@sha256:<DIGEST>', 'mcr.microsoft.com/a@sha256:abc'],
      ['127.0.0.1:5000/a', 'mcr.microsoft.com/a:1.0 beta'],
      ['$upstream:8000/a/b:1', '$upstream:8000/A/b:1'],
      ['localhost:5000/a:1', 'my_registry:5000/a:1'],
      ['redis', 'mcr.microsoft.com//a:1'],
      ['library/redis:7', 'mcr.microsoft.com/-a:1'],
      ['<REGISTRY>.azurecr.io/<REPOSITORY>:<TAG>', `mcr.microsoft.com/a:${'1'.repeat(129)}`],
      // These are placeholders: M050.
      ['#{registry}#/a:#{tag}#', 'mcr.microsoft.com/a:#1'],
      ['x.azurecr.io/A:${TAG}', 'x.azurecr.io/a:+1']
    ] as const
  ).map(([fine, wrong]) => ({ fine: settings({ image: fine }), wrong: settings({ image: wrong }) })),
  M040: [
    { fine: settings({ createOptions: 'null' }), wrong: settings({ createOptions: 'not json' }) },
    { fine: inside('settings.createOptions', '{"Env":[]}'), wrong: inside('settings.createOptions', 'not json') },
    {
      fine: layer({
        $edgeAgent: {
          'properties.desired.modules.m.settings.createOptions01': '[]}',
          'properties.desired.modules.m.settings.createOptions': '{"Env":'
        }
      }),
      wrong: inside('settings.createOptions', '{"Env":')
    },
    // The first piece is in the base.
    {
      fine: inside('settings.createOptions01', '[]}'),
      wrong: inside('settings', { image: 'a:1', createOptions: '[' })
    },
    {
      fine: settings({ createOptions: '{"a": 1}' }),
      wrong: settings({ createOptions: "{'a': 1}" }),
      severity: 'warning'
    },
    {
      fine: settings({ createOptions: '{"a": []}' }),
      wrong: settings({ createOptions: '{a: [1,],}' }),
      severity: 'warning'
    }
  ],
  M041: [
    {
      fine: settings({ createOptions: '{', createOptions01: '}' }),
      wrong: settings({ createOptions: '{', createOptions02: '}' })
    },
    {
      fine: settings({ createOptions: '{', CreateOptions01: '}' }),
      wrong: settings({ createOptions: '{}', createOptions_old: '{}' })
    }
  ],
  M042: [
    {
      fine: m({ env: { A: { value: 'x'.repeat(4096) } } }),
      wrong: m({ env: { A: { value: 'x'.repeat(4097) } } })
    },
    { fine: m({ env: { A: { value: 'x'.repeat(4096) } } }), wrong: m({ env: { A: { value: 'é'.repeat(2049) } } }) }
  ],
  M043: [
    { fine: modulesOf(20), wrong: modulesOf(20, { env: { A: { value: 'x'.repeat(2000) } } }) },
    { fine: modulesOf(20), wrong: modulesOf(40, { env: { A: { value: 'x'.repeat(500) } } }), severity: 'warning' },
    { fine: layerOf(20), wrong: layerOf(20, { env: { A: { value: 'x'.repeat(2000) } } }) },
    {
      fine: layer({ a: { 'properties.desired.x': 'x'.repeat(4000) } }),
      wrong: layer({
        a: Object.fromEntries(
          Array.from({ length: 9 }, (_, index) => [`properties.desired.deep.x${index}`, 'x'.repeat(4000)])
        )
      })
    }
  ],
  M044: [
    {
      fine: settings({ createOptions: '{"HostConfig":{"Binds":["/a:/b"]}}' }),
      wrong: settings({ createOptions: '{"HostConfig":{"Binds":[["/a:/b"]]}}' })
    },
    ...(
      [
        [
          '{"HostConfig":{"PortBindings":{"80/tcp":[{}],"81/tcp":null}}}',
          '{"HostConfig":{"PortBindings":{"80/tcp":["80"]}}}'
        ],
        ['{"HostConfig":""}', '{"HostConfig":" "}'],
        ['{"HostConfig":{"Binds":"","PortBindings":{"80/tcp":""}}}', '{"HostConfig":{"Binds":"/a:/b"}}'],
        ['{"ExposedPorts":{"80/tcp":{}}}', '{"ExposedPorts":{"80/tcp":""}}'],
        ['{"HostConfig":{"privileged":"True"}}', '{"HostConfig":{"privileged":"yes"}}'],
        ['{"HostConfig":{"Privileged":1}}', '{"HostConfig":{"Privileged":{}}}'],
        ['{"HostConfig":{"Privileged":"<PRIVILEGED>"}}', '{"HostConfig":{"Privileged":"on"}}'],
        ['{"NetworkingConfig":{"EndpointsConfig":{"n":{}}}}', '{"NetworkingConfig":{"EndpointsConfig":["n"]}}'],
        [
          '{"NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":["a"]}}}}',
          '{"NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":"a"}}}}'
        ]
      ] as const
    ).map(([fine, wrong]) => ({ fine: settings({ createOptions: fine }), wrong: settings({ createOptions: wrong }) })),
    { fine: settings({ createOptions: '{"Env":["A=1"]}' }), wrong: settings({ createOptions: '{"Env":{"A":"1"}}' }) }
  ],
  M045: [{ fine: settings({ createOptions: '{}' }), wrong: settings({ createOptions: {} }) }],
  M046: [
    { fine: modulesOf(50), wrong: modulesOf(51) },
    { fine: layerOf(50), wrong: layerOf(51) }
  ],
  M050: [
    { fine: m({ env: { A: { value: '$IOTEDGE_PARENTHOSTNAME' } } }), wrong: m({ env: { A: { value: '${REGION}' } } }) },
    { fine: good(), wrong: credential({ password: '$CONTAINER_REGISTRY_PASSWORD' }) },
    ...[
      '#{registry}#/a:#{tag}#',
      '{{ registry }}/a:{{tag}}',
      '__registry__/a:1',
      'x.azurecr.io/a:$(Build.BuildId)'
    ].map((image) => ({ fine: settings({ image: 'x.azurecr.io/a__b:1__2' }), wrong: settings({ image }) })),
    { fine: credential({ password: 'a{{b}}c' }), wrong: credential({ password: '#{ACR_PASSWORD}#' }) },
    { fine: m({ env: { A: { value: '{{ .Name }}' } } }), wrong: credential({ address: '{{registry}}' }) },
    { fine: good(), wrong: credential({ password: '${secret:crimagepulltoken/password1}' }), severity: 'info' }
  ],
  M051: [{ fine: route('FROM /* INTO $upstream'), wrong: route('FROM /* INTO myhub.azure-devices.net') }],
  M052: [
    {
      fine: credential({ password: '$CONTAINER_REGISTRY_PASSWORD' }),
      wrong: credential({ password: 'hunter2hunter2' }),
      file: 'deployment.template.json'
    }
  ],
  M053: [
    { fine: good(), wrong: m({ env: { A: { value: '<REPLACE_WITH_NAME>' } } }) },
    {
      fine: route('FROM /* WHERE x < a AND b > c INTO $upstream'),
      wrong: route('FROM /messages/modules/< FROM_MODULE >/* INTO $upstream')
    }
  ],
  M060: [],
  M061: [],
  M062: [
    {
      fine: layer({ $edgeAgent: { 'properties.desired.modules.a': layerModule } }),
      wrong: layer({ $edgeAgent: { 'properties.desired.systemModules.edgeHub': layerModule } })
    },
    {
      fine: layer({ $edgeHub: { 'properties.desired.routes.a': 'FROM /* INTO $upstream' } }),
      wrong: layer({ $edgeHub: { 'properties.desired.schemaVersion': '1.1' } })
    },
    {
      fine: layer({ ...oneRoute, a: { 'properties.desired': {} } }),
      wrong: layer({
        $edgeAgent: { 'properties.desired.modules.a': layerModule },
        $edgeHub: goodManifest.modulesContent['$edgeHub']
      })
    }
  ],
  M063: [
    { fine: layer(oneTwin, { priority: 0 }), wrong: layer(oneTwin, { priority: -3 }) },
    { fine: layer(oneTwin, { priority: null }), wrong: layer(oneTwin, { priority: 1.5 }) },
    { fine: layer(oneTwin), wrong: layer(oneTwin, { priority: 'high' }) },
    { fine: layer(oneTwin), wrong: layer(oneTwin, { priority: '7' }), severity: 'warning' }
  ],
  M064: [
    { fine: ofAgent('modules.a', layerModule), wrong: ofAgent('module.a', layerModule) },
    { fine: inside('settings.createOptions02', '{}'), wrong: inside('settings.createOption', '{}') },
    { fine: inside('env.LEVEL', { value: 'debug' }), wrong: inside('environment.LEVEL', { value: 'debug' }) },
    {
      fine: ofAgent('runtime.settings.registryCredentials.a.username', 'u'),
      wrong: ofAgent('runtime.settings.registryCredentials.a.user', 'u')
    },
    { fine: ofHub('routes.a', 'FROM /* INTO $upstream'), wrong: ofHub('route.a', 'FROM /* INTO $upstream') },
    { fine: ofHub('routes.a.priority', 1), wrong: ofHub('routes.a.order', 1) },
    { fine: layer({ a: { 'properties.desired.anything.at.all': 1 } }), wrong: ofHub('', {}) }
  ],
  M070: [{ fine: good({ m: { 'properties.desired': {} } }), wrong: good({ M: { 'properties.desired': {} } }) }],
  M080: [
    { fine: m({ env: { A: {} } }), wrong: m({ env: { _comment: 'text' } }) },
    { fine: good(), wrong: good(agent({ modules: { _comment: 'text' } })) },
    { fine: good(), wrong: good({ m: { 'properties.desired': 'text' } }) },
    { fine: inside('env.A', { value: '1' }), wrong: inside('env.A', 'text') },
    { fine: inside('env', { A: {} }), wrong: inside('env', { A: 'text' }) },
    { fine: inside('env.A.value', 'x'), wrong: inside('env.A.value', []) },
    { fine: ofAgent('modules', {}), wrong: ofAgent('modules', { a: layerModule, b: 'text' }) }
  ],
  M090: [
    {
      fine: settings({ image: 'mcr.microsoft.com/a:1-amd64' }),
      wrong: settings({ image: 'mcr.microsoft.com/a:1-amd64.debug' })
    },
    {
      fine: settings({ image: 'mcr.microsoft.com/a:debugger' }),
      wrong: settings({ image: 'mcr.microsoft.com/a:1-debug' })
    }
  ],
  M091: [
    { fine: good(), wrong: settings({ image: 'mcr.microsoft.com/a' }) },
    { fine: good(), wrong: settings({ image: 'mcr.microsoft.com/a:latest' }) }
  ],
  M092: [
    {
      fine: JSON.stringify(withLogs(JSON.parse(good()))),
      wrong: good()
    }
  ],
  M093: [
    { fine: proxy('8000', 'm:8080'), wrong: proxy('443', 'm:8080') },
    { fine: proxy('8000', '<REGISTRY>:8080'), wrong: proxy('8000', 'registry:8080') }
  ],
  M094: [],
  M095: [{ fine: proxy('8000', 'm:8080'), wrong: proxy('8000', 'm:8080', { startupOrder: 0 }) }],
  M097: []
}

function nested(levels: number): Json {
  return levels === 0 ? {} : { a: nested(levels - 1) }
}

/** Every module with log rotation. */
function withLogs(value: unknown): unknown {
  if (!isObject(value)) return value
  const changed = Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withLogs(entry)]))
  return 'image' in changed ? { ...changed, createOptions: '{"HostConfig":{"LogConfig":{}}}' } : changed
}

describe('the rules of validate', () => {
  for (const [code, list] of Object.entries(cases))
    for (const [index, { fine, wrong, severity, file = 'deployment.json' }] of list.entries())
      it(`${code} is found where it is due, and nowhere else (${index + 1})`, () => {
        const of = (text: string): ValidationFinding[] =>
          validateManifest(text, file).findings.filter((finding) => finding.code === code)
        assert.deepEqual(of(fine), [])
        const [first] = of(wrong)
        assert.equal(first?.severity, severity ?? rules[code as RuleCode].severity)
        assert.ok(!JSON.stringify(of(wrong)).includes('hunter2'))
      })

  it('are each explained', () => {
    for (const [code, { title, why, whatToDo, facts }] of Object.entries(rules)) {
      assert.match(code, /^M0\d\d$/)
      for (const text of [title, why, whatToDo, facts]) assert.ok(text.length > 1, code)
    }
  })
})

describe('kinds of deployment manifests', () => {
  for (const [what, text, file, kind] of [
    ['a whole deployment', good(), 'deployment.json', 'deployment'],
    ['one from stdin', good(), '-', 'deployment'],
    ['a layer', layer({ $edgeAgent: { 'properties.desired.modules.a': layerModule } }), 'a.json', 'layered'],
    ['a layer of one twin only', layer({ m: { 'properties.desired': { a: 1 } } }), 'a.json', 'layered'],
    [
      'a layer beside an empty section',
      layer({ $edgeAgent: {}, m: { 'properties.desired': {} } }),
      'a.json',
      'layered'
    ],
    ['a template by its name', good(), 'x/deployment.debug.Template.json', 'template'],
    ['a template by its name, a platform behind it', good(), 'deployment.template.arm32v7.json', 'template'],
    ['a folder that is called one', good(), 'x.template.d/deployment.json', 'deployment'],
    ['a template by its version', good().replace('{', '{"$schema-template": "2.0.0",'), 'a.json', 'template'],
    ['a template by its modules', settings({ image: '${MODULES.m.amd64}' }), 'a.json', 'template']
  ] as const satisfies readonly (readonly [string, string, string, ManifestKind])[])
    it(`${what} is told as ${kind}, without an error`, () => {
      const report = validateManifest(text, file)
      assert.equal(report.kind, kind)
      assert.ok(report.ok, JSON.stringify(report.findings))
    })
})

describe('templates', () => {
  const template = (text: string): string[] =>
    validateManifest(text.replace('"password": "p"', '"password": "$P"'), 'deployment.template.json')
      .findings.filter(({ severity }) => severity !== 'info')
      .map(({ code }) => code)

  for (const [what, text] of [
    ['images by placeholder', settings({ image: '${MODULES.Filter.amd64}' })],
    ['images with the marks of other tools', settings({ image: '#{registry}#/a:#{tag}#' })],
    ['images behind a variable', settings({ image: '$CONTAINER_REGISTRY/a:${TAG}' })],
    ['credentials by variable', credential({ address: '${REGISTRY}', username: '$USER', password: '$PASSWORD' })],
    ['an unquoted number', good().replace('7200', '${TTL}')],
    ['createOptions that are an object', settings({ createOptions: { Labels: { 'a.b': 'x'.repeat(5000) } } })],
    [
      'createOptions with a variable in the text',
      settings({ createOptions: '{"HostConfig":{"Memory":$MEMORY,"Binds":["${X}:/x"]}}' })
    ],
    ['a flag from a variable', settings({ createOptions: '{"HostConfig":{"Privileged":"${P}","Memory":$M}}' })],
    ['createOptions from a variable', settings({ createOptions: '${CREATE_OPTIONS}' })],
    ['a long text of createOptions', settings({ createOptions: JSON.stringify({ Labels: { a: 'x'.repeat(5000) } }) })],
    ['a route with a variable', route('FROM /messages/modules/$MODULE/* INTO $upstream')],
    ['a schema version by variable', good(agent({ schemaVersion: '${SCHEMA}' }))],
    ['names by variable', good(agent({ modules: { '${MODULE}': layerModule } }))],
    ['settings that come whole', good({ m: { 'properties.desired': '${settings}' } })]
  ] as const)
    it(`may have ${what}`, () => {
      assert.deepEqual(template(text), [])
    })

  for (const [what, text, code] of [
    ['comments among environment variables', m({ env: { _comment_X: 'text' } }), 'M080'],
    ['$upstream without a port', settings({ image: '$upstream/${IMAGE}' }), 'M032'],
    ['a route that does not parse', route('FROM /messages/* INTO $upstrem'), 'M020'],
    ['a route whose own words look like variables', route('FROM /* WHERE $body.x = INTO $upstream'), 'M020'],
    ['createOptions that no variable mends', settings({ createOptions: '{' }), 'M040'],
    ['an unknown status', m({ status: 'paused' }), 'M013']
  ] as const)
    it(`may not have ${what}`, () => {
      assert.deepEqual(template(text), [code])
    })
})

describe('layers beside their base', () => {
  const layered = { $edgeAgent: { 'properties.desired.modules.a': layerModule } }
  const other = { $edgeAgent: { 'properties.desired.modules.b': layerModule } }
  const base = (priority: number, targetCondition = '*'): string =>
    JSON.stringify({ priority, targetCondition, content: JSON.parse(good()) as unknown })
  const codes = (...texts: string[]): string[] => {
    const examined = texts.map((text, index) => examine(text, `${index}.json`))
    checkLayers(examined.map(({ deployment }) => deployment))
    return examined
      .flatMap((each) => each.toReport().findings.filter(({ severity }) => severity !== 'info'))
      .map(({ code }) => code)
  }
  const at = (priority: number | string, content: Json = layered, targetCondition = '*'): string =>
    layer(content, { priority, targetCondition })
  const severities = (...texts: string[]): (Severity | undefined)[] => {
    const examined = texts.map((text, index) => examine(text, `${index}.json`))
    checkLayers(examined.map(({ deployment }) => deployment))
    return examined.map((each) => each.toReport().findings.find(({ code }) => /^M06[01]$/.test(code))?.severity)
  }

  it('need a higher priority', () => {
    assert.deepEqual(codes(base(5), at(6)), [])
    assert.deepEqual(codes(base(5), at(5)), ['M060'])
    assert.deepEqual(codes(base(5), at(4)), ['M060'])
    assert.deepEqual(codes(base(5), at(5, layered, "tags.site='a'")), [], 'other devices')
    assert.deepEqual(codes(base(5, ''), at(5, layered, '')), [], 'no devices')
    assert.deepEqual(codes(base(5), at('4')), ['M060', 'M063'], 'a number in quotes is one')
    assert.deepEqual(severities(base(5), at(5)), [undefined, 'error'])
    const { targetCondition, ...anywhere } = JSON.parse(base(5)) as Json
    assert.equal(targetCondition, '*')
    assert.deepEqual(severities(JSON.stringify(anywhere), layer(layered, { priority: 5 })), [undefined, 'warning'])
  })

  it('need different ones where they set the same', () => {
    assert.deepEqual(codes(at(6), at(7)), [])
    assert.deepEqual(codes(at(6), at(6, other)), [])
    assert.deepEqual(codes(at(6), at(6)), ['M061'])
    assert.deepEqual(severities(at(6), at(6)), [undefined, 'error'])
    assert.deepEqual(severities(...[1, 2].map(() => layer(layered, { priority: 6 }))), [undefined, 'warning'])
    const within = (path: string): Json => ({
      $edgeAgent: { [`properties.desired.modules.a.${path}`]: { value: '1' } }
    })
    assert.deepEqual(codes(at(6), at(6, within('env.A'))), ['M061'], 'one within the other')
    assert.deepEqual(codes(at(6, within('env.A')), at(6, within('env.B'))), [], 'side by side')
  })

  it('are looked at as what they come to together', () => {
    const many = (from: number, count: number, more: Json = {}): Json => ({
      $edgeAgent: Object.fromEntries(
        Array.from({ length: count }, (_, index) => [
          `properties.desired.modules.x${from + index}`,
          { ...layerModule, ...more }
        ])
      )
    })
    assert.deepEqual(codes(base(5), at(6, many(0, 25)), at(7, many(25, 24))), [])
    assert.deepEqual(codes(base(5), at(6, many(0, 25)), at(7, many(25, 25))), ['M046'])
    const large = { env: { A: { value: 'x'.repeat(2000) } } }
    assert.deepEqual(codes(base(5), at(6, many(0, 7, large)), at(7, many(0, 7, large))), [], 'the same modules')
    assert.deepEqual(codes(base(5), at(6, many(0, 7, large)), at(7, many(7, 9, large))), ['M043'])
    assert.deepEqual(codes(base(5), at(6, many(0, 7, large)), at(7, many(7, 9, large), "tags.site='a'")), [])
    const to = (module: string): Json => ({
      $edgeHub: { 'properties.desired.routes.r': `FROM /* INTO BrokeredEndpoint("/modules/${module}/inputs/i")` }
    })
    assert.deepEqual(codes(base(5), at(6, to('m')), at(7)), [])
    assert.deepEqual(codes(base(5), at(6, to('a')), at(7)), [])
    assert.deepEqual(codes(base(5), at(6, to('n')), at(7)), ['M021'])
    assert.deepEqual(codes(at(6, to('n'))), [], 'its base may have it')
  })
})
