import { z } from 'zod'

/*
 * A deployment manifest as editors are told of it. What devices take is read by `validate`, which knows far more than a JSON Schema
 * can say; this is as loose as they are (facts: deployment-manifests §1.2, §1.3), so that an editor underlines nothing that runs.
 */

/** edgeAgent reads these words in any case; editors propose them as they are usually written. */
const anyCase = (...words: readonly [string, ...string[]]): z.ZodType => {
  const letters = words.map((word) => word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`))
  return z.union([z.enum(words), z.string().regex(new RegExp(`^(?:${letters.join('|')})$`))])
}
const dockerType = anyCase('docker').describe('The only kind there is')
/** Newtonsoft, which the runtime reads with, turns numbers into texts and whole numbers in texts into numbers. */
const text = z.union([z.string(), z.number(), z.boolean()])
const filled = z.union([z.string().min(1), z.number()])
const whole = (least: number, most: number): z.ZodType =>
  z.union([z.int().min(least).max(most), z.string().regex(/^\s*[+-]?\d+\s*$/)])
const uint32 = whole(0, 4_294_967_295)
const version = (pattern: RegExp): z.ZodType => z.union([z.string().regex(pattern), z.number().min(1).lt(2)])
const name = z.string().regex(/^[^.$ ]+$/)

const environment = z
  .record(z.string(), z.looseObject({ value: text.optional() }))
  .describe(
    'Environment variables: { "NAME": { "value": "…" } }. A text in place of the object breaks the whole deployment'
  )

/** What people write most of Docker's create options; the engine takes all of them. */
const createOptions = z.looseObject({
  Env: z.array(text).optional(),
  ExposedPorts: z.record(z.string(), z.looseObject({})).optional(),
  Labels: z.record(z.string(), text).optional(),
  HostConfig: z
    .looseObject({
      Binds: z.array(text).describe('/on/the/device:/in/the/container').optional(),
      CapAdd: z.array(text).optional(),
      CapDrop: z.array(text).optional(),
      LogConfig: z
        .looseObject({ Type: text.optional(), Config: z.record(z.string(), text).optional() })
        .describe('Without max-size and max-file, json-file logs grow until the disk is full')
        .optional(),
      Memory: text.describe('Bytes').optional(),
      NetworkMode: text.optional(),
      PortBindings: z
        .record(z.string(), z.array(z.looseObject({ HostIp: text.optional(), HostPort: text.optional() })))
        .describe('{ "8000/tcp": [{ "HostPort": "8000" }] }')
        .optional(),
      Privileged: text.optional(),
      ReadonlyRootfs: text.optional(),
      SecurityOpt: z.array(text).optional()
    })
    .optional()
})

/** A module's entry in `$edgeAgent`. edgeAgent makes a text of create options that are none; az does not take them. */
function moduleEntry(): z.ZodObject {
  return z.looseObject({
    type: dockerType,
    settings: z
      .looseObject({
        image: z
          .string()
          .min(1)
          .describe('repository:tag or repository@digest, with its registry; $upstream needs a port'),
        createOptions: z
          .union([z.string(), createOptions])
          .describe('How the container is made; createOptions01 … createOptions99 go on where it is long')
          .optional()
      })
      .describe('What runs'),
    env: environment.optional(),
    imagePullPolicy: anyCase('on-create', 'never').optional(),
    version: text.optional()
  })
}

/** The pieces of which deployment manifests and layers are made. */
export interface DeploymentSchemas {
  readonly envelope: z.ZodType
  readonly module: z.ZodType
  readonly credential: z.ZodType
  readonly route: z.ZodType
}

/** @param twin what a module's desired properties may be */
export function deploymentSchemas(twin: z.ZodType): DeploymentSchemas {
  const started = {
    status: anyCase('running', 'stopped'),
    restartPolicy: anyCase('never', 'on-failure', 'on-unhealthy', 'always').optional(),
    startupOrder: uint32.describe('Lower starts sooner; edgeAgent itself is 0').optional()
  }
  const entry = moduleEntry()
  const module = entry.extend(started)
  const credential = z
    .looseObject({
      address: z
        .string()
        .min(1)
        .describe('As images have it before the first slash, with its port and without https://'),
      username: filled,
      password: filled
    })
    .describe('A login for the images of one registry')
  const routeText = z
    .string()
    .regex(/^\s*$|[Ff][Rr][Oo][Mm][\s\S]*[Ii][Nn][Tt][Oo]/)
    .describe('FROM /messages/* [WHERE condition] INTO $upstream or BrokeredEndpoint("/modules/name/inputs/input")')
  const route = z.union([
    routeText,
    z.looseObject({
      route: routeText,
      priority: whole(0, 2_000_000_000).describe('0 to 9, 0 first').optional(),
      timeToLiveSecs: uint32.describe('0 for that of storeAndForwardConfiguration').optional()
    })
  ])
  const agent = z
    .looseObject({
      schemaVersion: version(/^1\.(?:0(?:\.\d+){0,2}|1(?:\.0){0,2})$/).describe('"1.1" is the newest'),
      runtime: z.looseObject({
        type: dockerType,
        settings: z.looseObject({
          minDockerVersion: z.string().optional(),
          loggingOptions: z.string().optional(),
          registryCredentials: z.record(name, credential).optional()
        })
      }),
      systemModules: z.looseObject({ edgeAgent: entry.optional(), edgeHub: module.optional() }),
      modules: z.record(name, module).describe('The workloads; one that is not here is taken off the device').optional()
    })
    .describe('What edgeAgent runs')
  const hub = z
    .looseObject({
      schemaVersion: version(/^1\.[0-3](?:\.\d+){0,2}$/).describe('"1.1", or up to "1.3"'),
      routes: z.record(name, route).describe('Which messages go where').optional(),
      storeAndForwardConfiguration: z.looseObject({
        timeToLiveSecs: whole(-2_147_483_648, 2_147_483_647)
          .describe('How long messages wait for their way; below 0 for ever')
          .optional(),
        storeLimits: z.looseObject({ maxSizeBytes: whole(1, Number.MAX_SAFE_INTEGER).optional() }).optional()
      })
    })
    .describe('What edgeHub does')
  const content = z
    .object({
      $edgeAgent: z.object({ 'properties.desired': agent.optional() }).optional(),
      $edgeHub: z.object({ 'properties.desired': hub.optional() }).optional()
    })
    .catchall(z.object({ 'properties.desired': twin.optional() }))
    .describe('The two of the runtime, and desired properties of modules by their names; dotted keys in a layer')
  const inner = { modulesContent: content.optional(), moduleContent: content.describe('An old name').optional() }
  const envelope = z.looseObject({
    ...inner,
    content: z.looseObject(inner).optional(),
    priority: z.int().min(0).optional()
  })
  return { envelope, module, credential, route }
}
