import assert from 'node:assert/strict'
import { goodManifest } from '../../test/cases/deployment-manifests.ts'
import { testSite } from '../testing.ts'
import { examples, type Example } from './examples.ts'
import { checkLayers } from './layers.ts'
import { examine, validateManifest } from './manifest.ts'
import { checkPullToken } from './pull-token.ts'
import { checkReach } from './reach.ts'
import { rules, type RuleCode } from './rules.ts'

type Json = Readonly<Record<string, unknown>>

/** The good manifest with something else at a path. */
function withValue(at: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value
  const before = (typeof at === 'object' && at !== null ? at : {}) as Json
  const inside = withValue(before[key], rest, value)
  return Object.fromEntries(Object.entries({ ...before, [key]: inside }).filter(([, each]) => each !== undefined))
}

function textOf(path: Example['path'], value: unknown): string {
  if (path.length === 0) return String(value)
  // The first module of the API proxy's examples starts before it.
  const good = withValue(
    goodManifest,
    ['modulesContent', '$edgeAgent', 'properties.desired', 'modules', 'm', 'startupOrder'],
    1
  )
  return JSON.stringify(withValue(good, ['modulesContent', ...path], value))
}

/** Two deployments of these priorities, of which the second is a layer. */
function together(baseIsLayer: boolean, priorities: readonly number[]): readonly string[] {
  const layer = { m: { 'properties.desired.a': 1 } }
  const examined = priorities.map((priority, index) => {
    const { modulesContent } = goodManifest
    const content = { modulesContent: index === 0 && !baseIsLayer ? modulesContent : layer }
    return examine(JSON.stringify({ priority, content }), `${index}.json`)
  })
  checkLayers(examined.map(({ deployment }) => deployment))
  return examined.flatMap((each) => each.toReport().findings.map(({ code }) => code))
}

describe('the examples of the rules', () => {
  const found = (code: RuleCode, { path }: Example, value: unknown): readonly string[] => {
    const file = code === 'M052' ? 'deployment.template.json' : 'deployment.json'
    const text = textOf(path, value)
    if (code === 'M094') return checkPullToken(text, testSite()).map((finding) => finding.code)
    // The runtime of the good manifest is in the cloud as well.
    if (code === 'M097')
      return checkReach(text)
        .filter(({ path }) => path.includes('.modules.'))
        .map((finding) => finding.code)
    return (
      validateManifest(text, file)
        .findings.filter(({ severity }) => severity === rules[code].severity)
        // One remark for a whole file: what counts is whether it names the module.
        .map(({ code: each, message }) => (each === 'M092' && !/\bm$/.test(message) ? '' : each))
    )
  }

  for (const [code, example] of Object.entries(examples) as [RuleCode, Example][])
    it(`${code} finds its own, and not what is to be written instead`, () => {
      if (code === 'M060' || code === 'M061') {
        const [wrong, right] =
          code === 'M060'
            ? [
                [10, 10],
                [10, 11]
              ]
            : [
                [11, 11],
                [11, 12]
              ]
        assert.ok(together(code === 'M061', wrong).includes(code))
        assert.ok(!together(code === 'M061', right).includes(code))
        return
      }
      assert.ok(found(code, example, example.wrong).includes(code), 'what is wrong')
      assert.ok(!found(code, example, example.right).includes(code), 'what is right')
    })
})
