import { z } from 'zod'

/*
 * The form of Azure Pipelines' files, as far as ours use it: nothing that is not listed here is accepted, so that a word that the
 * service does not know, or that nobody has run, cannot stand in them. Sources: the YAML schema reference of Azure Pipelines, and
 * tasks.schema.json of microsoft/azure-pipelines-task-lib, read again in our own words.
 */

const exactly = z.strictObject
/** Names of stages, jobs and steps go into expressions and variables. */
const identifier = z.string().regex(/^[A-Za-z_]\w*$/)
const value = z.union([z.string(), z.boolean()])
const parameter = exactly({
  name: identifier,
  type: z.enum(['string', 'boolean']),
  default: value.optional()
})

const step = z.union([
  exactly({
    task: z.string().regex(/^[A-Za-z0-9-]+@\d+$/),
    name: z.union([identifier, z.string().regex(/^\$\{\{ parameters\.\w+ \}\}$/)]).optional(),
    displayName: z.string().optional(),
    inputs: z.record(z.string(), value)
  }),
  exactly({ template: z.string(), parameters: z.record(identifier, value) }),
  exactly({ publish: z.string(), artifact: z.string(), condition: z.string() }),
  exactly({ download: z.literal('current'), artifact: z.string() }),
  exactly({ checkout: z.literal('self') })
])
export type Step = z.output<typeof step>

const job = z.union([
  exactly({ job: identifier, steps: z.array(step).min(1) }),
  exactly({
    deployment: identifier,
    environment: z.string(),
    strategy: exactly({ runOnce: exactly({ deploy: exactly({ steps: z.array(step).min(1) }) }) })
  })
])
export type Job = z.output<typeof job>

const branches = exactly({ branches: exactly({ include: z.array(z.string()).min(1) }) })

export const pipelineSchema = exactly({
  trigger: branches,
  pr: branches,
  schedules: z.array(
    exactly({
      cron: z.string().regex(/^\S+( \S+){4}$/),
      displayName: z.string(),
      ...branches.shape,
      always: z.boolean()
    })
  ),
  pool: exactly({ vmImage: z.string() }),
  stages: z.array(
    exactly({
      stage: identifier,
      dependsOn: z.union([identifier, z.array(identifier).max(0)]).optional(),
      condition: z.string().optional(),
      lockBehavior: z.enum(['sequential', 'runLatest']).optional(),
      jobs: z.array(job).length(1)
    })
  )
})

export const templateSchema = exactly({ parameters: z.array(parameter), steps: z.array(step).min(1) })

const inputName = z.string().regex(/^[A-Za-z][A-Za-z0-9]*$/)
const handler = exactly({ target: z.string() })

export const taskSchema = exactly({
  id: z.guid(),
  name: z.string().regex(/^[A-Za-z0-9-]+$/),
  friendlyName: z.string().max(40),
  description: z.string(),
  helpMarkDown: z.string(),
  category: z.enum(['Build', 'Utility', 'Test', 'Package', 'Deploy']),
  author: z.string(),
  version: exactly({ Major: z.int(), Minor: z.int(), Patch: z.int() }),
  minimumAgentVersion: z.string().regex(/^\d+\.\d+(\.\d+)?$/),
  instanceNameFormat: z.string(),
  showEnvironmentVariables: z.boolean(),
  inputs: z.array(
    exactly({
      name: inputName,
      type: z.union([
        z.enum(['boolean', 'filePath', 'multiLine', 'pickList', 'radio', 'secureFile', 'string']),
        z.string().regex(/^connectedService:.+$/)
      ]),
      label: z.string(),
      required: z.boolean().optional(),
      defaultValue: value.optional(),
      helpMarkDown: z.string()
    })
  ),
  OutputVariables: z.array(exactly({ name: inputName, description: z.string() })),
  execution: exactly({ Node24: handler, Node20_1: handler })
})
