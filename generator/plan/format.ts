import { azdoAnnotation, githubAnnotation } from '../output/annotations.ts'
import { plain, plainJson } from '../output/plain.ts'
import { formatSarif } from '../output/sarif.ts'
import { changeCodes, type Change, type Plan } from './plan.ts'
import type { Difference } from './difference.ts'
import type { PlanStyle } from './styles.ts'

/** The same plan gives the same text; it ends with a newline. */
export function formatPlan(plan: Plan, style: PlanStyle, siteFile: string): string {
  switch (style) {
    case 'text':
      return text(plan)
    case 'json':
      return plainJson(`${JSON.stringify(plan, undefined, 2)}\n`)
    case 'markdown':
      return markdown(plan)
    case 'github':
      return plan.changes.map((change) => githubLine(change, siteFile)).join('') + githubSummary(plan)
    case 'azdo':
      return plan.changes.map((change) => azdoLine(change, siteFile)).join('') + `${summaryOf(plan)}\n`
    case 'sarif':
      return sarif(plan, siteFile)
  }
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
  return `${[...lines.map(plain), summaryOf(plan)].join('\n')}\n`
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
  return value === undefined || value === '' ? '' : `\`${plain(value).replaceAll('`', "'").replaceAll('|', '\\|')}\``
}

function escaped(value: string): string {
  return plain(value).replace(/[\\|<>*_`[\]]/g, '\\$&')
}

/** One annotation a change: what goes and what interrupts is a warning, everything else a notice. */
function githubLine(change: Change, file: string): string {
  return githubAnnotation({ ...annotation(change, file), level: isWarning(change) ? 'warning' : 'notice' })
}

function annotation(change: Change, file: string): { file: string; code: string; title: string; message: string } {
  return { file, code: change.code, title: changeCodes[change.code], message: sentence(change) }
}

function githubSummary(plan: Plan): string {
  return `${summaryOf(plan)}\n`
}

/** Azure DevOps knows errors and warnings only; what is neither is a line in the log. */
function azdoLine(change: Change, file: string): string {
  if (!isWarning(change)) return `${plain(`${signs[change.action]} ${change.code} ${sentence(change)}`)}\n`
  return azdoAnnotation({ ...annotation(change, file), level: 'warning' })
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
  return action === 'remove' || ['P104', 'P107', 'P108', 'P207'].includes(code)
}

function sarif(plan: Plan, file: string): string {
  const results = plan.changes.map((change) => ({
    ruleId: change.code,
    level: isWarning(change) ? ('warning' as const) : ('note' as const),
    message: sentence(change),
    file,
    line: 1,
    fingerprint: `${change.part}/${change.subject}/${change.code}`
  }))
  return formatSarif('causeway plan', (code) => changeCodes[code as Change['code']], results)
}

function byPart({ changes }: Plan): [string, readonly Change[]][] {
  const parts = new Map<string, Change[]>()
  for (const change of changes) parts.set(change.part, [...(parts.get(change.part) ?? []), change])
  return [...parts]
}
