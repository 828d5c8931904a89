import { twinSize } from '../deployment/twin-size.ts'
import { valueOf, type JsonNode } from './json.ts'
import { join, type Spot } from './place.ts'
import { templateHole } from './placeholders.ts'

/** IoT Hub's limits of a twin (azure-sdk.md §7); sizes in bytes. */
const limits = { key: 1024, text: 4096, half: 32 * 1024, depth: 10, least: -(2 ** 52), most: 2 ** 52 - 1 } as const

/** C0 and C1 controls, the dot, the dollar and the space. */
const forbiddenInKeys = /[\u0000-\u001f\u007f-\u009f.$ ]/

/**
 * Checks what becomes a twin's desired half: keys, lengths, depth and numbers, whatever the properties mean.
 *
 * @param depth of the value below `properties.desired`, which is 1
 */
export function checkTwinValues(spot: Spot, depth = 1): void {
  const { node, path, around } = spot
  const visit = (value: JsonNode, where: string, level: number): void => {
    switch (value.kind) {
      case 'string':
        if (Buffer.byteLength(value.value) > limits.text && !isChunkedLater(where))
          around.report.add(
            'M042',
            value.at,
            where,
            `${Buffer.byteLength(value.value)} bytes, and IoT Hub takes ${limits.text}`
          )
        return
      case 'number':
        if (Number.isInteger(value.value) && (value.value < limits.least || value.value > limits.most))
          around.report.add('M015', value.at, where, 'whole numbers of a twin stay within 2^52')
        return
      case 'object':
      case 'array':
        if (level > limits.depth) {
          // The objects that createOptions has in a template become one text.
          if (!isChunkedLater(where))
            around.report.add('M015', value.at, where, `nested more than ${limits.depth} deep`)
          return
        }
        if (value.kind === 'array') value.items.forEach((item, index) => visit(item, `${where}[${index}]`, level + 1))
        else
          for (const member of value.members) {
            if (!isChunkedLater(where)) checkKey(member.key, member.keyAt, where)
            visit(member.value, join(where, member.key), level + 1)
          }
        return
      default:
        return
    }
  }
  const checkKey = (key: string, at: number, where: string): void => {
    if (around.kind === 'template' && templateHole(key) !== undefined) return
    if (key === '' || forbiddenInKeys.test(key))
      around.report.add(
        'M015',
        at,
        join(where, key),
        `a twin has no key "${key}": no dots, dollars, spaces or control characters`
      )
    else if (Buffer.byteLength(key) > limits.key)
      around.report.add('M015', at, where, `a key of ${Buffer.byteLength(key)} bytes, and IoT Hub takes ${limits.key}`)
  }
  /** In templates createOptions may be an object or a text of any length: `generate` turns it into pieces of 512. */
  const isChunkedLater = (where: string): boolean =>
    around.kind === 'template' && /\.createOptions(?:[.[]|$)/i.test(where)
  visit(node, path, depth)
}

/** A text, an image and a state for every module: what edgeAgent reports beside what it was given, in bytes. */
const stateOfModule = 350

/** Checks the size of the desired half, and for `$edgeAgent` that of what will be reported (deployment-manifests.md §1.5). */
export function checkTwinSize(desired: Spot, agent: boolean): void {
  const size = twinSize(valueOf(desired.node))
  if (size > limits.half) {
    desired.finding('M043', `${size} bytes of desired properties, and IoT Hub keeps ${limits.half}`)
    return
  }
  if (!agent) return
  const lists = [desired.get('systemModules'), desired.get('modules')].filter((spot) => spot !== undefined)
  const modules = lists.reduce((count, list) => count + list.members().length, 0)
  const reported = lists.reduce((sum, { node }) => sum + twinSize(valueOf(node)), 0) + modules * stateOfModule
  if (reported > limits.half)
    desired.finding(
      'M043',
      `edgeAgent will report about ${reported} bytes for these ${modules} modules, and IoT Hub keeps ${limits.half}`,
      'warning'
    )
}
