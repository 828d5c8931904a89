import type { RuleCode } from './rules.ts'

/** What a rule finds, and what it does not; `causeway explain` shows both, and a test holds them true. */
export interface Example {
  /** Below modulesContent, of a deployment manifest that is fine otherwise; empty for a document of its own, as it is written. */
  readonly path: readonly string[]
  /** Undefined where it is the absence that counts. */
  readonly wrong: unknown
  readonly right: unknown
}

const desired = 'properties.desired'
const document = (wrong: string, right: string): Example => ({ path: [], wrong, right })
const section = (name: string, wrong: unknown, right: unknown): Example => ({ path: [name], wrong, right })
const agent = (path: string, wrong: unknown, right: unknown): Example => ({
  path: ['$edgeAgent', desired, ...path.split('.')],
  wrong,
  right
})
const hub = (path: string, wrong: unknown, right: unknown): Example => ({
  path: ['$edgeHub', desired, ...path.split('.')],
  wrong,
  right
})
const image = (wrong: string, right: string): Example => agent('modules.m.settings.image', wrong, right)
const createOptions = (wrong: unknown, right: unknown): Example =>
  agent('modules.m.settings.createOptions', wrong, right)
const credential = (wrong: object, right: object): Example =>
  agent('runtime.settings.registryCredentials.cloud', { ...login, ...wrong }, { ...login, ...right })
const login = { address: 'contoso.azurecr.io', username: 'pull', password: '<PASSWORD>' }
const layer = (wrong: object, right: object): Example => {
  const text = ($edgeAgent: object): string => JSON.stringify({ modulesContent: { $edgeAgent } }, undefined, 2)
  return document(text(wrong), text(right))
}
const route = (wrong: unknown, right: unknown): Example => hub('routes.toCloud', wrong, right)
const digest = '0123456789abcdef'.repeat(4)
const toCloud = { route: 'FROM /messages/* INTO $upstream' }
const module = { type: 'docker', status: 'running', settings: { image: 'contoso.azurecr.io/camera:1.0' } }
const apiProxy = (port: string): object => ({
  ...module,
  settings: {
    image: 'mcr.microsoft.com/azureiotedge-api-proxy:1.1',
    createOptions: '{"HostConfig":{"PortBindings":{"8000/tcp":[{"HostPort":"8000"}]}}}'
  },
  env: { NGINX_DEFAULT_PORT: { value: port }, CONNECTED_ACR_ROUTE_ADDRESS: { value: 'm:8080' } }
})
const modules = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`module${index + 1}`, module]))

