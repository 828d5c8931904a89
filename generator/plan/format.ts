import { isCi, type Io } from '../io.ts'
import { changeCodes, type Change, type Plan } from './plan.ts'
import type { Difference } from './difference.ts'
import type { PlanStyle } from './styles.ts'

/** The same plan gives the same text; it ends with a newline. */
export function formatPlan(plan: Plan, style: PlanStyle, siteFile: string): string {
  switch (style) {
    case 'text':
      return text(plan)
    case 'json':
      return `${JSON.stringify(plan, undefined, 2)}\n`
    case 'markdown':
      return markdown(plan)
    case 'github':
      return plan.changes.map((change) => githubLine(change, siteFile)).join('') + githubSummary(plan)
    case 'azdo':
      return plan.changes.map((change) => azdoLine(change, siteFile)).join('') + `${summaryOf(plan)}\n`
    case 'sarif':
      return `${JSON.stringify(sarif(plan, siteFile), undefined, 2)}\n`
  }
}

/** The style that fits where a plan is printed, where none is asked for. */
export function defaultStyle(env: Io['env']): PlanStyle {
  if (!isCi(env)) return 'text'
  if (env['GITHUB_ACTIONS'] === 'true') return 'github'
  return env['TF_BUILD'] === undefined ? 'text' : 'azdo'
}

const signs = { add: '+', change: '~', remove: '-' } as const
const words = { add: 'add', change: 'change', remove: 'remove' } as const

/** `2 to add, 1 to change, 1 to remove` */
export function summaryOf({ changes }: Pick<Plan, 'changes'>): string {
  const count = (action: Change['action']): number =>
    changes.filter((change) => change.action === action && change.code !== 'P207').length
  return changes.length === 0
    ? 'nothing to do'
    : `${count('add')} to add, ${count('change')} to change, ${count('remove')} to remove`
}

function text(plan: Plan): string {
  const lines = byPart(plan).flatMap(([part, changes]) => [
    part,
    ...changes.flatMap((change) => [
      `  ${signs[change.action]} ${change.subject} (${change.code})`,
      ...change.differences.map((difference) => `      ${signs[difference.action]} ${described(difference)}`),
      ...(change.warning === undefined ? [] : [`      ! ${change.warning}`])
    ]),
    ''
  ])
  return `${[...lines, summaryOf(plan)].join('\n')}\n`
}

function described({ path, before, after }: Difference): string {
  const value = before !== undefined && after !== undefined ? `${before} -> ${after}` : (after ?? before ?? undefined)
  return value === undefined ? path : path === '' ? value : `${path}: ${value}`
}

function markdown(plan: Plan): string {
  const lines = [
    `### Causeway plan for ${plan.registry} and ${plan.hub}`,
    '',
    `**${summaryOf(plan)}**`,
    '',
    ...byPart(plan).flatMap(([part, changes]) => [
      `#### ${part}`,
      '',
      '| | what | where | before | after |',
      '| --- | --- | --- | --- | --- |',
      ...changes.flatMap((change) => rows(change)),
      '',
      ...changes.flatMap(({ subject, warning }) =>
        warning === undefined ? [] : [`> **${escaped(subject)}**: ${escaped(warning)}`, '>']
      ),
      ''
    ])
  ]
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`
}

function rows(change: Change): string[] {
  const first = `| ${words[change.action]} | ${escaped(change.subject)} (${change.code}) |`
  if (change.differences.length === 0) return [`${first} | | |`]
  return change.differences.map(({ path, before, after }, index) => {
    const start = index === 0 ? first : '| | |'
    return `${start} ${coded(path)} | ${coded(before)} | ${coded(after)} |`
  })
}

function coded(value: string | undefined): string {
  return value === undefined || value === ''
    ? ''
    : `\`${value.replaceAll('`', "'").replaceAll('|', '\\|').replaceAll('\n', ' ')}\``
}

function escaped(value: string): string {
  return value.replace(/[\\|<>*_`[\]]/g, '\\$&').replaceAll('\n', ' ')
}

/** One annotation a change: what goes and what interrupts is a warning, everything else a notice. */
function githubLine(change: Change, file: string): string {
  const data = (value: string): string => value.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = (value: string): string => data(value).replaceAll(':', '%3A').replaceAll(',', '%2C')
  const title = `${change.code} ${changeCodes[change.code]}`
  return `::${isWarning(change) ? 'warning' : 'notice'} file=${property(file)},title=${property(title)}::${data(sentence(change))}\n`
}

function githubSummary(plan: Plan): string {
  return `${summaryOf(plan)}\n`
}

/** Azure DevOps knows errors and warnings only; what is neither is a line in the log. */
function azdoLine(change: Change, file: string): string {
  const property = (value: string): string =>
    value
      .replaceAll('%', '%AZP25')
      .replaceAll(';', '%3B')
      .replaceAll('\r', '%0D')
      .replaceAll('\n', '%0A')
      .replaceAll(']', '%5D')
  const message = sentence(change).replaceAll('%', '%AZP25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  if (!isWarning(change)) return `${signs[change.action]} ${change.code} ${sentence(change)}\n`
  return `##vso[task.logissue type=warning;sourcepath=${property(file)};code=${change.code}]${message}\n`
}

/** A change in one sentence, with the first of its differences. */
export function sentence(change: Change): string {
  const details = change.differences.map((difference) => `${signs[difference.action]}${described(difference)}`)
  const shown = details.length > 5 ? [...details.slice(0, 5), `and ${details.length - 5} more`] : details
  return [
    `${change.part}: ${words[change.action]} ${change.subject}`,
    ...(shown.length === 0 ? [] : [shown.join(', ')]),
    ...(change.warning === undefined ? [] : [change.warning])
  ].join('; ')
}

function isWarning({ action, code }: Change): boolean {
  return action === 'remove' || code === 'P207' || code === 'P104' || code === 'P107'
}

/** SARIF 2.1.0, as code scanning takes it. */
function sarif(plan: Plan, file: string): object {
  const used = [...new Set(plan.changes.map(({ code }) => code))].sort()
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'causeway plan',
            rules: used.map((id) => ({ id, shortDescription: { text: changeCodes[id] } }))
          }
        },
        results: plan.changes.map((change) => ({
          ruleId: change.code,
          level: isWarning(change) ? 'warning' : 'note',
          message: { text: sentence(change) },
          locations: [
            { physicalLocation: { artifactLocation: { uri: file.replaceAll('\\', '/') }, region: { startLine: 1 } } }
          ],
          partialFingerprints: { change: `${change.part}/${change.subject}/${change.code}` }
        }))
      }
    ]
  }
}

function byPart({ changes }: Plan): [string, readonly Change[]][] {
  const parts = new Map<string, Change[]>()
  for (const change of changes) parts.set(change.part, [...(parts.get(change.part) ?? []), change])
  return [...parts]
}
