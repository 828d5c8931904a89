import { checkAgent, checkModuleId, type AgentSection } from './agent.ts'
import { checkApiProxies } from './api-proxy.ts'
import type { Encoding } from './encoding.ts'
import type { FileReport, ManifestKind } from './finding.ts'
import { checkHub, type Sink } from './hub.ts'
import { findPlaceholder, JsonSyntaxError, memberOf, parseJson, type JsonNode, type JsonObject } from './json.ts'
import { checkAgentLayer, checkHubLayer, layeredSection, type DottedKey } from './layered.ts'
import { wholeOf } from './lenient.ts'
import { isOpen } from './module-spec.ts'
import { join, Report, Spot, type Surroundings } from './place.ts'
import { angleHole, isReference, leftover } from './placeholders.ts'
import { checkTwinSize, checkTwinValues } from './twin.ts'

/** What of a manifest matters to others that are looked at in the same run. */
export interface Deployment {
  readonly file: string
  readonly kind: ManifestKind
  readonly content: JsonObject | undefined
  /** The modules that routes lead to. */
  readonly sinks: readonly Sink[]
  readonly layered: boolean
  readonly priority: number | undefined
  readonly targetCondition: string | undefined
  /** `$edgeAgent.modules.<name>`, `$edgeHub.routes.<name>.priority` and so on: what a layer sets. */
  readonly touches: readonly string[]
  readonly report: Report
  readonly priorityAt: number
}

export interface Examined {
  readonly deployment: Deployment
  /** Sorted by place. */
  toReport(): FileReport
}

const desiredKey = 'properties.desired'

/**
 * Looks at one document and finds everything that a device or IoT Hub would refuse or misread.
 *
 * @param file what the report calls it; its name tells templates and debug deployments
 * @param encoding what the file was saved as
 */
export function examine(text: string, file: string, encoding: Encoding = 'UTF-8'): Examined {
  const clean = text.replace(/^\uFEFF/, '')
  const report = new Report(clean)
  if (clean !== text) report.add('M001', 0, '', 'a byte order mark stands before the document', 'warning')
  if (encoding === 'UTF-16') report.add('M001', 0, '', 'it is saved as UTF-16; save it as UTF-8', 'warning')
  if (encoding === 'unknown')
    report.add('M001', clean.indexOf('\uFFFD'), '', 'bytes that are no UTF-8; save it as UTF-8', 'warning')
  let document: JsonNode
  try {
    document = parseJson(clean)
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    const binary = clean.includes('\0') ? ' (it holds null bytes: is it a text, and saved as UTF-8?)' : ''
    report.add('M001', error.at, '', `it is not JSON: ${error.message}${binary}`)
    return examined(file, report, isTemplateName(file) ? 'template' : 'deployment')
  }
  const content = contentOf(document)
  const template = isTemplateName(file) || isTemplateText(document, clean)
  const layered = content !== undefined && isLayered(content.node)
  const kind: ManifestKind = template ? 'template' : layered ? 'layered' : 'deployment'
  const around: Surroundings = { report, kind }
  const unquoted = template ? undefined : findPlaceholder(document)
  if (unquoted !== undefined) report.add('M001', unquoted.at, '', 'it is not JSON: a placeholder without quotes')
  findDuplicates(document, '', report)
  if (content === undefined) noContent(document, report)
  const checked = content === undefined ? { touches: [], sinks: [] } : checkContent(content, layered, around)
  if (content !== undefined) findHoles(content.node, content.path, around)
  return examined(file, report, kind, { layered, ...checked, content: content?.node, document })
}

/** {@link examine}, for one document alone. */
export function validateManifest(text: string, file: string): FileReport {
  return examine(text, file).toReport()
}

function examined(
  file: string,
  report: Report,
  kind: ManifestKind,
  more?: Pick<Deployment, 'layered' | 'touches' | 'sinks' | 'content'> & { readonly document: JsonNode }
): Examined {
  const priority = memberOf(more?.document, 'priority')?.value
  const around: Surroundings = { report, kind }
  const condition = memberOf(more?.document, 'targetCondition')?.value
  return {
    deployment: {
      file,
      kind,
      content: more?.content,
      sinks: more?.sinks ?? [],
      layered: more?.layered ?? false,
      touches: more?.touches ?? [],
      priority: priority === undefined ? undefined : checkPriority(new Spot(priority, 'priority', around)),
      targetCondition: condition?.kind === 'string' ? condition.value : undefined,
      report,
      priorityAt: priority?.at ?? 0
    },
    toReport() {
      const debug = /debug/i.test(file)
      const findings = report.findings
        .filter(({ code }) => !(debug && code === 'M090'))
        .sort((a, b) => a.line - b.line || a.column - b.column || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0))
      return { file, kind, ok: findings.every(({ severity }) => severity !== 'error'), findings }
    }
  }
}

