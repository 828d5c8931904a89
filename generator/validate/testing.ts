import fc from 'fast-check'

export type Json = Readonly<Record<string, unknown>>

/** What people write, as seen in public templates; `@TTL@` is to become `${TTL}` without quotes. */
const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined })
const text = fc.constantFrom('x', '', 'é😀', '$LABEL', '${LABEL}', '$setting_a', '$nothing', 'a\nb', 'x'.repeat(600))
const environment = fc.dictionary(
  fc.constantFrom('A', 'Logging__Level', 'a:b', '_comment_A'),
  fc.oneof(
    fc.record({ value: fc.oneof(text, fc.integer({ min: 0, max: 9 }), fc.boolean()) }),
    fc.constant({}),
    fc.record({ value: text, _comment: fc.constant('why') })
  )
)
const options = fc.record(
  {
    Env: fc.array(
      text.map((value) => `A=${value}`),
      { maxLength: 9 }
    ),
    Hostname: text,
    Cmd: fc.array(fc.constantFrom('--aa', '--di=60')),
    ExposedPorts: fc.constant({ '80/tcp': {} }),
    HostConfig: fc.record(
      {
        Binds: fc.array(fc.constantFrom('/a:/b', '/dev:/dev:ro'), { maxLength: 2 }),
        PortBindings: fc.constant({
          '80/tcp': [{ HostPort: '80' }],
          '81/udp': [{ HostPort: 81, HostIp: '127.0.0.1' }]
        }),
        Privileged: fc.constantFrom<unknown>(true, false, 'true'),
        LogConfig: fc.constant({ Type: 'json-file', Config: { 'max-size': '10m' } })
      },
      { requiredKeys: [] }
    ),
    'k8s-experimental': fc.constant({ volumes: [{ volumeMounts: [[1]] }] })
  },
  { requiredKeys: [] }
)
/** As an object, as a text, in pieces, and as only edgeAgent takes it. */
const createOptions: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>({}, { createOptions: '' }, { createOptions: 'null' }, { createOptions: {} }),
  options.map((value) => ({ createOptions: value })),
  options.map((value) => ({ createOptions: JSON.stringify(value) })),
  options.map((value) => ({
    createOptions: `/* x */ ${JSON.stringify(value).replace(/\}$/, ',}').replace('{,', '{')}`
  })),
  fc.tuple(options, fc.integer({ min: 1, max: 99 })).map(([value, cut]) => {
    const whole = JSON.stringify(value)
    const at = Math.min(cut, whole.length - 1)
    return { createOptions: whole.slice(0, at), createOptions01: whole.slice(at) }
  })
)
const image = fc.constantFrom(
  ...[
    'mcr.microsoft.com/a:1',
    'ghcr.io/a/b@sha256:00',
    'registry',
    '$REGISTRY/a:1',
    '${MODULES.camera}',
    '127.0.0.1:5000/a'
  ]
)
const module = (more: Json = {}): fc.Arbitrary<Json> =>
  fc
    .record(
      {
        image,
        createOptions,
        env: environment,
        // A variable in quotes leaves its number in them, which the runtime reads all the same.
        startupOrder: fc.oneof(fc.nat({ max: 9 }), fc.constantFrom('3', '${TTL}')),
        restartPolicy: fc.constantFrom('always', 'never', 'on-failure', 'on-unhealthy'),
        imagePullPolicy: fc.constantFrom('on-create', 'never'),
        version: fc.constantFrom<unknown>('1.0', 1, 1.5),
        _comment: fc.constant('why'),
        configuration: fc.constant({ id: 'x' })
      },
      { requiredKeys: ['image', 'createOptions'] }
    )
    .map(({ image: name, createOptions: pieces, ...rest }) => ({
      type: 'docker',
      status: 'running',
      settings: { image: name, ...pieces },
      ...rest,
      ...more
    }))
