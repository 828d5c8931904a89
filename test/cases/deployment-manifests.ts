/**
 * Which deployment manifests a device takes and which it refuses, each row with the fact it stands on. The simulator's
 * edgeAgent and edgeHub and the generator's `validate` are two readings of these rules; this table judges both.
 */
export interface DeploymentManifestCase {
  readonly name: string
  /** Where the rule is written down: a section of deployment-manifests.md unless another file is named. */
  readonly fact: string
  /** Whose desired properties the row is about: the code is reported in that twin. */
  readonly section: '$edgeAgent' | '$edgeHub'
  /** What differs from {@link goodManifest} in that section's desired properties, as a merge patch (RFC 7396). */
  readonly fragment: Readonly<Record<string, unknown>>
  readonly accepted: boolean
  /** `not compiled`: the twin says 200, and edgeHub applies nothing of it (Evaluator.cs). */
  readonly status: 200 | 400 | 412 | 417 | 'not compiled'
}

type Section = Readonly<Record<string, unknown>>

/** A small manifest that every device takes. */
export const goodManifest: { readonly modulesContent: Readonly<Record<string, { 'properties.desired': Section }>> } = {
  modulesContent: {
    $edgeAgent: {
      'properties.desired': {
        schemaVersion: '1.1',
        runtime: {
          type: 'docker',
          settings: {
            minDockerVersion: 'v1.25',
            registryCredentials: {
              cloud: { address: 'mycontainerregistry001.azurecr.io', username: 'crimagepulltoken', password: 'p' }
            }
          }
        },
        systemModules: {
          edgeAgent: {
            type: 'docker',
            settings: { image: 'mycontainerregistry001.azurecr.io/azureiotedge-agent:1.6.1' }
          },
          edgeHub: {
            type: 'docker',
            status: 'running',
            restartPolicy: 'always',
            settings: { image: 'mycontainerregistry001.azurecr.io/azureiotedge-hub:1.6.1' }
          }
        },
        modules: {
          m: {
            type: 'docker',
            status: 'running',
            restartPolicy: 'always',
            version: '1.0',
            settings: { image: 'mycontainerregistry001.azurecr.io/hello-world:1.0', createOptions: '{}' }
          }
        }
      }
    },
    $edgeHub: {
      'properties.desired': {
        schemaVersion: '1.1',
        routes: { upstream: 'FROM /messages/* INTO $upstream' },
        storeAndForwardConfiguration: { timeToLiveSecs: 7200 }
      }
    }
  }
}