/** @returns the priority among automatic deployments; undefined where it is open or none */
function checkPriority(spot: Spot): number | undefined {
  if (spot.node.kind === 'null' || isOpen(spot)) return undefined
  const priority = wholeOf(spot, 0, 2_147_483_647)
  if (priority === undefined) spot.finding('M063', 'priority must be a whole number from 0')
  else if (spot.node.kind !== 'number') spot.finding('M063', 'priority is a number in quotes', 'warning')
  return priority
}

function isTemplateName(file: string): boolean {
  return /\.template(?:[._-][^/\\]*)?\.json$/i.test(file)
}

/** What only templates have: `$schema-template`, modules by placeholder, or one of Causeway's own variables. */
function isTemplateText(document: JsonNode, text: string): boolean {
  return (
    memberOf(document, '$schema-template') !== undefined ||
    /\$\{(?:MODULES\.|MODULEDIR<|registry\.|settings\})/.test(text)
  )
}

interface Content {
  readonly node: JsonObject
  readonly at: number
  readonly path: string
  readonly legacy: boolean
}

/** Both envelopes, and the old name (deployment-manifests.md §1.1). */
function contentOf(document: JsonNode): Content | undefined {
  const envelope = memberOf(document, 'content')?.value
  for (const [holder, path] of [
    [document, ''],
    [envelope, 'content']
  ] as const)
    for (const name of ['modulesContent', 'moduleContent']) {
      const member = holder?.kind === 'object' ? holder.members.findLast(({ key }) => key === name) : undefined
      if (member?.value.kind === 'object')
        return { node: member.value, at: member.keyAt, path: join(path, name), legacy: name === 'moduleContent' }
    }
  return undefined
}

function noContent(document: JsonNode, report: Report): void {
  const member =
    memberOf(document, 'modulesContent') ?? memberOf(memberOf(document, 'content')?.value, 'modulesContent')
  const other = memberOf(document, 'deviceContent') ?? memberOf(memberOf(document, 'content')?.value, 'deviceContent')
  const message =
    other === undefined
      ? 'it has no object modulesContent'
      : 'it has deviceContent in place of modulesContent: a configuration of devices, and no deployment'
  report.add('M002', member?.value.at ?? other?.keyAt ?? document.at, member?.key ?? other?.key ?? '', message)
}

function isLayered(content: JsonObject): boolean {
  const dotted = content.members.some(
    ({ value }) => value.kind === 'object' && value.members.some(({ key }) => key.startsWith(`${desiredKey}.`))
  )
  const whole = memberOf(memberOf(content, '$edgeAgent')?.value, desiredKey) !== undefined
  const system = ['$edgeAgent', '$edgeHub'].some((name) => {
    const section = memberOf(content, name)
    return section !== undefined && !isEmpty(section.value)
  })
  return !whole && (dotted || (!system && content.members.some(({ value }) => !isEmpty(value))))
}

/** `"module": {}`, which exports of IoT Hub have for modules that are told nothing. */
function isEmpty(section: JsonNode): boolean {
  return section.kind === 'object' && section.members.length === 0
}

function checkContent(content: Content, layered: boolean, around: Surroundings): Pick<Deployment, 'touches' | 'sinks'> {
  const { report } = around
  if (content.legacy)
    report.add('M002', content.at, content.path, 'moduleContent is the old name of modulesContent', 'warning')
  const root = new Spot(content.node, content.path, around)
  const sections = new Map(root.members().map(({ key, spot }) => [key, spot]))
  if (!layered)
    for (const name of ['$edgeAgent', '$edgeHub']) {
      const section = sections.get(name)
      if (section === undefined || isEmpty(section.node)) root.missing('M003', name, `a whole deployment needs ${name}`)
    }
  const touches: string[] = []
  let agent: AgentSection = { modules: [], names: new Set() }
  const sinks: Sink[] = []
  for (const [name, section] of sections) {
    if (section.node.kind !== 'object') {
      if (section.node.kind !== 'placeholder') section.finding('M080', `${name} must be an object with ${desiredKey}`)
      continue
    }
    if (isEmpty(section.node)) {
      section.finding('M004', `${name} is empty and sets nothing`, 'info')
      continue
    }
    const { whole, dotted } = partsOf(section, name, layered)
    touches.push(...dotted.map(({ key }) => [name, ...key].join('.')), ...(whole === undefined ? [] : [name]))
    for (const { spot, key } of dotted) checkTwinValues(spot, key.length + 1)
    const parts = layeredSection(section, dotted)
    if (name === '$edgeAgent') agent = whole === undefined ? checkAgentLayer(dotted, parts) : checkAgent(whole)
    else if (name === '$edgeHub') {
      if (layered && whole !== undefined)
        whole.finding('M062', 'a layer cannot set all of $edgeHub, only single routes')
      sinks.push(...(whole === undefined ? checkHubLayer(dotted, parts) : checkHub(whole)))
    }
    if (whole !== undefined) checkTwinValues(whole)
    // Of a layer this is the least that it comes to: its base adds to it.
    checkTwinSize(whole ?? parts.desired, name === '$edgeAgent')
  }
  for (const [name, section] of sections) if (!agent.names.has(name)) checkModuleId(name, section)
  if (!layered) checkNames(agent, sinks, sections)
  checkApiProxies(agent.modules, layered ? undefined : agent.names)
  return { touches, sinks }
}

