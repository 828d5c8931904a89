import type { Deployment } from './manifest.ts'

/**
 * Compares the deployments of one run that say their priority: a layer needs a strictly higher one than its base, and two
 * layers of one priority must not touch the same thing (deployment-manifests.md §1.6). Only those for the same devices are
 * compared.
 */
export function checkLayers(deployments: readonly Deployment[]): void {
  const known = deployments.filter(({ priority }) => priority !== undefined)
  const layers = known.filter(({ layered }) => layered)
  for (const [index, layer] of layers.entries()) {
    const { report, priorityAt } = layer
    const base = known.find(
      (other) => !other.layered && sameDevices(layer, other) && (layer.priority ?? 0) <= (other.priority ?? 0)
    )
    if (base !== undefined)
      report.add(
        'M060',
        priorityAt,
        'priority',
        `${layer.priority ?? ''} is not above the base deployment's ${base.priority ?? ''}`
      )
    for (const other of layers.slice(0, index)) {
      const shared = layer.touches.find((what) => other.touches.includes(what))
      if (shared !== undefined && other.priority === layer.priority && sameDevices(layer, other))
        report.add(
          'M061',
          priorityAt,
          'priority',
          `another layer of priority ${layer.priority ?? ''} sets ${shared} too`
        )
    }
  }
}

function sameDevices(one: Deployment, other: Deployment): boolean {
  return one.targetCondition === other.targetCondition
}
