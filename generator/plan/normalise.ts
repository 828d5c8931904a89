import { isRecord } from '../deployment/template.ts'

type Document = Readonly<Record<string, unknown>>

/** The startup order of modules that name none (facts: deployment-manifests §1.2). */
const lastStartupOrder = 4_294_967_295

/**
 * The desired properties of `$edgeAgent` in a form in which what means the same is the same: create options joined and parsed,
 * defaults filled in, and what the hub or `az` adds left out.
 */
export function normaliseAgent(desired: Document): Document {
  return {
    ...withoutNulls(desired),
    ...mapSection(desired, 'systemModules', (module) => normaliseModule(module)),
    ...mapSection(desired, 'modules', (module) => ({
      status: 'running',
      restartPolicy: 'always',
      startupOrder: lastStartupOrder,
      ...normaliseModule(module)
    }))
  }
}

/** The desired properties of `$edgeHub`: a route may be a text or an object. */
export function normaliseHub(desired: Document): Document {
  const { routes, ...rest } = withoutNulls(desired)
  if (!isRecord(routes)) return { ...rest, ...(routes === undefined ? {} : { routes }) }
  return {
    ...rest,
    routes: Object.fromEntries(
      Object.entries(routes).map(([name, route]) => [name, typeof route === 'string' ? { route } : route])
    )
  }
}

/** What an engine is told when a container is created; where it differs, edgeAgent makes the container anew. */
export function createdWith(module: unknown): unknown {
  if (!isRecord(module)) return undefined
  const { type, settings, env, imagePullPolicy } = module
  return { type, settings, env, imagePullPolicy }
}

function normaliseModule(module: Document): Document {
  // `configuration` is the hub's own word for which deployment a module came from (facts: deployment-manifests §1.8).
  const { configuration: _configuration, settings, env, ...rest } = withoutNulls(module)
  return {
    imagePullPolicy: 'on-create',
    ...rest,
    env: isRecord(env) ? env : {},
    settings: isRecord(settings) ? normaliseSettings(settings) : (settings ?? {})
  }
}

function normaliseSettings(settings: Document): Document {
  const entries = Object.entries(settings)
  const chunks = entries.filter(([key]) => /^createoptions\d*$/i.test(key)).sort(([a], [b]) => order(a) - order(b))
  const rest = Object.fromEntries(entries.filter(([key]) => !/^createoptions\d*$/i.test(key)))
  const image = typeof rest['image'] === 'string' ? { image: tagged(rest['image'].trim()) } : {}
  return { ...rest, ...image, createOptions: parseCreateOptions(chunks.map(([, value]) => value)) }
}

function order(key: string): number {
  return Number(/\d+$/.exec(key)?.[0] ?? 0)
}

/** An image without tag and digest is `latest`. */
function tagged(image: string): string {
  return /[:@][^/]*$/.test(image) ? image : `${image}:latest`
}

function parseCreateOptions(chunks: readonly unknown[]): unknown {
  const [first] = chunks
  if (chunks.length === 1 && isRecord(first)) return first
  const text = chunks.filter((chunk) => typeof chunk === 'string').join('')
  if (text.trim() === '' || text.toLowerCase() === 'null') return {}
  try {
    return JSON.parse(text) as unknown
  } catch {
    // What is no JSON is compared as it stands; a device refuses it, and `validate` says so.
    return text
  }
}

function mapSection(document: Document, key: string, change: (module: Document) => Document): Document {
  const section = document[key]
  if (!isRecord(section)) return {}
  return {
    [key]: Object.fromEntries(
      Object.entries(section).flatMap(([name, module]) =>
        module === null ? [] : [[name, isRecord(module) ? change(module) : module] as const]
      )
    )
  }
}

/** A null deletes in a twin, and says nothing in a whole document. */
function withoutNulls(document: Document): Document {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== null && value !== undefined))
}
