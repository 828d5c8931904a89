/**
 * What others wrote (a device, a manifest) as a part of one line that a terminal and a CI service take for text: control characters
 * move the cursor or begin a new line, Azure DevOps runs `##vso[…]` and GitHub `##[…]` wherever they stand in a line, and GitHub
 * `::…` where one begins.
 *
 * @see https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
 * @see https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
 */
export function plain(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/#(?=#)/g, '# ')
    .replace(/^(\s*):(?=:)/, '$1: ')
}

/** {@link plain} for every text in a value of JSON, names included. */
export function plainly(value: unknown): unknown {
  if (typeof value === 'string') return plain(value)
  if (Array.isArray(value)) return value.map(plainly)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [plain(name), plainly(each)]))
}

/** The same document with no `##` in it, which Azure DevOps would look behind for a command. */
export function plainJson(json: string): string {
  return json.replaceAll('##', String.raw`#\u0023`)
}
