import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { answersOf, problemWith, questions, type Answers } from '../init/answers.ts'
import { ask } from '../init/ask.ts'
import { clientWays } from '../init/names.ts'
import { siteText } from '../init/site-text.ts'
import { templateText } from '../init/template-text.ts'
import type { Context } from '../context.ts'
import { defaultTemplate } from '../deployment/template-name.ts'
import { GeneratorError } from '../errors.ts'
import { writeNewFiles } from '../output/new-files.ts'
import { parseSite } from '../site-file/read.ts'

const instead = 'name another folder'

/** Answers by option, as commander reads them; lists may be given one by one. */
export interface InitOptions {
  readonly subscription?: string
  readonly resourceGroup?: string
  readonly registry?: string
  readonly hub?: string
  readonly cloud?: string
  readonly device?: readonly string[]
  readonly domain?: string
  readonly mode?: string
  readonly repository?: readonly string[]
  readonly token?: string
  readonly clients?: string
  /** Defaults for what is not given, and no question. */
  readonly yes?: boolean
}

/**
 * Writes a site file and a deployment template for a new site: both or, where one is there already with other content, neither.
 *
 * @param folder where to
 */
export async function init(context: Context, folder: string, options: InitOptions): Promise<void> {
  const { workingFolder, stdin, signal } = context.io
  const sitePath = resolve(workingFolder, folder, 'site.yaml')
  const templatePath = resolve(workingFolder, folder, defaultTemplate)
  const given = givenAnswers(options)
  // Before anything is asked: nobody answers in vain. A clone of Causeway has the template already.
  const ways = clientWays.filter((way) => (given.get('clients') ?? way) === way)
  const templates = await Promise.all(ways.map(templateText))
  await assertNew(
    new Map([
      [sitePath, []],
      [templatePath, templates]
    ])
  )
  const open = questions.filter(({ name }) => !given.has(name))
  const asks = options.yes !== true && stdin?.isTTY === true
  const missing = open.filter(({ fallback }) => fallback === undefined)
  if (!asks && missing.length > 0)
    throw new GeneratorError(
      'USAGE',
      `nobody can be asked here: give ${missing.map(({ flag }) => flag).join(', ')}${options.yes === true ? '' : ', or run this on a terminal'}`
    )
  const asked = asks ? await ask(open, context.io) : new Map(open.map(({ name, fallback }) => [name, fallback ?? '']))
  const answers = answersOf(new Map([...given, ...asked]))
  const problem = problemWith(answers)
  if (problem !== undefined) throw new GeneratorError('USAGE', problem)
  const site = siteText(answers)
  // Answers that are right one by one may not fit together: two tokens of one name, say.
  assertSite(site)
  const files = [
    { path: sitePath, content: site, mode: 0o644 as const },
    { path: templatePath, content: await templateText(answers.clients), mode: 0o644 as const }
  ]
  for (const path of await writeNewFiles(files, { replace: false, instead, signal }))
    context.stderr.write(`wrote ${path}\n`)
  if (answers.clients === 'http')
    context.stderr.write('warning: clients will log in over plain HTTP, where others may read their passwords\n')
  context.stderr.write(nextSteps(folder))
}

/** @throws {GeneratorError} `USAGE` with what does not fit */
function assertSite(text: string): void {
  try {
    parseSite(text, 'site.yaml')
  } catch (error) {
    if (!(error instanceof GeneratorError)) throw error
    const details = error.details.map((detail) => detail.replace(/^site\.yaml:\d+:\d+: SITE_INVALID /, ''))
    throw new GeneratorError('USAGE', 'these answers do not fit together; nothing was written', { details })
  }
}

/** @throws {GeneratorError} `USAGE` for one that cannot be taken */
function givenAnswers(options: InitOptions): Map<keyof Answers, string> {
  const { device, repository, yes: _, ...single } = options
  const texts = { ...single, devices: device?.join(' '), repositories: repository?.join(' ') }
  const given = new Map<keyof Answers, string>()
  for (const question of questions) {
    const text = texts[question.name]
    if (text === undefined) continue
    const problem = question.problem(text)
    if (problem !== undefined) throw new GeneratorError('USAGE', `${question.flag} ${problem}`)
    given.set(question.name, text)
  }
  return given
}

/**
 * @param same what may be there already, by path
 * @throws {GeneratorError} `OUTPUT_EXISTS` for anything else that is there
 */
async function assertNew(same: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const taken: string[] = []
  for (const [path, texts] of same) {
    const there = await readFile(path, 'utf8').catch((error: unknown) =>
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : ''
    )
    if (there !== undefined && !texts.includes(there)) taken.push(path)
  }
  if (taken.length > 0)
    throw new GeneratorError(
      'OUTPUT_EXISTS',
      `${taken.join(', ')} ${taken.length === 1 ? 'is' : 'are'} there already, and nothing was written; ${instead}`
    )
}

function nextSteps(folder: string): string {
  const there = folder === '.' ? '' : ` in ${folder}`
  return `Look through them${there}, then:
  causeway provision      # tokens and passwords in the cloud registry
  causeway images import  # the runtime's images, and those of imports
  causeway generate       # a device's deployment manifest (--device <id>); its file holds passwords
`
}
