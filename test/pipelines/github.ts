import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { basename, delimiter, join } from 'node:path'
import { parse } from 'yaml'
import { run } from '../real-tools.ts'
import { evaluate, holds, type Functions } from './expressions.ts'

interface Step {
  readonly id?: string
  readonly if?: string
  readonly uses?: string
  readonly with?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  readonly run?: string
  readonly shell?: string
  readonly 'working-directory'?: string
}

interface Job {
  readonly if?: string
  readonly needs?: string
  readonly outputs?: Readonly<Record<string, string>>
  readonly steps: readonly Step[]
}

interface Action {
  readonly inputs: Readonly<Record<string, { readonly default?: string; readonly required?: boolean }>>
  readonly outputs: Readonly<Record<string, { readonly value: string }>>
  readonly runs: { readonly steps: readonly Step[] }
}

export interface RanJob {
  readonly result: 'success' | 'failure' | 'skipped'
  readonly outputs: Readonly<Record<string, string>>
  /** What its steps printed, one after another. */
  readonly log: string
  /** Its page: what its steps wrote into `GITHUB_STEP_SUMMARY`. */
  readonly summary: string
}

interface Scope {
  readonly contexts: Record<string, unknown>
  readonly steps: Record<string, { outputs: Record<string, string> }>
  failed: boolean
}

/** A machine that runs workflows as GitHub's runners do, as far as the worked pipeline asks: each `run:` with bash, and no network. */
export class Runner {
  /** The repository, checked out. */
  readonly workspace: string
  /** Artifacts by name: the file that each holds. */
  readonly artifacts = new Map<string, string>()
  /** What was uploaded for code scanning. */
  readonly sarif: string[] = []
  /** Actions of others that were called, with what was given to them. */
  readonly used: { readonly name: string; readonly with: Readonly<Record<string, string>> }[] = []
  readonly #folder: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #vars: Readonly<Record<string, string>>
  #path: string[] = []

  /**
   * @param folder for what the machine itself keeps
   * @param environment what is set on the machine
   */
  constructor(
    folder: string,
    workspace: string,
    { environment, vars }: Record<'environment' | 'vars', Readonly<Record<string, string>>>
  ) {
    this.workspace = workspace
    this.#folder = folder
    this.#environment = environment
    this.#vars = vars
  }

  /** @param between is called before a job begins, as time passes while people approve */
  async runWorkflow(
    file: string,
    github: Readonly<Record<string, unknown>>,
    between: (job: string) => Promise<unknown> = () => Promise.resolve()
  ): Promise<Record<string, RanJob>> {
    const { jobs } = parse(await readFile(join(this.workspace, file), 'utf8')) as { jobs: Record<string, Job> }
    const ran: Record<string, RanJob> = {}
    for (const [name, job] of Object.entries(jobs)) {
      await between(name)
      ran[name] = await this.#runJob(job, github, ran)
    }
    return ran
  }

