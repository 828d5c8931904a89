import { twinSize } from '../deployment/twin-size.ts'
import { mergeLayers, type Sections } from '../deployment/merge-layers.ts'
import { valueOf } from './json.ts'
import type { Deployment } from './manifest.ts'

const largestTwin = 32 * 1024
const mostModules = 50

/**
 * Compares the deployments of one run that say their priority: a layer needs a strictly higher one than its base, and two
 * layers of one priority must not touch the same thing (deployment-manifests.md §1.6). A base and the layers on it are looked at
 * as what they come to on a device, too. Only those for the same devices are compared.
 */
export function checkLayers(deployments: readonly Deployment[]): void {
  const known = deployments.filter(({ priority }) => priority !== undefined)
  const layers = known.filter(({ layered }) => layered)
  for (const [index, layer] of layers.entries()) {
    const { report, priorityAt } = layer
    const base = known.find(
      (other) => !other.layered && sameDevices(layer, other) && priorityOf(layer) <= priorityOf(other)
    )
    if (base !== undefined)
      report.add(
        'M060',
        priorityAt,
        'priority',
        `${layer.priority ?? ''} is not above the base deployment's ${base.priority ?? ''}`,
        severityFor(layer)
      )
    for (const other of layers.slice(0, index)) {
      const shared = layer.touches.find((what) => other.touches.some((theirs) => overlap(what, theirs)))
      if (shared !== undefined && other.priority === layer.priority && sameDevices(layer, other))
        report.add(
          'M061',
          priorityAt,
          'priority',
          `another layer of priority ${layer.priority ?? ''} sets ${shared} too`,
          severityFor(layer)
        )
    }
  }
  for (const base of known.filter(({ layered }) => !layered)) {
    const above = layers
      .filter((layer) => sameDevices(layer, base) && priorityOf(layer) > priorityOf(base))
      .sort((one, other) => priorityOf(one) - priorityOf(other))
    if (above.length > 0) checkTogether(base, above)
  }
}

/** Each alone may be small enough, and a layer's routes lead to modules of its base. */
function checkTogether(base: Deployment, layers: readonly Deployment[]): void {
  const merged = mergeLayers([base, ...layers].map(sectionsOf))
  const top = layers.at(-1) ?? base
  const others = [base, ...layers.slice(0, -1)].map(({ file }) => file).join(', ')
  const tell = (code: 'M043' | 'M046', message: string): void => {
    top.report.add(code, top.priorityAt, 'priority', `together with ${others} ${message}`)
  }
  for (const [module, desired] of Object.entries(merged)) {
    const size = twinSize(desired)
    const alone = [base, ...layers].some((each) => twinSize(mergeLayers([sectionsOf(each)])[module]) > largestTwin)
    if (size > largestTwin && !alone)
      tell('M043', `the desired properties of ${module} come to ${size} bytes, and IoT Hub keeps ${largestTwin}`)
  }
  const modules = modulesOf(merged['$edgeAgent'])
  const many = [base, ...layers].some(
    (each) => modulesOf(mergeLayers([sectionsOf(each)])['$edgeAgent']).length > mostModules
  )
  if (modules.length > mostModules && !many)
    tell('M046', `there are ${modules.length} modules, and IoT Hub allows ${mostModules} on a device`)
  for (const { sinks } of layers)
    for (const { module, spot } of sinks)
      if (!modules.includes(module)) spot.finding('M021', `no module is called ${module}, here or in ${base.file}`)
}

function sectionsOf({ content }: Deployment): Sections {
  return content === undefined ? {} : (valueOf(content) as Sections)
}

function modulesOf(agent: unknown): readonly string[] {
  const modules = (agent as { readonly modules?: unknown } | undefined)?.modules
  return typeof modules === 'object' && modules !== null ? Object.keys(modules) : []
}

function priorityOf({ priority }: Deployment): number {
  return priority ?? 0
}

/** A blank condition is how a deployment is kept without any device. */
function sameDevices(one: Deployment, other: Deployment): boolean {
  return one.targetCondition === other.targetCondition && one.targetCondition?.trim() !== ''
}

/** Files that do not say for which devices they are may be for different ones after all. */
function severityFor({ targetCondition }: Deployment): 'error' | 'warning' {
  return targetCondition === undefined ? 'warning' : 'error'
}

/** `$edgeAgent.modules.a` and `$edgeAgent.modules.a.env.X`: one is set within the other. */
function overlap(one: string, other: string): boolean {
  return `${one}.`.startsWith(`${other}.`) || `${other}.`.startsWith(`${one}.`)
}
