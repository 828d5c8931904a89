import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Configuration } from '../../simulator/hub/configurations.ts'
import { desiredOf, effectiveOf } from '../../simulator/hub/layers.ts'
import { mergeLayers, type Sections } from './merge-layers.ts'

const name = fc.constantFrom('a', 'b', 'c')
const value = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.constantFrom('', 'text', true),
  fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }), { maxLength: 2 }),
  fc.dictionary(name, fc.oneof(fc.integer(), fc.dictionary(name, fc.constant('x'), { maxKeys: 2 })), { maxKeys: 3 })
)
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `properties.desired.${names.join('.')}`)
const dotted = fc.dictionary(path, value, { maxKeys: 4 })
const wholeSection = fc.dictionary(name, value, { maxKeys: 3 }).map((desired) => ({ 'properties.desired': desired }))
const section = fc.oneof({ weight: 3, arbitrary: dotted }, { weight: 1, arbitrary: wholeSection })
const module = fc.constantFrom('m', 'n', 'o')

const base = fc
  .record({ agent: wholeSection, hub: wholeSection, modules: fc.dictionary(module, wholeSection, { maxKeys: 2 }) })
  .map(({ agent, hub, modules }): Sections => ({ $edgeAgent: agent, $edgeHub: hub, ...modules }))
/** Without `$edgeHub`, so that it is a layer whatever its sections are. */
const layer = fc
  .record({ agent: fc.option(dotted, { nil: undefined }), modules: fc.dictionary(module, section, { maxKeys: 3 }) })
  .map(({ agent, modules }): Sections => ({ ...(agent === undefined ? {} : { $edgeAgent: agent }), ...modules }))

/** As IoT Hub keeps it, and the simulator reads it. */
function configuration(id: number, priority: number, modulesContent: Sections): Configuration {
  const kept: Pick<Configuration, 'id' | 'priority' | 'content' | 'createdTimeUtc'> = {
    id: `deployment-${id}`,
    priority,
    content: { modulesContent },
    createdTimeUtc: '2026-11-21T00:00:00Z'
  }
  return kept as Configuration
}

/** As it goes over the wire: there objects have no prototypes to differ in. */
function asSent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

describe('layers merged', () => {
  it('are what the hub of the simulator makes of them', () => {
    fc.assert(
      fc.property(base, fc.array(layer, { maxLength: 4 }), (bottom, layers) => {
        const targeting = layers.map((content, index) => configuration(index + 1, index + 1, content))
        const effective = effectiveOf('device', [...targeting.toReversed(), configuration(0, 0, bottom)])
        assert.ok(effective)
        const fromHub = Object.fromEntries(desiredOf(effective, () => undefined))
        assert.deepEqual(asSent(mergeLayers([bottom, ...layers])), asSent(fromHub))
      }),
      { numRuns: 500 }
    )
  })

  it('replace a whole section, and a whole object at a path', () => {
    const of = (...deployments: Sections[]): unknown => mergeLayers(deployments)['m']
    const bottom = { m: { 'properties.desired': { a: { x: 1, y: 2 }, b: 1 } } }
    assert.deepEqual(of(bottom, { m: { 'properties.desired.a': { z: 3 } } }), { a: { z: 3 }, b: 1 })
    assert.deepEqual(of(bottom, { m: { 'properties.desired.a.x': [[1]] } }), { a: { x: [[1]], y: 2 }, b: 1 })
    assert.deepEqual(of(bottom, { m: { 'properties.desired.b.c': 5 } }), { a: { x: 1, y: 2 }, b: { c: 5 } })
    assert.deepEqual(of(bottom, { m: { 'properties.desired': {} } }), {})
  })
})