export const examples: Readonly<Record<RuleCode, Example>> = {
  M001: document('{"modulesContent": {},}', '{"modulesContent": {}}'),
  M002: document('{"modules": {}}', '{"modulesContent": {}}'),
  M003: section('$edgeHub', undefined, {
    [desired]: { schemaVersion: '1.1', routes: {}, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } }
  }),
  M004: section('m', { rate: 5 }, { [desired]: { rate: 5 } }),
  M010: agent('schemaVersion', '1.2', '1.1'),
  M011: agent('runtime.type', 'podman', 'docker'),
  M012: agent('systemModules', undefined, {
    edgeAgent: { type: 'docker', settings: { image: 'mcr.microsoft.com/azureiotedge-agent:1.5' } },
    edgeHub: { type: 'docker', status: 'running', settings: { image: 'mcr.microsoft.com/azureiotedge-hub:1.5' } }
  }),
  M013: agent('modules.m.restartPolicy', 'unless-stopped', 'always'),
  M014: agent('modules.m.env', { 'LEVEL#1': { value: 'debug' } }, { LEVEL_1: { value: 'debug' } }),
  M015: agent('modules.m.env', { 'Logging.Level': { value: 'x' } }, { Logging__Level: { value: 'x' } }),
  M016: agent('modules', { 'camera/1': module }, { 'camera-1': module }),
  M020: route('FROM messages/* INTO $upstream', 'FROM /messages/* INTO $upstream'),
  M021: route(
    'FROM /* INTO BrokeredEndpoint("/modules/typo/inputs/in")',
    'FROM /* INTO BrokeredEndpoint("/modules/m/inputs/in")'
  ),
  M022: {
    path: ['$edgeHub', desired],
    wrong: {
      schemaVersion: '1.0',
      routes: { toCloud: { ...toCloud, priority: 0 } },
      storeAndForwardConfiguration: { timeToLiveSecs: 7200 }
    },
    right: {
      schemaVersion: '1.1',
      routes: { toCloud: { ...toCloud, priority: 0 } },
      storeAndForwardConfiguration: { timeToLiveSecs: 7200 }
    }
  },
  M023: route({ ...toCloud, priority: 10 }, { ...toCloud, priority: 9 }),
  M024: route({ ...toCloud, timeToLiveSecs: '1h' }, { ...toCloud, timeToLiveSecs: 3600 }),
  M025: hub('storeAndForwardConfiguration', undefined, { timeToLiveSecs: 7200 }),
  M026: hub('mqttBroker', { authorizations: [] }, undefined),
  M027: route("FROM /* INTO $upstream WHERE level = 'high'", "FROM /* WHERE level = 'high' INTO $upstream"),
  M028: route("FROM /* WHERE startswith(id, 'a') INTO $upstream", "FROM /* WHERE starts_with(id, 'a') INTO $upstream"),
  M030: image('contoso.azurecr.io//camera:1:0', 'contoso.azurecr.io/camera:1.0'),
  M031: image(`contoso.azurecr.io/camera:1.0@sha256:${digest}`, `contoso.azurecr.io/camera@sha256:${digest}`),
  M032: image('$upstream/camera:1.0', '$upstream:8000/camera:1.0'),
  M033: credential(
    { address: 'mycontainerregistry001.azurecr.io:443' },
    { address: 'mycontainerregistry001.azurecr.io' }
  ),
  M034: credential({ address: 'https://contoso.azurecr.io' }, {}),
  M035: credential({ password: '' }, {}),
  M036: image('https://contoso.azurecr.io/Camera:1.0', 'contoso.azurecr.io/camera:1.0'),
  M040: createOptions('{"Env": ["A=1"', '{"Env": ["A=1"]}'),
  M041: agent(
    'modules.m.settings',
    { image: 'contoso.azurecr.io/camera:1.0', createOptions: '{"Env":', createOptions02: '[]}' },
    { image: 'contoso.azurecr.io/camera:1.0', createOptions: '{"Env":', createOptions01: '[]}' }
  ),
  M042: agent('modules.m.env.CONFIG.value', 'x'.repeat(4097), 'a text of up to 4096 bytes'),
  M043: section('m', { [desired]: Object.fromEntries(large(9)) }, { [desired]: Object.fromEntries(large(2)) }),
  M044: createOptions('{"HostConfig":{"Binds":"/data:/data"}}', '{"HostConfig":{"Binds":["/data:/data"]}}'),
  M045: createOptions({ Env: ['A=1'] }, '{"Env":["A=1"]}'),
  M046: agent('modules', modules(51), modules(2)),
  M050: agent('modules.m.env.REGION.value', '${REGION}', 'westeurope'),
  M051: route('FROM /messages/* INTO downstream', 'FROM /messages/* INTO $upstream'),
  M052: credential({ password: 'a real one' }, { password: '${CONTAINER_REGISTRY_PASSWORD}' }),
  M053: agent('modules.m.env.REGION.value', '<YOUR_REGION>', 'westeurope'),
  M060: document('a base of "priority": 10 and a layer of "priority": 10', 'the layer with "priority": 11'),
  M061: document('two layers of "priority": 11 that set the same module', 'one of them with "priority": 12'),
  M062: layer({ [`${desired}.systemModules.edgeHub`]: module }, { [`${desired}.modules.camera`]: module }),
  M063: document('{"priority": -3, "modulesContent": {}}', '{"priority": 3, "modulesContent": {}}'),
  M064: layer({ [`${desired}.module.camera`]: module }, { [`${desired}.modules.camera`]: module }),
  M070: section('M', { [desired]: {} }, undefined),
  M080: agent('modules.m.env', { _comment: 'text' }, { LEVEL: { value: 'debug' } }),
  M090: image('contoso.azurecr.io/camera:1.0-amd64.debug', 'contoso.azurecr.io/camera:1.0-amd64'),
  M091: image('contoso.azurecr.io/camera', 'contoso.azurecr.io/camera:1.0'),
  M092: createOptions(
    '{}',
    '{"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-size":"10m","max-file":"3"}}}}'
  ),
  M093: agent('modules.IoTEdgeAPIProxy', apiProxy('443'), apiProxy('8000')),
  M094: image('mycontainerregistry001.azurecr.io/camera:1.0', '127.0.0.1:8080/camera:1.0'),
  M095: agent(
    'modules.IoTEdgeAPIProxy',
    { ...apiProxy('8000'), startupOrder: 0 },
    { ...apiProxy('8000'), startupOrder: 2 }
  ),
  M097: agent('modules', lower('mcr.microsoft.com/camera:1.0'), lower('127.0.0.1:8080/camera:1.0'))
}

function lower(camera: string): object {
  const images = { 'connected-registry': '$upstream:8000/acr/connected-registry:1.0', camera }
  return Object.fromEntries(Object.entries(images).map(([name, image]) => [name, { ...module, settings: { image } }]))
}

function large(count: number): [string, string][] {
  return Array.from({ length: count }, (_, index) => [`part${index + 1}`, 'x'.repeat(4000)])
}

/** How `explain` prints one side of an example: long texts and lists cut short. */
export function shown(value: unknown): string {
  if (value === undefined) return '(nothing)'
  if (typeof value === 'string' && !value.includes('xxxx')) return JSON.stringify(value)
  const text = JSON.stringify(value, undefined, 2).replace(/x{5,}/g, (run) => `x… (${run.length} bytes)`)
  const lines = text.split('\n')
  return lines.length <= 24 ? text : [...lines.slice(0, 20), `… (${lines.length - 20} lines more)`].join('\n')
}
