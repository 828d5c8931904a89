import Table from 'cli-table3'

/** Columns by heading, rows by line; no rules between rows, so that it can be read aloud, grepped and pasted. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const none = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '' }
  const table = new Table({
    head: [...headings],
    chars: {
      ...none,
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  '
    },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] }
  })
  for (const row of rows) table.push([...row])
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
