import { copyFile, mkdir, mkdtemp, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parse } from 'yaml'
import { run } from '../real-tools.ts'
import { pipelineSchema, taskSchema, templateSchema, type Job, type Step } from './azure-devops-schema.ts'
import { holds, type Functions } from './expressions.ts'

export interface RanStage {
  readonly result: 'Succeeded' | 'Failed' | 'Skipped'
  /** What its steps printed. */
  readonly log: string
  /** Its pages: files that its steps uploaded as summaries. */
  readonly summaries: readonly string[]
  /** `job.step.variable` and the value. */
  readonly outputs: Readonly<Record<string, string>>
}

/** A service connection as the agent hands it to a task. */
export interface ServiceConnection {
  readonly id: string
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

interface Running {
  readonly job: string
  readonly variables: Record<string, string>
  readonly outputs: Record<string, string>
  readonly log: string[]
  readonly summaries: string[]
  failed: boolean
}

interface Machine {
  /** The repository, with the pipeline and its template, and the task's folder. */
  readonly workspace: string
  readonly task: string
  readonly environment: Readonly<Record<string, string>>
  readonly connections: Readonly<Record<string, ServiceConnection>>
  /** `System.AccessToken` of its jobs. */
  readonly accessToken: string
}

/** An agent that runs the worked pipeline as Azure Pipelines does, with the real task. */
export class Agent {
  readonly artifacts = new Map<string, string>()
  readonly #folder: string
  readonly #machine: Machine

  constructor(folder: string, machine: Machine) {
    this.#folder = folder
    this.#machine = machine
  }

