import { checkCreateOptions, type CreateOptions } from './create-options.ts'
import { checkImage, type ReadImage } from './image.ts'
import { notInQuotes, numberInQuotes, textOf, wholeOf } from './lenient.ts'
import type { Spot } from './place.ts'
import { templateHole } from './placeholders.ts'

/** A module as far as it could be read. */
export interface ModuleSpec {
  readonly name: string
  readonly spot: Spot
  readonly image: { readonly spot: Spot; readonly image: ReadImage } | undefined
  /** The image as it is written, readable or not. */
  readonly imageText: string
  readonly createOptions: CreateOptions
  /** Undefined where a template leaves it open. */
  readonly startupOrder: number | undefined
  /** The module's user-set environment: texts, or undefined for a value that a template leaves open. */
  readonly env: ReadonlyMap<string, Spot>
}

const lastOrder = 4_294_967_295
const choices = {
  status: ['running', 'stopped'],
  restartPolicy: ['never', 'on-failure', 'on-unhealthy', 'always'],
  imagePullPolicy: ['on-create', 'never']
} as const

/**
 * Checks one module (deployment-manifests.md §1.2).
 *
 * @param agent edgeAgent's own entry: it always runs, whatever its status says, and needs none
 * @returns undefined where nothing can be said about it
 */
export function checkModule(name: string, spot: Spot, agent = false): ModuleSpec | undefined {
  if (spot.node.kind === 'placeholder') return undefined
  if (spot.node.kind !== 'object') {
    spot.finding('M080', `${name} must be an object: a module`)
    return undefined
  }
  checkType(spot)
  if (!agent) {
    if (spot.get('status') === undefined) spot.missing('M013', 'status', 'a module needs status: running or stopped')
    checkChoice(spot, 'status')
    checkChoice(spot, 'restartPolicy')
  }
  checkChoice(spot, 'imagePullPolicy')
  checkModuleVersion(spot.get('version'))
  return {
    name,
    spot,
    ...checkSettings(spot),
    startupOrder: agent ? 0 : checkOrder(spot.get('startupOrder')),
    env: checkEnvironment(spot.get('env'))
  }
}

/**
 * Checks what a layer sets inside of a module that its base has: `properties.desired.modules.<name>.env.<NAME>` and its like.
 *
 * @param newSettings whether it sets all of the settings
 */
export function checkPartOfModule(spot: Spot, newSettings: boolean): void {
  if (spot.get('type') !== undefined) checkType(spot)
  checkChoice(spot, 'status')
  checkChoice(spot, 'restartPolicy')
  checkChoice(spot, 'imagePullPolicy')
  checkModuleVersion(spot.get('version'))
  checkOrder(spot.get('startupOrder'))
  checkEnvironment(spot.get('env'))
  const settings = spot.get('settings')
  if (settings === undefined) return
  if (newSettings) {
    checkSettings(spot)
    return
  }
  const image = settings.get('image')
  if (image !== undefined) checkImage(image)
  // Without the first piece the others belong to what the base has.
  if (settings.get('createOptions') !== undefined) checkCreateOptions(settings)
}

/** `"type": "docker"`, the only kind of module there is. */
export function checkType(spot: Spot, code: 'M011' | 'M013' = 'M013'): void {
  const type = spot.get('type')
  if (type === undefined) spot.missing(code, 'type', 'type is missing; it must be "docker"')
  else if (!isOpen(type) && !(type.node.kind === 'string' && type.node.value.toLowerCase() === 'docker'))
    type.finding(code, 'type must be "docker"')
}

function checkChoice(spot: Spot, name: keyof typeof choices): void {
  const field = spot.get(name)
  if (field === undefined || isOpen(field)) return
  const known: readonly string[] = choices[name]
  if (field.node.kind !== 'string' || !known.includes(field.node.value.toLowerCase()))
    field.finding('M013', `${name} must be one of ${known.join(', ')}`)
}

function checkModuleVersion(field: Spot | undefined): void {
  if (field === undefined || field.node.kind === 'string' || isOpen(field)) return
  if (textOf(field) === undefined) field.finding('M013', 'version must be a text')
  else field.finding('M013', `version ${notInQuotes}`, 'warning')
}

/** @returns the order; undefined where it is open or wrong */
function checkOrder(field: Spot | undefined): number | undefined {
  if (field === undefined) return lastOrder
  if (isOpen(field)) return undefined
  const order = wholeOf(field, 0, lastOrder)
  if (order === undefined) field.finding('M013', `startupOrder must be a whole number from 0 to ${lastOrder}`)
  else if (field.node.kind !== 'number') field.finding('M013', `startupOrder ${numberInQuotes}`, 'warning')
  return order
}

function checkSettings(spot: Spot): Pick<ModuleSpec, 'image' | 'imageText' | 'createOptions'> {
  const settings = spot.get('settings')
  const unknown = { image: undefined, imageText: '', createOptions: { options: undefined, known: false } }
  if (settings === undefined) {
    spot.missing('M013', 'settings', 'a module needs settings with its image')
    return unknown
  }
  if (settings.node.kind === 'placeholder') return unknown
  if (settings.node.kind !== 'object') {
    settings.finding('M080', 'settings must be an object')
    return unknown
  }
  const createOptions = checkCreateOptions(settings)
  const place = settings.get('image')
  if (place === undefined) {
    settings.missing('M030', 'image', 'a module needs an image')
    return { ...unknown, createOptions }
  }
  const image = checkImage(place)
  const imageText = place.node.kind === 'string' ? place.node.value : ''
  return { image: image === undefined ? undefined : { spot: place, image }, imageText, createOptions }
}

/** Names that az's schema takes for environment variables. */
const environmentName = /^[^+#$\s.]+$/

function checkEnvironment(env: Spot | undefined): ReadonlyMap<string, Spot> {
  const values = new Map<string, Spot>()
  if (env === undefined || env.node.kind === 'placeholder') return values
  if (env.node.kind !== 'object') {
    env.finding('M080', 'env must be an object of {"NAME": {"value": …}}')
    return values
  }
  for (const { key, spot } of env.members()) {
    const value = checkVariable(key, spot)
    if (value !== undefined) values.set(key, value)
  }
  return values
}

/** @returns the value of an environment variable, unless it is wrong or none */
function checkVariable(key: string, spot: Spot): Spot | undefined {
  if (spot.node.kind === 'placeholder') return undefined
  if (spot.node.kind !== 'object') {
    spot.finding('M080', `${key} must be {"value": …}; a text here, a comment too, breaks the whole deployment`)
    return undefined
  }
  if (!environmentName.test(key) && /[+#]/.test(key))
    spot.finding('M014', `az's schema refuses the name ${key} for an environment variable`)
  const value = spot.get('value')
  if (value?.node.kind !== 'object' && value?.node.kind !== 'array') return value
  value.finding('M080', `the value of ${key} must be a text`)
  return undefined
}

/** Whether a template leaves the value open. */
export function isOpen({ node, around }: Spot): boolean {
  if (around.kind !== 'template') return false
  return node.kind === 'placeholder' || (node.kind === 'string' && templateHole(node.value) !== undefined)
}