  async #runJob(
    job: Job,
    github: Readonly<Record<string, unknown>>,
    ran: Readonly<Record<string, RanJob>>
  ): Promise<RanJob> {
    const needs = job.needs === undefined ? {} : { [job.needs]: ran[job.needs] }
    const scope: Scope = { contexts: { github, needs, vars: this.#vars }, steps: {}, failed: false }
    const waitsFor = job.needs === undefined ? 'success' : ran[job.needs]?.result
    if (waitsFor !== 'success' || !holds(bare(job.if ?? 'true'), scope.contexts, statusFunctions(scope)))
      return { result: 'skipped', outputs: {}, log: '', summary: '' }
    this.#path = []
    const summary = join(await mkdtemp(join(this.#folder, 'job-')), 'summary.md')
    await writeFile(summary, '')
    const log: string[] = []
    await this.#runSteps(job.steps, scope, { GITHUB_STEP_SUMMARY: summary }, log)
    return {
      result: scope.failed ? 'failure' : 'success',
      outputs: mapValues(job.outputs ?? {}, (value) => fill(value, this.#contexts(scope))),
      log: log.join(''),
      summary: await readFile(summary, 'utf8')
    }
  }

  #contexts(scope: Scope): object {
    return { ...scope.contexts, steps: scope.steps, runner: { os: 'Linux', temp: this.#folder }, env: {} }
  }

  async #runSteps(
    steps: readonly Step[],
    scope: Scope,
    variables: Readonly<Record<string, string>>,
    log: string[]
  ): Promise<void> {
    for (const step of steps) {
      const condition = bare(step.if ?? 'success()')
      const asked = /\b(always|success|failure|cancelled)\(/.test(condition) ? condition : `success() && (${condition})`
      if (!holds(asked, this.#contexts(scope), statusFunctions(scope))) continue
      const env = { ...variables, ...mapValues(step.env ?? {}, (value) => fill(value, this.#contexts(scope))) }
      const outputs =
        step.uses === undefined ? this.#runScript(step, scope, env, log) : this.#use(step, scope, env, log)
      const made = await outputs
      if (step.id !== undefined) scope.steps[step.id] = { outputs: made }
    }
  }

  async #runScript(
    step: Step,
    scope: Scope,
    env: Readonly<Record<string, string>>,
    log: string[]
  ): Promise<Record<string, string>> {
    const place = await mkdtemp(join(this.#folder, 'step-'))
    const files = Object.fromEntries(
      ['GITHUB_OUTPUT', 'GITHUB_PATH', 'GITHUB_ENV'].map((name) => [name, join(place, name)])
    )
    for (const file of Object.values(files)) await writeFile(file, '')
    // `shell: bash` is this; without it, bash runs with -e alone.
    const flags = step.shell === 'bash' ? ['--noprofile', '--norc', '-eo', 'pipefail'] : ['-e']
    await writeFile(join(place, 'script.sh'), fill(step.run ?? '', this.#contexts(scope)))
    const folder = join(this.workspace, fill(step['working-directory'] ?? '.', this.#contexts(scope)))
    const script = ['-c', 'cd "$0" && exec bash "$@"', folder, ...flags, join(place, 'script.sh')]
    const { code, stdout, stderr } = await run('sh', script, {
      ...this.#environment,
      PATH: [...this.#path, this.#environment['PATH']].join(delimiter),
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_WORKSPACE: this.workspace,
      RUNNER_TEMP: this.#folder,
      RUNNER_TOOL_CACHE: join(this.#folder, 'tools'),
      ...files,
      ...env
    })
    log.push(stdout, stderr)
    if (code !== 0) scope.failed = true
    this.#path.push(...(await readFile(files['GITHUB_PATH'] ?? '', 'utf8')).split('\n').filter((line) => line !== ''))
    return Object.fromEntries(
      [...(await readFile(files['GITHUB_OUTPUT'] ?? '', 'utf8')).matchAll(/^([\w-]+)=(.*)$/gm)].map(
        ([, name = '', value = '']) => [name, value]
      )
    )
  }

  async #use(
    step: Step,
    scope: Scope,
    env: Readonly<Record<string, string>>,
    log: string[]
  ): Promise<Record<string, string>> {
    const given = mapValues(step.with ?? {}, (value) => fill(String(value), this.#contexts(scope)))
    const name = step.uses ?? ''
    if (!name.startsWith('./')) return this.#useOthers(name, given)
    const action = parse(await readFile(join(this.workspace, name, 'action.yml'), 'utf8')) as Action
    for (const input of Object.keys(given))
      if (!(input in action.inputs)) throw new Error(`${name} has no input ${input}`)
    const inputs = mapValues(action.inputs, ({ default: fallback, required }, input) => {
      const value = given[input] ?? fallback
      if (value === undefined && required === true) throw new Error(`${name} needs ${input}`)
      return value ?? ''
    })
    const inner: Scope = { contexts: { github: scope.contexts['github'], inputs }, steps: {}, failed: scope.failed }
    await this.#runSteps(action.runs.steps, inner, env, log)
    scope.failed = inner.failed
    return mapValues(action.outputs, ({ value }) => fill(value, this.#contexts(inner)))
  }

  /** What the actions of others do, as far as a step after them sees it. */
  async #useOthers(name: string, given: Record<string, string>): Promise<Record<string, string>> {
    this.used.push({ name, with: given })
    switch (name.replace(/@v\d+$/, '')) {
      // The repository, Node and the Azure CLI's session are there.
      case 'actions/checkout':
      case 'actions/setup-node':
      case 'azure/login':
        return {}
      case 'github/codeql-action/upload-sarif':
        this.sarif.push(await readFile(given['sarif_file'] ?? '', 'utf8'))
        return {}
      case 'actions/upload-artifact': {
        const kept = join(await mkdtemp(join(this.#folder, 'artifact-')), basename(given['path'] ?? ''))
        await copyFile(given['path'] ?? '', kept)
        this.artifacts.set(given['name'] ?? '', kept)
        return {}
      }
      case 'actions/download-artifact': {
        const kept = this.artifacts.get(given['name'] ?? '')
        if (kept === undefined) throw new Error(`there is no artifact ${given['name'] ?? ''}`)
        await copyFile(kept, join(this.workspace, given['path'] ?? '.', basename(kept)))
        return {}
      }
      default:
        throw new Error(`the runner has no ${name}`)
    }
  }
}

function statusFunctions(scope: Scope): Functions {
  return { always: () => true, success: () => !scope.failed, failure: () => scope.failed, cancelled: () => false }
}

/** `if:` may stand with or without `${{ }}`. */
function bare(condition: string): string {
  return condition.replace(/^\$\{\{(.*)\}\}$/s, '$1').trim()
}

function fill(text: string, contexts: object): string {
  return text.replaceAll(/\$\{\{(.*?)\}\}/g, (_, expression: string) =>
    evaluate(expression.trim(), contexts).coerceString()
  )
}

function mapValues<Value, Result>(
  record: Readonly<Record<string, Value>>,
  change: (value: Value, key: string) => Result
): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]))
}