interface Parts {
  readonly whole: Spot | undefined
  /** Keys below `properties.desired`, in a layer. */
  readonly dotted: readonly DottedKey[]
}

function partsOf(section: Spot, name: string, layered: boolean): Parts {
  let whole: Spot | undefined
  const dotted: DottedKey[] = []
  for (const { key, spot } of section.members()) {
    if (key === desiredKey) {
      if (spot.node.kind === 'object') whole = spot
      // `"${settings}"` of a template becomes an object when it is expanded.
      else if (spot.around.kind !== 'template') spot.finding('M080', `${desiredKey} must be an object`)
    } else if (key.startsWith(`${desiredKey}.`)) {
      dotted.push({ key: key.slice(desiredKey.length + 1).split('.'), spot })
      if (!layered && name.startsWith('$')) spot.finding('M004', `${name} has ${desiredKey} and a dotted key beside it`)
      else if (!layered)
        spot.finding('M004', 'beside a whole deployment this goes at scale only; a single device refuses it', 'warning')
    } else spot.finding('M004', `${key} of ${name} is not under ${desiredKey}`, 'warning')
  }
  if (whole === undefined && dotted.length === 0 && section.members().every(({ key }) => key !== desiredKey))
    section.finding('M004', `${name} has no ${desiredKey}`)
  return { whole, dotted }
}

function checkNames(agent: AgentSection, sinks: readonly Sink[], sections: ReadonlyMap<string, Spot>): void {
  for (const { module, spot } of sinks)
    if (!agent.names.has(module)) spot.finding('M021', `no module is called ${module}`)
  for (const [name, section] of sections)
    if (!name.startsWith('$') && agent.names.size > 0 && !agent.names.has(name))
      section.finding('M070', `no module is called ${name} in $edgeAgent`)
}

function findDuplicates(node: JsonNode, path: string, report: Report): void {
  if (node.kind === 'array') node.items.forEach((item, index) => findDuplicates(item, `${path}[${index}]`, report))
  if (node.kind !== 'object') return
  const seen = new Set<string>()
  for (const { key, keyAt, value } of node.members) {
    if (seen.has(key))
      report.add('M001', keyAt, join(path, key), `the key ${key} is there before; only this one counts`, 'warning')
    seen.add(key)
    findDuplicates(value, join(path, key), report)
  }
}

/** Placeholders that stand in texts: those of templates, left over in a deployment, and those of documentation anywhere. */
function findHoles(node: JsonNode, path: string, around: Surroundings): void {
  const told = new Set<string>()
  const tell = (code: 'M050' | 'M053', hole: string, at: number, where: string): void => {
    if (told.has(hole)) return
    told.add(hole)
    const reference = isReference(hole)
    const message = reference ? `${hole} is filled in by generate` : `${hole} is not filled in`
    around.report.add(code, at, where, message, reference ? 'info' : undefined)
  }
  const visit = (value: JsonNode, where: string): void => {
    if (value.kind === 'object') for (const member of value.members) visit(member.value, join(where, member.key))
    else if (value.kind === 'array') value.items.forEach((item, index) => visit(item, `${where}[${index}]`))
    else if (value.kind === 'string') {
      const left = around.kind === 'template' ? undefined : leftover(value.value, where)
      if (left !== undefined) tell('M050', left, value.at, where)
      const angle = angleHole(value.value)
      if (angle !== undefined) tell('M053', angle, value.at, where)
    }
  }
  visit(node, path)
}