  /** @param between is called before a stage begins, as time passes while people approve */
  async runPipeline(
    reason: 'PullRequest' | 'IndividualCI' | 'Schedule',
    between: (stage: string) => Promise<unknown> = () => Promise.resolve()
  ): Promise<Record<string, RanStage>> {
    const file = await readFile(join(this.#machine.workspace, 'azure-pipelines.yml'), 'utf8')
    const { stages } = pipelineSchema.parse(parse(file))
    const ran: Record<string, RanStage> = {}
    for (const { stage, dependsOn, condition, jobs } of stages) {
      await between(stage)
      const waitsFor = typeof dependsOn === 'string' ? [ran[dependsOn]] : []
      const succeeded = waitsFor.every((each) => each?.result === 'Succeeded')
      const contexts = { variables: { 'Build.Reason': reason }, dependencies: ran }
      const wanted = holds(condition ?? 'succeeded()', contexts, functionsOf(succeeded))
      const [job] = jobs
      ran[stage] =
        wanted && job !== undefined
          ? await this.#runJob(job, reason)
          : { result: 'Skipped', log: '', summaries: [], outputs: {} }
    }
    return ran
  }

  async #runJob(job: Job, reason: string): Promise<RanStage> {
    const [name, steps] = 'job' in job ? [job.job, job.steps] : [job.deployment, job.strategy.runOnce.deploy.steps]
    const workspace = await mkdtemp(join(this.#folder, 'workspace-'))
    const variables = { 'Build.Reason': reason, 'Pipeline.Workspace': workspace }
    const running: Running = { job: name, variables, outputs: {}, log: [], summaries: [], failed: false }
    for (const step of steps) await this.#runStep(step, running)
    const { failed, log, summaries, outputs } = running
    return { result: failed ? 'Failed' : 'Succeeded', log: log.join(''), summaries, outputs }
  }

  async #runStep(step: Step, running: Running): Promise<void> {
    const contexts = { variables: running.variables }
    const condition = 'condition' in step ? step.condition : 'succeeded()'
    if (!holds(condition, contexts, functionsOf(!running.failed))) return
    if ('template' in step) {
      for (const each of await this.#expand(step)) await this.#runStep(each, running)
    } else if ('task' in step) {
      // Node is there.
      if (step.task === 'UseNode@1') return
      if (step.task !== 'Causeway@0') throw new Error(`the agent has no ${step.task}`)
      await this.#runTask(step.name ?? '', step.inputs, running)
    } else if ('publish' in step) {
      const file = filled(step.publish, running.variables)
      const kept = join(await mkdtemp(join(this.#folder, 'artifact-')), basename(file))
      await copyFile(file, kept)
      this.artifacts.set(step.artifact, kept)
    } else if ('download' in step) {
      const kept = this.artifacts.get(step.artifact)
      if (kept === undefined) throw new Error(`there is no artifact ${step.artifact}`)
      const folder = join(running.variables['Pipeline.Workspace'] ?? '', step.artifact)
      await mkdir(folder)
      await copyFile(kept, join(folder, basename(kept)))
    }
  }

  async #expand(step: Extract<Step, { template: string }>): Promise<readonly Step[]> {
    const text = await readFile(join(this.#machine.workspace, step.template), 'utf8')
    const { parameters } = templateSchema.parse(parse(text))
    for (const name of Object.keys(step.parameters))
      if (!parameters.some((known) => known.name === name)) throw new Error(`${step.template} has no parameter ${name}`)
    const values = Object.fromEntries(
      parameters.map(({ name, type, default: fallback }) => {
        const value = step.parameters[name] ?? fallback
        if (typeof value !== type) throw new Error(`${step.template}: ${name} is to be a ${type}`)
        return [name, value]
      })
    )
    const expanded = JSON.stringify(parse(text)).replaceAll(
      /"([^"]*)\$\{\{ parameters\.(\w+) \}\}"/g,
      (_, before: string, name: string) => {
        if (values[name] === undefined) throw new Error(`${step.template} has no parameter ${name}`)
        return JSON.stringify(before + String(values[name]))
      }
    )
    return templateSchema.parse(JSON.parse(expanded)).steps
  }

  async #runTask(name: string, inputs: Readonly<Record<string, string | boolean>>, running: Running): Promise<void> {
    const { task, workspace, environment, connections, accessToken } = this.#machine
    const definition = taskSchema.parse(JSON.parse(await readFile(join(task, 'task.json'), 'utf8')))
    for (const input of Object.keys(inputs))
      if (!definition.inputs.some((known) => known.name === input)) throw new Error(`the task has no input ${input}`)
    const given: Record<string, string> = {}
    for (const { name: input, type, required, defaultValue } of definition.inputs) {
      const value = filled(String(inputs[input] ?? defaultValue ?? ''), running.variables)
      if (value === '' && required === true) throw new Error(`the task needs ${input}`)
      const variable = `INPUT_${input.toUpperCase()}`
      if (type === 'filePath') given[variable] = join(workspace, value)
      else if (value === '') continue
      else if (!type.startsWith('connectedService:')) given[variable] = value
      else Object.assign(given, this.#connection(variable, connections[value], value))
    }
    const temporary = await mkdtemp(join(this.#folder, 'temp-'))
    const { code, stdout, stderr } = await run(process.execPath, [join(task, definition.execution.Node24.target)], {
      ...environment,
      TF_BUILD: 'True',
      AGENT_TEMPDIRECTORY: temporary,
      AGENT_TOOLSDIRECTORY: join(this.#folder, 'tools'),
      BUILD_SOURCESDIRECTORY: workspace,
      SYSTEM_DEFAULTWORKINGDIRECTORY: workspace,
      ENDPOINT_AUTH_SYSTEMVSSCONNECTION: JSON.stringify({ parameters: { AccessToken: accessToken }, scheme: 'OAuth' }),
      ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN: accessToken,
      ...given
    })
    running.log.push(stdout, stderr)
    let result = code === 0 ? 'Succeeded' : 'Failed'
    for (const { command, properties, message } of loggingCommands(stdout))
      if (command === 'task.setvariable') {
        const variable = properties['variable'] ?? ''
        if (!definition.OutputVariables.some((known) => known.name === variable))
          throw new Error(`task.json does not tell of ${variable}`)
        running.variables[`${name}.${variable}`] = message
        running.outputs[`${running.job}.${name}.${variable}`] = message
      } else if (command === 'task.uploadsummary') running.summaries.push(await readFile(message, 'utf8'))
      else if (command === 'task.complete') result = properties['result'] ?? result
    if (result === 'Failed') running.failed = true
  }

  #connection(variable: string, connection: ServiceConnection | undefined, name: string): Record<string, string> {
    if (connection === undefined) throw new Error(`there is no service connection ${name}`)
    const { id, scheme, parameters } = connection
    return {
      [variable]: id,
      [`ENDPOINT_AUTH_SCHEME_${id}`]: scheme,
      ...Object.fromEntries(
        Object.entries(parameters).map(([key, value]) => [`ENDPOINT_AUTH_PARAMETER_${id}_${key.toUpperCase()}`, value])
      )
    }
  }
}

interface LoggingCommand {
  readonly command: string
  readonly properties: Readonly<Record<string, string>>
  readonly message: string
}

export function loggingCommands(log: string): LoggingCommand[] {
  const plain = (text: string): string =>
    text
      .replaceAll('%3B', ';')
      .replaceAll('%5D', ']')
      .replaceAll('%0D', '\r')
      .replaceAll('%0A', '\n')
      .replaceAll('%AZP25', '%')
  return [...log.matchAll(/^##vso\[([\w.]+) ?([^\]]*)\](.*)$/gm)].map(
    ([, command = '', listed = '', message = '']) => ({
      command,
      properties: Object.fromEntries(
        listed
          .split(';')
          .filter((pair) => pair !== '')
          .map((pair) => {
            const [key = '', value = ''] = pair.split(/=(.*)/s)
            return [key, plain(value)]
          })
      ),
      message: plain(message)
    })
  )
}

function functionsOf(succeeded: boolean): Functions {
  return {
    succeeded: () => succeeded,
    always: () => true,
    eq: (one, other) => one === other,
    ne: (one, other) => one !== other,
    and: (...words) => words.every((word) => word === 'true')
  }
}

/** `$(name)`; one that is not there stays as it stands. */
function filled(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\(([\w.]+)\)/g, (whole, name: string) => variables[name] ?? whole)
}