const names = fc.constantFrom('camera', 'filter', 'db_1')
const modules = fc.dictionary(names, module(), { maxKeys: 3 })
const credentials = fc.dictionary(
  fc.constantFrom('mine', '$USER', 'docker', 'crimagepulltoken'),
  fc.record({
    address: fc.constantFrom('$REGISTRY', 'docker.io', 'other.azurecr.io:443', '$upstream:8000'),
    username: fc.constantFrom<unknown>('$USER', 'u', 5),
    password: fc.constantFrom('p', '${USER}')
  }),
  { maxKeys: 3 }
)
const routeText = fc.constantFrom(
  'FROM /messages/* INTO $upstream',
  'from /messages/modules/camera/outputs/* into BrokeredEndpoint("/modules/filter/inputs/i")',
  "FROM /messages/* WHERE $body.a > 1 AND NOT is_defined($connectionModuleId) OR $setting_a = 'x' INTO $upstream"
)
const routes = (objects: boolean): fc.Arbitrary<Json> =>
  fc.dictionary(
    fc.constantFrom('r', 'camera-to-hub', '_comment'),
    objects
      ? fc.oneof(
          routeText,
          fc.record(
            { route: routeText, priority: fc.nat({ max: 9 }), timeToLiveSecs: fc.nat(), _comment: fc.constant('x') },
            { requiredKeys: ['route'] }
          )
        )
      : routeText
  )
const twin = fc.dictionary(
  names,
  fc.oneof(
    fc.constant({}),
    fc.record({
      'properties.desired': fc.record(
        {
          a: fc.array(fc.array(fc.record({ b: fc.double({ noNaN: true, min: -1000, max: 1000 }) }))),
          c: text,
          $version: fc.nat()
        },
        { requiredKeys: ['a'] }
      )
    })
  )
)
const versions = fc.constantFrom(['1.0', '1.0'] as const, ['1.1', '1.1'] as const, ['1.1', '1.2'] as const)

/** Whole deployments. */
export const whole: fc.Arbitrary<Json> = versions.chain(([agentVersion, hubVersion]) =>
  fc
    .record({
      modules,
      credentials: optional(credentials),
      routes: routes(hubVersion !== '1.0'),
      twin,
      hubOptions: options,
      timeToLiveSecs: fc.constantFrom<unknown>('@TTL@', '${TTL}', '7200', 7200)
    })
    .map(
      ({
        modules: theirs,
        credentials: registryCredentials,
        routes: list,
        twin: sections,
        hubOptions,
        timeToLiveSecs
      }) => ({
        $edgeAgent: {
          'properties.desired': {
            schemaVersion: agentVersion,
            runtime: {
              type: 'docker',
              settings: {
                minDockerVersion: 'v1.25',
                loggingOptions: '',
                ...(registryCredentials === undefined ? {} : { registryCredentials })
              }
            },
            systemModules: {
              edgeAgent: {
                type: 'docker',
                settings: { image: 'mcr.microsoft.com/azureiotedge-agent:1.5', createOptions: {} }
              },
              edgeHub: {
                ...{ type: 'docker', status: 'running', restartPolicy: 'always' },
                settings: { image: 'mcr.microsoft.com/azureiotedge-hub:1.5', createOptions: hubOptions }
              }
            },
            modules: theirs
          }
        },
        $edgeHub: {
          'properties.desired': {
            schemaVersion: hubVersion,
            routes: list,
            storeAndForwardConfiguration: { timeToLiveSecs }
          }
        },
        ...sections
      })
    )
)

/** Layers, for any of them. */
export const layer: fc.Arbitrary<Json> = fc
  .record({ modules, credentials, routes: routes(true), twin, paths: fc.dictionary(names, fc.array(fc.nat())) })
  .map(({ modules: theirs, credentials: logins, routes: list, twin: sections, paths }) => ({
    $edgeAgent: {
      ...dotted('properties.desired.modules.', theirs),
      ...dotted('properties.desired.runtime.settings.registryCredentials.', logins)
    },
    $edgeHub: dotted('properties.desired.routes.', without(list, '_comment')),
    ...sections,
    other: { 'properties.desired.deep.path': paths }
  }))

function dotted(prefix: string, entries: Json): Json {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [`${prefix}${name}`, value]))
}

function without({ ...entries }: Json, key: string): Json {
  Reflect.deleteProperty(entries, key)
  return entries
}
