/** A deployment's sections by module: `properties.desired`, or dotted keys below it in a layer. */
export type Sections = Readonly<Record<string, unknown>>

const whole = 'properties.desired'

/**
 * What IoT Hub makes of a base deployment and the layers above it, for a device that had nothing before (facts:
 * deployment-manifests §1.6): a whole section takes the place of what lower deployments said of the module, a dotted key that of
 * what stood under it, and everything else stays.
 *
 * @param deployments the base, then the layers by rising priority
 * @returns the desired properties of each module
 */
export function mergeLayers(deployments: readonly Sections[]): Readonly<Record<string, unknown>> {
  const desired = new Map<string, unknown>()
  for (const sections of deployments)
    for (const [module, section] of Object.entries(sections)) {
      if (!isObject(section)) continue
      const start = isObject(section[whole]) ? section[whole] : (desired.get(module) ?? {})
      const paths = Object.keys(section).filter((key) => key.startsWith(`${whole}.`))
      desired.set(
        module,
        paths.reduce<unknown>(
          (properties, key) => withPath(properties, key.slice(whole.length + 1).split('.'), section[key]),
          start
        )
      )
    }
  return Object.fromEntries(desired)
}

/** A value put at a path; what stands in the way of it and is no object goes. */
function withPath(properties: unknown, path: readonly string[], value: unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined) return value
  const before = isObject(properties) ? properties : {}
  const inside = Object.hasOwn(before, name) ? before[name] : undefined
  return { ...before, [name]: withPath(inside, rest, value) }
}

function isObject(value: unknown): value is Sections {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
