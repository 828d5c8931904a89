import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { azRefuses } from './az-set-modules.ts'
import { mustRun } from './real-tools.ts'

const root = join(import.meta.dirname, '..')
const worked = join(root, 'manifests/deployment.gateway.json')

/** Parts of a document that a row changes, by their path. */
type Change = readonly [path: string, value: unknown]

const agent = '$edgeAgent/properties.desired'
const hub = '$edgeHub/properties.desired'
const module = `${agent}/modules/connected-registry`

function shown([path, value]: Change): string {
  return `${path}: ${value === undefined ? 'nothing' : JSON.stringify(value)}`
}

async function changed([path, value]: Change): Promise<string> {
  const document = JSON.parse(await readFile(worked, 'utf8')) as { modulesContent: Record<string, unknown> }
  const keys = path.split('/')
  const last = keys.pop() ?? ''
  let at = document.modulesContent
  for (const key of keys) at = at[key] as Record<string, unknown>
  if (value === undefined) Reflect.deleteProperty(at, last)
  else at[last] = value
  return JSON.stringify(document)
}

describe('az iot edge set-modules', () => {
  // What running az's own schemas gave (facts: deployment-manifests §1.8): these rules have to give the same.
  for (const change of [
    [`${hub}/routes/route`, 'garbage'],
    [`${module}/settings/createOptions`, 'not json'],
    [`${module}/settings/createOptions02`, 'without the one before'],
    [`${module}/settings/image`, 'UPPER//:::x'],
    [`${agent}/schemaVersion`, '91.1x'],
    [`${agent}/schemaVersion`, '9.0'],
    [`${agent}/runtime/settings/registryCredentials/crimagepulltoken/password`, ''],
    [`${hub}/storeAndForwardConfiguration`, undefined]
  ] satisfies Change[])
    it(`takes ${shown(change)}`, async () => {
      assert.deepEqual(azRefuses(await changed(change)), [])
    })

  for (const change of [
    [`${hub}/storeAndForwardConfiguration/storeLimits`, { maxSizeBytes: 1 }],
    [`${agent}/integrity`, {}],
    [`${module}/settings/digest`, 'sha256:0'],
    [`${agent}/systemModules/edgeHub/version`, '1.0'],
    [`${agent}/systemModules/edgeHub/restartPolicy`, undefined],
    [`${module}/env/EMPTY`, {}],
    [`${module}/configuration`, {}],
    [`${module}/status`, 'paused'],
    [`${agent}/modules/a.b`, {}]
  ] satisfies Change[])
    it(`refuses ${shown(change)}`, async () => {
      assert.equal(azRefuses(await changed(change)).length > 0, true)
    })

  it('takes the worked example, and what generate makes of the templates that people have', async () => {
    assert.deepEqual(azRefuses(await readFile(worked, 'utf8')), [])
    const folder = await mkdtemp(join(tmpdir(), 'causeway-az-'))
    try {
      // With routes that have a priority, variables of all types and a runtime that is set up: nothing of it is lost or bent.
      const template = JSON.parse(await readFile(join(root, 'deployment.template.json'), 'utf8')) as {
        modulesContent: Record<string, Record<string, Record<string, unknown>>>
      }
      const desired = template.modulesContent['$edgeHub']?.['properties.desired'] ?? {}
      desired['routes'] = { all: { route: 'FROM /* INTO $upstream', priority: 1, timeToLiveSecs: 60 } }
      const file = join(folder, 'deployment.template.json')
      await writeFile(file, JSON.stringify(template))
      const words = ['generate', '--site', join(root, 'manifests/site.yaml'), '--template', file, '--without-secrets']
      const made = await mustRun(process.execPath, [join(root, 'generator/main.ts'), ...words, '--output', '-'])
      assert.deepEqual(azRefuses(made), [])
      assert.match(made, /"priority": 1/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
