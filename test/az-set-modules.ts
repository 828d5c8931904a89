import { z } from 'zod'

/*
 * What `az iot edge set-modules` and `az iot edge deployment create` ask of a deployment manifest before they send it: the rules of
 * the published schemas of edgeAgent 1.1 and edgeHub 1.1 (SchemaStore's, of which az carries copies), read again here in our own
 * words (facts: deployment-manifests §1.1, §1.2 and §1.8). They are looser than the device in places and stricter in others; both
 * matter, so nothing is added and nothing left out.
 */

const exactly = z.strictObject
/** An object whose every key fits. */
const named = (pattern: RegExp, value: z.ZodType): z.ZodType => z.record(z.string().regex(pattern), value)
const uint32 = z.int().min(0).max(4_294_967_295)

const moduleType = z.literal('docker')
const status = z.enum(['running', 'stopped'])
const restartPolicy = z.enum(['never', 'on-failure', 'on-unhealthy', 'always'])
const variables = named(/^[^+#$\s.]+$/, exactly({ value: z.union([z.number(), z.string(), z.boolean()]) })).optional()
const imagePullPolicy = z.enum(['never', 'on-create']).optional()
const startupOrder = uint32.optional()
/** Any number of parts of createOptions, none of which is looked into. */
const settings = z
  .object({ image: z.string() })
  .catchall(z.string())
  .refine((value) =>
    Object.keys(value).every((key) => key === 'image' || /^(createoptions|createOptions)\d*$/.test(key))
  )

const edgeAgent = exactly({
  'properties.desired': exactly({
    schemaVersion: z.string().regex(/1.1/),
    runtime: exactly({
      type: moduleType,
      settings: exactly({
        minDockerVersion: z.string().optional(),
        loggingOptions: z.string().optional(),
        registryCredentials: named(
          /^[^.$# ]+$/,
          exactly({ username: z.string(), password: z.string(), address: z.string().regex(/^\S+$/) })
        ).optional()
      })
    }),
    systemModules: exactly({
      edgeAgent: exactly({ type: moduleType, settings, env: variables, imagePullPolicy }),
      edgeHub: exactly({
        ...{ type: moduleType, status, restartPolicy, settings },
        ...{ env: variables, imagePullPolicy, startupOrder }
      })
    }),
    modules: named(
      /^[a-zA-Z0-9_-]+$/,
      exactly({
        ...{ type: moduleType, status, restartPolicy, settings },
        ...{ env: variables, imagePullPolicy, startupOrder, version: z.string().optional() }
      })
    )
  })
})

const route = z.string().regex(/^.+$/)
const edgeHub = exactly({
  'properties.desired': exactly({
    schemaVersion: z.string().regex(/1.1/),
    routes: named(
      /^[^.$# ]+$/,
      z.union([
        route,
        exactly({ route, priority: z.int().min(0).max(9).optional(), timeToLiveSecs: uint32.optional() })
      ])
    ),
    storeAndForwardConfiguration: exactly({ timeToLiveSecs: z.int() }).optional()
  })
})

const envelope = z.object({ modulesContent: z.record(z.string(), z.unknown()) })
const versioned = z.object({ 'properties.desired': z.object({ schemaVersion: z.string() }) })

/**
 * What az would refuse in a file, a sentence for each finding; empty where it takes the file. It picks a schema by the version that
 * the document names, and looks at nothing where it has none for it: only 1.1, which `generate` writes, is read here.
 *
 * @throws {Error} for a version whose schema az has and this has not
 */
export function azRefuses(text: string): string[] {
  const document = JSON.parse(text) as unknown
  const inner = z.object({ content: z.unknown() }).safeParse(document).data?.content ?? document
  const { data } = envelope.safeParse(inner)
  if (data === undefined) return ['Edge deployment payloads require property: modulesContent']
  return Object.entries({ $edgeAgent: edgeAgent, $edgeHub: edgeHub }).flatMap(([name, schema]) => {
    const value = data.modulesContent[name]
    const version = versioned.safeParse(value).data?.['properties.desired'].schemaVersion
    if (version === undefined || !['1.0', '1.1', '1.2'].includes(version)) return []
    if (version !== '1.1') throw new Error(`${name}: the schema of ${version} is not among these rules`)
    const { error } = schema.safeParse(value)
    return (error?.issues ?? []).map(({ path, message }) => `${name} ${path.map(String).join('/')}: ${message}`)
  })
}
