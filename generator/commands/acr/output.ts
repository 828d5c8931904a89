import { isArray, isObject, sortKeys, type Json } from './json.ts'

export const outputFormats = ['json', 'table', 'tsv', 'none'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** The columns of one row, in their order. */
export type Row = Readonly<Record<string, string>>

/** How a command's result is shown. */
export interface Shown {
  readonly format: OutputFormat
  /** The table that a command has of its own; not for what a query made. */
  readonly table?: (result: Json) => readonly Row[]
  readonly queried: boolean
}

/** The result as az prints it; null is printed as nothing at all. */
export function formatResult(result: Json, { format, table, queried }: Shown): string {
  if (result === null || format === 'none') return ''
  if (format === 'json') return `${JSON.stringify(sortKeys(result), undefined, 2)}\n`
  // Without a query members come sorted; a query puts them into an order of its own.
  const ordered = queried ? result : sortKeys(result)
  if (format === 'tsv') return list(ordered).map(tsvRow).join('')
  return formatRows(table !== undefined && !queried ? table(result) : list(ordered).map(autoRow))
}

function list(value: Json): readonly Json[] {
  return isArray(value) ? value : [value]
}

/** Tabs between members. az writes Python's words inside a row (`True`, `None`), JSON's for a value alone, and so do we. */
function tsvRow(value: Json): string {
  if (typeof value === 'boolean') return `${value}\n`
  if (isArray(value)) return `${value.map(tsvCell).join('\t')}\n`
  return isObject(value) ? `${Object.values(value).map(tsvCell).join('\t')}\n` : `${tsvCell(value)}\n`
}

function tsvCell(value: Json): string {
  if (isArray(value)) return String(value.length)
  return isObject(value) ? '' : python(value)
}

function python(value: null | boolean | number | string): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return String(value)
}

/** Members that az leaves out of a table that it makes by itself. */
const skipped = new Set(['id', 'type', 'etag'])

function autoRow(item: Json): Row {
  if (isArray(item)) return Object.fromEntries(item.map((value, index) => [`Column${index + 1}`, cell(value)]))
  if (!isObject(item)) return { Result: cell(item) }
  return Object.fromEntries(
    Object.entries(item)
      .filter(([name, value]) => !skipped.has(name) && value !== null && typeof value !== 'object')
      .map(([name, value]) => [`${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, cell(value)])
  )
}

function cell(value: Json): string {
  if (typeof value === 'object' && value !== null) return JSON.stringify(value)
  return value === null ? '' : python(value)
}

/** What az's table writer adds to the width of a heading. */
const headingSpace = 2

/** A heading, a line of dashes, the rows: the `simple` form of Python's tabulate. */
function formatRows(rows: readonly Row[]): string {
  const headings = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  if (headings.length === 0) return ''
  const cells = rows.map((row) => headings.map((heading) => (row[heading] ?? '').trim()))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length + headingSpace, ...cells.map((row) => row[column]?.length ?? 0))
  )
  const line = (values: readonly string[]): string =>
    values
      .map((value, column) => value.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const lines = [line(headings), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)]
  return `${lines.join('\n')}\n`
}
