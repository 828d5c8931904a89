import { checkShape } from './create-options-shape.ts'
import { findPlaceholder, JsonSyntaxError, parseJson, parseTolerantly, type JsonNode } from './json.ts'
import type { Spot } from './place.ts'
import { documentHoles, filled, templateHole, templateHoles } from './placeholders.ts'

/** What of a module's create options other checks look at. */
export interface CreateOptions {
  readonly options: JsonNode | undefined
  /** Whether they are known: a template may leave them open. */
  readonly known: boolean
}

const open: CreateOptions = { options: undefined, known: false }
const none: CreateOptions = { options: undefined, known: true }

/**
 * Checks `createOptions`, `createOptions01` … `createOptions99`: in a row, keys in any case, joined JSON of the right shape
 * (deployment-manifests.md §1.2). Templates have objects there, which are turned into text later (§1.7).
 */
export function checkCreateOptions(settings: Spot): CreateOptions {
  const chunks = settings
    .members()
    .filter(({ key }) => /createoptions/i.test(key))
    .sort((a, b) => (a.key.toLowerCase() < b.key.toLowerCase() ? -1 : 1))
  const [first] = chunks
  if (first === undefined) return none
  for (const [index, { key, spot }] of chunks.entries()) {
    // ChunkedProperty: whatever has the word in it counts as a piece, and `createOptions1` as the second like `createOptions01`.
    const [, number = ''] = /createoptions(\d*)/i.exec(key) ?? []
    if (index === 0 ? number === '' : number !== '' && Number(number) === index) continue
    const expected = index === 0 ? 'createOptions' : `createOptions${String(index).padStart(2, '0')}`
    spot.finding('M041', `expected ${expected}, found ${key}`)
    return open
  }
  if (chunks.length > mostChunks) {
    chunks[mostChunks]?.spot.finding('M041', `edgeAgent reads ${mostChunks} pieces, and there are ${chunks.length}`)
    return open
  }
  if (first.spot.node.kind === 'object' && chunks.length === 1) {
    if (settings.around.kind !== 'template')
      first.spot.finding('M045', 'createOptions is an object; write it as a text')
    checkShape(first.spot.node, first.spot, false)
    return { options: first.spot.node, known: true }
  }
  const texts = chunks.map(({ spot }) => (spot.node.kind === 'string' ? spot.node.value : undefined))
  if (texts.includes(undefined)) {
    const wrong = chunks.find(({ spot }) => spot.node.kind !== 'string' && spot.node.kind !== 'placeholder')
    wrong?.spot.finding('M040', `${wrong.key} must be a text that holds JSON`)
    return open
  }
  return checkText(texts.join(''), first.spot)
}

const mostChunks = 100

function checkText(text: string, spot: Spot): CreateOptions {
  if (text.trim() === '' || text.toLowerCase() === 'null') return none
  const template = spot.around.kind === 'template' && templateHole(text) !== undefined
  let failure: JsonSyntaxError | undefined
  for (const candidate of readings(text, template ? templateHoles : documentHoles))
    try {
      const options = parseJson(candidate)
      const hole = findPlaceholder(options)
      if (hole !== undefined && !template) throw new JsonSyntaxError('a placeholder that is not filled in', hole.at)
      if (options.kind !== 'object') {
        if (options.kind === 'placeholder') return open
        spot.finding('M044', 'createOptions must hold a JSON object')
        return open
      }
      checkShape(options, spot, candidate !== text)
      return { options, known: true }
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error
      failure ??= error
    }
  const tolerated = tolerantReading(text, template)
  if (tolerated?.kind === 'object') {
    spot.finding('M040', `${whyNot(failure)}; edgeAgent's reader bears with that, other tools do not`, 'warning')
    checkShape(tolerated, spot, template)
    return { options: tolerated, known: true }
  }
  // What a variable brings may itself be JSON: nothing is known before it is expanded.
  if (!template) spot.finding('M040', whyNot(failure))
  return open
}

function whyNot(failure: JsonSyntaxError | undefined): string {
  return `createOptions is not JSON: ${failure?.message ?? ''} at character ${(failure?.at ?? 0) + 1} of it`
}

/** What edgeAgent makes of a text that is no JSON (DockerConfig.cs reads it with Newtonsoft), unless it makes nothing of it. */
function tolerantReading(text: string, template: boolean): JsonNode | undefined {
  for (const candidate of readings(text, template ? templateHoles : documentHoles))
    try {
      const options = parseTolerantly(candidate)
      if (findPlaceholder(options) === undefined) return options
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error
    }
  return undefined
}

/** The text as it stands, and only where that is no JSON its holes filled in. */
function* readings(text: string, holes: readonly RegExp[]): Iterable<string> {
  yield text
  yield* filled(text, holes)
}
