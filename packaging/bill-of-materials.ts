import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

interface Component {
  readonly name: string
  readonly group?: string
  readonly version: string
}

interface BillOfMaterials {
  readonly components: readonly Component[]
  readonly [field: string]: unknown
}

/**
 * What the image adds to its base, as npm writes it down from the lockfile (CycloneDX): less what is not in the program,
 * and less what would differ from one build to the next.
 *
 * @param notices THIRD-PARTY-NOTICES of the program
 * @param beside packages that are not in the program but beside it
 */
export async function billOfMaterials(root: string, notices: string, beside: readonly string[]): Promise<string> {
  const words = ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only']
  const { stdout } = await promisify(execFile)('npm', words, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  const {
    serialNumber: _serial,
    components,
    dependencies: _graph,
    metadata,
    ...rest
  } = JSON.parse(stdout) as BillOfMaterials
  const { timestamp: _timestamp, component, ...about } = metadata as { timestamp?: string; component: object }
  const held = new Set(notices.split('\n'))
  const within = components.filter((component) => isHeld(component, held) || beside.includes(nameOf(component)))
  return `${JSON.stringify({ ...rest, metadata: { ...about, component: { ...component, name: 'connected-registry' } }, components: within }, undefined, 2)}\n`
}

function isHeld(component: Component, held: ReadonlySet<string>): boolean {
  return [...held].some((line) => line.startsWith(`${nameOf(component)} ${component.version} (`))
}

function nameOf({ group, name }: Component): string {
  return group === undefined ? name : join(group, name)
}