/** The whole deployment manifest of a row. */
export function manifestOf(row: DeploymentManifestCase): typeof goodManifest {
  const section = goodManifest.modulesContent[row.section]?.['properties.desired'] ?? {}
  return {
    modulesContent: {
      ...goodManifest.modulesContent,
      [row.section]: { 'properties.desired': patched(section, row.fragment) as Section }
    }
  }
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

function isObject(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Row = readonly [name: string, fragment: Section, status: DeploymentManifestCase['status'], fact?: string]

function rows(
  section: DeploymentManifestCase['section'],
  fact: string,
  list: readonly Row[]
): DeploymentManifestCase[] {
  return list.map(([name, fragment, status, own = fact]) => ({
    name,
    fact: own,
    section,
    fragment,
    accepted: status === 200,
    status
  }))
}

const module = (m: Section): Section => ({ modules: { m } })
const settings = (values: Section): Section => module({ settings: values })
const credentials = (cloud: unknown): Section => ({ runtime: { settings: { registryCredentials: { cloud } } } })
const image = (text: string): Section => settings({ image: text })
const route = (text: unknown): Section => ({ routes: { upstream: text } })

const schemaVersions = rows('$edgeAgent', '§1.2 schemaVersion', [
  ['the manifest itself', {}, 200],
  ['schemaVersion 1.0', { schemaVersion: '1.0' }, 200],
  ['schemaVersion 1.1.0', { schemaVersion: '1.1.0' }, 200],
  ['schemaVersion 1.1.1', { schemaVersion: '1.1.1' }, 412],
  ['schemaVersion 1.2', { schemaVersion: '1.2' }, 412],
  ['schemaVersion 2.0', { schemaVersion: '2.0' }, 412],
  ['schemaVersion 9.0', { schemaVersion: '9.0' }, 412, '§1.8'],
  ['schemaVersion 91.1x', { schemaVersion: '91.1x' }, 412, '§1.8'],
  ['schemaVersion 1', { schemaVersion: '1' }, 412],
  ['a schemaVersion that is a number', { schemaVersion: 1.1 }, 200, '§1.2 DeploymentConfig.cs, read by Newtonsoft'],
  ['schemaVersion 1.2 as a number', { schemaVersion: 1.2 }, 412],
  ['no schemaVersion', { schemaVersion: null }, 400],
  ['nothing at all', { schemaVersion: null, runtime: null, systemModules: null, modules: null }, 417]
])

const runtime = rows('$edgeAgent', '§1.2 runtime', [
  ['another runtime than docker', { runtime: { type: 'podman' } }, 400],
  ['no runtime', { runtime: null }, 400],
  ['no credentials', { runtime: { settings: { registryCredentials: null } } }, 200],
  ['a blank password', credentials({ password: ' ' }), 400],
  ['a blank username', credentials({ username: '' }), 400],
  ['a username that is a number', credentials({ username: 5 }), 200, '§1.2 RegistryCredentials.cs, read by Newtonsoft'],
  ['a username that is a list', credentials({ username: ['u'] }), 400],
  ['no address', credentials({ address: null }), 400],
  ['a credential for $upstream with a port', credentials({ address: '$upstream:8000' }), 200],
  ['a credential for $upstream without a port', credentials({ address: '$upstream' }), 400, 'connected-registry.md §8'],
  [
    'a credential with a scheme (it only matches nothing)',
    credentials({ address: 'https://x.azurecr.io' }),
    200,
    '§0.7'
  ],
  ['a string where a credential belongs', credentials('comment'), 400]
])

const systemModules = rows('$edgeAgent', '§1.2 systemModules', [
  ['a version on edgeAgent', { systemModules: { edgeAgent: { version: '1.0' } } }, 200],
  ['edgeHub without restartPolicy', { systemModules: { edgeHub: { restartPolicy: null } } }, 200],
  ['edgeHub without status', { systemModules: { edgeHub: { status: null } } }, 400],
  ['edgeHub with a startupOrder', { systemModules: { edgeHub: { startupOrder: 1 } } }, 200],
  ['edgeAgent without an image', { systemModules: { edgeAgent: { settings: { image: null } } } }, 400],
  ['no systemModules', { systemModules: null }, 400]
])

const modules = rows('$edgeAgent', '§1.2 modules', [
  ['no modules', { modules: null }, 200],
  ['a stopped module', module({ status: 'stopped' }), 200],
  ['an unknown status', module({ status: 'paused' }), 400],
  ['no status', module({ status: null }), 400],
  ['no type', module({ type: null }), 400],
  ['no settings', module({ settings: null }), 400],
  ['restartPolicy in another case', module({ restartPolicy: 'Always' }), 200],
  ['restartPolicy on-unhealthy', module({ restartPolicy: 'on-unhealthy' }), 200],
  ['restartPolicy unless-stopped', module({ restartPolicy: 'unless-stopped' }), 400],
  ['imagePullPolicy never', module({ imagePullPolicy: 'never' }), 200],
  ['imagePullPolicy always', module({ imagePullPolicy: 'always' }), 400],
  ['the greatest startupOrder', module({ startupOrder: 4_294_967_295 }), 200],
  ['a startupOrder beyond uint32', module({ startupOrder: 4_294_967_296 }), 400],
  ['a negative startupOrder', module({ startupOrder: -1 }), 400],
  ['a fractional startupOrder', module({ startupOrder: 1.5 }), 400],
  ['a version that is a number', module({ version: 1 }), 200, '§1.2 DockerModule.cs, read by Newtonsoft'],
  ['a version that is an object', module({ version: {} }), 400],
  ['a startupOrder in quotes', module({ startupOrder: '3' }), 200, '§1.2 DockerModule.cs, read by Newtonsoft'],
  ['a startupOrder in words', module({ startupOrder: 'first' }), 400],
  ['a blank startupOrder', module({ startupOrder: '' }), 400],
  ['a startupOrder in quotes beyond uint32', module({ startupOrder: '4294967296' }), 400],
  ['an environment variable', module({ env: { A: { value: 'b' } } }), 200],
  ['an environment variable that is a number', module({ env: { A: { value: 0 } } }), 200],
  ['an environment variable without a value', module({ env: { A: {} } }), 200],
  ['a string where an environment variable belongs', module({ env: { _comment: 'text' } }), 400],
  ['a string where a module belongs', { modules: { m: 'text' } }, 400],
  ['the configuration that az exports', module({ configuration: { id: 'x' } }), 200, '§1.8'],
  ['settings.digest and integrity', { ...settings({ digest: 'sha256:00' }), integrity: {} }, 200, '§1.8']
])

const images = rows('$edgeAgent', '§1.2 settings.image', [
  ['an image without a tag', image('mycontainerregistry001.azurecr.io/a/b'), 200],
  ['an image by digest', image(`mcr.microsoft.com/a@sha256:${'0'.repeat(64)}`), 200, '§0.8'],
  ['a tag and a digest', image(`mcr.microsoft.com/a:1@sha256:${'0'.repeat(64)}`), 400, '§0.8'],
  ['an image with blanks around it', image('  mcr.microsoft.com/a:1 '), 200],
  ['a blank image', image('  '), 400],
  ['an image of colons', image('UPPER//:::x'), 400, '§1.8'],
  ['an image that ends in a slash', image('mcr.microsoft.com/a/'), 400],
  ['an image from a port on loopback', image('127.0.0.1:8080/hello-world:1.0'), 200],
  ['an image from the parent', image('$upstream:8000/hello-world:1.0'), 200],
  ['an image from the parent without a port', image('$upstream/hello-world:1.0'), 400, 'connected-registry.md §8'],
  ['an image from the parent at port 0', image('$upstream:0/hello-world:1.0'), 400],
  ['an image that starts with another variable', image('$parent:8000/hello-world:1.0'), 400]
])

const createOptions = rows('$edgeAgent', '§1.2 settings.createOptions', [
  ['no createOptions', settings({ createOptions: null }), 200],
  ['empty createOptions', settings({ createOptions: '' }), 200],
  ['createOptions "null"', settings({ createOptions: 'null' }), 200],
  ['createOptions that are not JSON', settings({ createOptions: 'not json' }), 400, '§1.8'],
  [
    'createOptions with single quotes',
    settings({ createOptions: "{'Labels': {'a': 'b \"c\"'}}" }),
    200,
    '§1.2 DockerConfig.cs'
  ],
  [
    'createOptions with a key without quotes',
    settings({ createOptions: '{HostConfig:{}}' }),
    200,
    '§1.2 DockerConfig.cs'
  ],
  [
    'createOptions with a comma too many',
    settings({ createOptions: '{"Env":["A=1",],}' }),
    200,
    '§1.2 DockerConfig.cs'
  ],
  [
    'createOptions with comments and a broken line',
    settings({ createOptions: '{/* a */"Labels":{"a":"b\nc"}// d\n}' }),
    200,
    '§1.2 DockerConfig.cs'
  ],
  ['createOptions with more behind them', settings({ createOptions: '{} {}' }), 400, '§1.2 DockerConfig.cs'],
  ['createOptions without a colon', settings({ createOptions: '{"Labels" {}}' }), 400, '§1.2 DockerConfig.cs'],
  ['createOptions that end too soon', settings({ createOptions: '{"Labels":{' }), 400, '§1.2 DockerConfig.cs'],
  [
    'createOptions that are an object (edgeAgent makes a text of it)',
    settings({ createOptions: { HostConfig: {} } }),
    200,
    '§1.2 DockerConfig.cs'
  ],
  ['createOptions that are a list', settings({ createOptions: '[]' }), 400],
  ['createOptions that are a number', settings({ createOptions: 1 }), 400],
  [
    'PortBindings without lists',
    settings({ createOptions: '{"HostConfig":{"PortBindings":{"80/tcp":{"HostPort":"80"}}}}' }),
    400,
    '§1.2 HostConfig.cs'
  ],
  [
    'PortBindings of texts',
    settings({ createOptions: '{"HostConfig":{"PortBindings":{"80/tcp":["80"]}}}' }),
    400,
    '§1.2 HostConfig.cs'
  ],
  [
    'PortBindings without any',
    settings({ createOptions: '{"HostConfig":{"PortBindings":{"80/tcp":null,"81/tcp":"","82/tcp":[{}]}}}' }),
    200,
    '§1.2 HostConfig.cs'
  ],
  [
    'a blank HostConfig, which is none',
    settings({ createOptions: '{"HostConfig":"","NetworkingConfig":"","Env":""}' }),
    200,
    '§1.2 HostConfig.cs, read by Newtonsoft'
  ],
  [
    'a HostConfig of a blank',
    settings({ createOptions: '{"HostConfig":" "}' }),
    400,
    '§1.2 HostConfig.cs, read by Newtonsoft'
  ],
  [
    'Privileged in quotes',
    settings({ createOptions: '{"HostConfig":{"Privileged":"True"}}' }),
    200,
    '§1.2 HostConfig.cs, read by Newtonsoft'
  ],
  [
    'Privileged as another word',
    settings({ createOptions: '{"HostConfig":{"Privileged":"yes"}}' }),
    400,
    '§1.2 HostConfig.cs, read by Newtonsoft'
  ],
  [
    'EndpointsConfig that is a list',
    settings({ createOptions: '{"NetworkingConfig":{"EndpointsConfig":["azure-iot-edge"]}}' }),
    400,
    '§1.2 NetworkingConfig.cs'
  ],
  [
    'EndpointsConfig',
    settings({ createOptions: '{"NetworkingConfig":{"EndpointsConfig":{"azure-iot-edge":{"Aliases":["a"]}}}}' }),
    200,
    '§1.2 NetworkingConfig.cs'
  ],
  ['Env that is an object', settings({ createOptions: '{"Env":{"A":"1"}}' }), 400, '§1.2 CreateContainerParameters.cs'],
  [
    'ExposedPorts that are a list',
    settings({ createOptions: '{"ExposedPorts":["80/tcp"]}' }),
    400,
    '§1.2 CreateContainerParameters.cs'
  ],
  ['Binds that are a text', settings({ createOptions: '{"HostConfig":{"Binds":"/a:/b"}}' }), 400, '§1.2 HostConfig.cs'],
  [
    'LogConfig inside Binds, as once published',
    settings({ createOptions: '{"HostConfig":{"Binds":["/a:/b","LogConfig":{"Type":"json-file"}]}}' }),
    400,
    '§0.10'
  ],
  [
    'a host port that is a number',
    settings({ createOptions: '{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}' }),
    200,
    '§1.2 HostConfig.cs'
  ],
  ['createOptions cut in two', settings({ createOptions: '{"Labels"', createOptions01: ':{}}' }), 200],
  ['chunks with keys in other cases', settings({ createOptions: '{"Labels"', CREATEOPTIONS01: ':{}}' }), 200],
  ['a gap between chunks', settings({ createOptions: '{', createOptions02: '}' }), 400, '§1.8'],
  ['a chunk without the first', settings({ createOptions: null, createOptions01: '{}' }), 400],
  ['chunks without leading zeros', settings({ createOptions: '{"Labels"', createOptions1: ':{}}' }), 200, 'JsonEx.cs'],
  ['chunks with more zeros', settings({ createOptions: '{"Labels"', createOptions001: ':{}}' }), 200, 'JsonEx.cs'],
  ['a key with createOptions in it alone', settings({ createOptions: null, createOptionsX: '{}' }), 200, 'JsonEx.cs'],
  ['a key with createOptions in it', settings({ createOptions: '{}', _createOptions: '' }), 400, 'JsonEx.cs'],
  [
    'a wrong restartPolicy whose key is in another case',
    module({ restartPolicy: null, RestartPolicy: 'sometimes' }),
    400,
    '§1.2 Newtonsoft'
  ],
  ['a wrong env whose key is in another case', module({ env: null, ENV: { A: '1' } }), 400, '§1.2 Newtonsoft'],
  ['createOptions00', settings({ createOptions: '{', createOptions00: '}' }), 400],
  [
    'more than the eight chunks that other tools write',
    settings(
      Object.fromEntries<string>([
        ['createOptions', '{"Labels":{"a":"'],
        ...Array.from(
          { length: 12 },
          (_, n) => [`createOptions${String(n + 1).padStart(2, '0')}`, 'x'.repeat(512)] as const
        ),
        ['createOptions13', '"}}']
      ])
    ),
    200,
    '§0.9'
  ]
])

const hub = rows('$edgeHub', '§1.3', [
  ['edgeHub schemaVersion 1.0', { schemaVersion: '1.0' }, 200],
  ['edgeHub schemaVersion 1.3', { schemaVersion: '1.3', integrity: {} }, 200],
  ['edgeHub schemaVersion 1.1.0', { schemaVersion: '1.1.0' }, 200, '§1.3 EdgeHubConfigParser.cs'],
  ['edgeHub schemaVersion 1.4', { schemaVersion: '1.4' }, 400],
  ['edgeHub schemaVersion 1', { schemaVersion: '1' }, 400],
  ['edgeHub schemaVersion 9.1', { schemaVersion: '9.1' }, 400, '§1.8'],
  ['no storeAndForwardConfiguration', { storeAndForwardConfiguration: null }, 400, '§1.8'],
  ['kept for ever', { storeAndForwardConfiguration: { timeToLiveSecs: -1 } }, 200],
  ['a time to live in words', { storeAndForwardConfiguration: { timeToLiveSecs: 'PT2H' } }, 400],
  [
    'a time to live in quotes',
    { storeAndForwardConfiguration: { timeToLiveSecs: '7200' } },
    200,
    '§1.3, read by Newtonsoft'
  ],
  [
    'storeLimits in quotes',
    { storeAndForwardConfiguration: { storeLimits: { maxSizeBytes: '1000' } } },
    200,
    '§1.3, read by Newtonsoft'
  ],
  ['an edgeHub schemaVersion that is a number', { schemaVersion: 1.1 }, 200, '§1.3 EdgeHubConfigParser.cs'],
  ['an edgeHub schemaVersion that is the number 1', { schemaVersion: 1 }, 400, '§1.3 EdgeHubConfigParser.cs'],
  ['storeLimits', { storeAndForwardConfiguration: { storeLimits: { maxSizeBytes: 1000 } } }, 200, '§1.8'],
  ['no routes under 1.1', { routes: null }, 400],
  ['no routes under 1.0', { schemaVersion: '1.0', routes: null }, 200],
  ['a route object', route({ route: 'FROM /messages/* INTO $upstream', priority: 0, timeToLiveSecs: 60 }), 200],
  ['a route object under 1.0', { schemaVersion: '1.0', ...route({ route: 'FROM /* INTO $upstream' }) }, 400],
  [
    'the default priority, written out',
    route({ route: 'FROM /* INTO $upstream', priority: 2_000_000_000 }),
    200,
    '§1.3 RouteSpec.cs'
  ],
  ['priority 10', route({ route: 'FROM /* INTO $upstream', priority: 10 }), 400],
  [
    'a priority and a time to live in quotes',
    route({ route: 'FROM /* INTO $upstream', priority: '1', timeToLiveSecs: '60' }),
    200,
    '§1.3 RouteSpec.cs'
  ],
  [
    'the default priority in quotes',
    route({ route: 'FROM /* INTO $upstream', priority: '2000000000' }),
    200,
    '§1.3 RouteSpec.cs'
  ],
  ['priority 10 in quotes', route({ route: 'FROM /* INTO $upstream', priority: '10' }), 400, '§1.3 RouteSpec.cs'],
  ['a route object without its route', route({ priority: 1 }), 400],
  ['an empty route under 1.0', { schemaVersion: '1.0', ...route('') }, 200],
  ['an empty route under 1.1', route(''), 400],
  ['mqttBroker', { schemaVersion: '1.2', mqttBroker: { authorizations: [] } }, 200]
])

const routes = rows('$edgeHub', '§1.3 route grammar', [
  ['route: garbage', route('garbage'), 400, '§1.8'],
  ['route: lower case', route('from /messages/* into $UPSTREAM'), 200],
  ['route: SELECT *', route('SELECT * FROM /messages/* INTO $upstream'), 200],
  ['route: another system endpoint', route('FROM /messages/* INTO $downstream'), 400],
  ['route: to a module', route('FROM /messages/modules/a/outputs/* INTO BrokeredEndpoint("/modules/b/inputs/c")'), 200],
  ['route: to a module in single quotes', route("FROM /* INTO brokeredendpoint('/modules/b/inputs/c')"), 200],
  ['route: part names are not looked at', route('FROM /* INTO BrokeredEndpoint("/x/b/y/c")'), 200],
  ['route: an endpoint of three parts', route('FROM /* INTO BrokeredEndpoint("/modules/b/inputs")'), 400],
  ['route: an endpoint without quotes', route('FROM /* INTO BrokeredEndpoint(/modules/b/inputs/c)'), 400],
  ['route: no sink', route('FROM /messages/*'), 400],
  ['route: no source', route('FROM INTO $upstream'), 400],
  ['route: a source with a semicolon', route('FROM /a;b INTO $upstream'), 400],
  ['route: a source without its first slash', route('FROM messages/* INTO $upstream'), 400, '§1.3 Route.g4'],
  ['route: a source that ends in a slash', route('FROM /messages/ INTO $upstream'), 400, '§1.3 Route.g4'],
  [
    'route: two sinks (what follows the first is not looked at)',
    route('FROM /* INTO $upstream $upstream'),
    200,
    '§1.3 Route.g4'
  ],
  [
    'route: a condition behind the sink, not looked at either',
    route('FROM /* INTO $upstream WHERE a = 1'),
    200,
    '§1.3 Route.g4'
  ],
  [
    'route: a condition',
    route("FROM /* WHERE $connectionDeviceId = 'a' AND NOT ($body.x[0].y >= 0x1F OR p <> true) INTO $upstream"),
    200
  ],
  ['route: a system property in braces', route("FROM /* WHERE {$contentType} != 'x' INTO $upstream"), 200],
  ['route: arithmetic and functions', route('FROM /* WHERE -2 * (length(a) + 1) % 3 < b ?? 0 INTO $upstream'), 200],
  ['route: INTO inside a string', route("FROM /* WHERE a = ' INTO ' || b INTO $upstream"), 200],
  ['route: half a condition', route('FROM /* WHERE a = INTO $upstream'), 400],
  ['route: an open bracket', route('FROM /* WHERE (a = 1 INTO $upstream'), 400],
  ['route: an open string', route("FROM /* WHERE a = 'x INTO $upstream"), 400],
  ['route: C-like equality', route('FROM /* WHERE a == 1 INTO $upstream'), 400],
  [
    'route: functions, in any case and with as many arguments as they take',
    route(
      "FROM /* WHERE STARTS_WITH(a, 'b') AND concat(a, b, 'c', 'd') = substring(e, 1) OR is_defined($body.x) AND power(2, 3) > 1 INTO $upstream"
    ),
    200,
    '§1.3 ConditionVisitor.cs'
  ],
  [
    'route: a function that is not there',
    route("FROM /* WHERE STARTSWITH(a, 'b') INTO $upstream"),
    'not compiled',
    '§1.3 ConditionVisitor.cs'
  ],
  [
    'route: a function without its argument',
    route('FROM /* WHERE length() = 1 INTO $upstream'),
    'not compiled',
    '§1.3 Length.cs'
  ],
  [
    'route: a function with an argument too many',
    route("FROM /* WHERE contains(a, 'b', true) INTO $upstream"),
    'not compiled',
    '§1.3 Contains.cs'
  ],
  [
    'route: twin_change_includes',
    route('FROM /twinChangeNotifications WHERE twin_change_includes(properties.reported.x) INTO $upstream'),
    'not compiled',
    '§1.3 TwinChangeIncludes.cs'
  ],
  [
    'route: a function that is not there, under 1.0',
    { schemaVersion: '1.0', ...route('FROM /* WHERE is_object(a) INTO $upstream') },
    'not compiled',
    '§1.3 ConditionVisitor.cs'
  ],
  ['route: a variable that a tool expanded', route('FROM /messages/* INTO value-of-upstream'), 400, '§0.6']
])

/** What a device takes and no editor should suggest: its schema underlines it. */
export const oddManifestCases: readonly DeploymentManifestCase[] = [
  ...rows('$edgeAgent', '§1.2', [
    ['schemaVersion 01.1', { schemaVersion: '01.1' }, 200, '§1.2 System.Version'],
    ['schemaVersion 1.1 with blanks', { schemaVersion: ' 1.1 ' }, 200, '§1.2 System.Version'],
    ['an image whose key is in another case', settings({ image: null, Image: 'a:1' }), 200, '§1.2 Newtonsoft'],
    ['a status whose key is in another case', module({ status: null, Status: 'running' }), 200, '§1.2 Newtonsoft']
  ]),
  ...rows('$edgeHub', '§1.3', [['edgeHub schemaVersion 1.01', { schemaVersion: '1.01' }, 200, '§1.3 System.Version']])
]

export const deploymentManifestCases: readonly DeploymentManifestCase[] = [
  ...schemaVersions,
  ...runtime,
  ...systemModules,
  ...modules,
  ...images,
  ...createOptions,
  ...hub,
  ...routes
]
