import { isCi, type Io } from '../io.ts'

/** A remark that a CI service shows beside a line of a file. */
export interface Annotation {
  readonly level: 'error' | 'warning' | 'notice'
  readonly file: string
  readonly line?: number
  readonly column?: number
  readonly code: string
  readonly title: string
  readonly message: string
}

/** How the service likes output on which a command runs, and `text` elsewhere. */
export function styleOfService(env: Io['env']): 'text' | 'github' | 'azdo' {
  if (!isCi(env)) return 'text'
  if (env['GITHUB_ACTIONS'] === 'true') return 'github'
  return env['TF_BUILD'] === undefined ? 'text' : 'azdo'
}

/** A workflow command of GitHub's; one line. */
export function githubAnnotation({ level, file, line, column, code, title, message }: Annotation): string {
  const data = (value: string): string => value.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = (value: string): string => data(value).replaceAll(':', '%3A').replaceAll(',', '%2C')
  const place = [`file=${property(file)}`, ...numbers({ line, col: column }), `title=${property(`${code} ${title}`)}`]
  return `::${level} ${place.join(',')}::${data(message)}\n`
}

/** A logging command of Azure DevOps, which knows no notices; one line. */
export function azdoAnnotation({
  level,
  file,
  line,
  column,
  code,
  message
}: Annotation & { readonly level: 'error' | 'warning' }): string {
  const data = (value: string): string =>
    value.replaceAll('%', '%AZP25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = (value: string): string => data(value).replaceAll(';', '%3B').replaceAll(']', '%5D')
  const place = [
    `type=${level}`,
    `sourcepath=${property(file)}`,
    ...numbers({ linenumber: line, columnnumber: column })
  ]
  return `##vso[task.logissue ${[...place, `code=${code}`].join(';')}]${data(message)}\n`
}

function numbers(values: Readonly<Record<string, number | undefined>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))
}
