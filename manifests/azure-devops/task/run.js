'use strict'

/*
 * What the agent starts for the task Causeway: it unpacks the tarball, runs one command of it, and tells the agent what came of it
 * by logging commands. It has no dependencies, so that the folder can be uploaded as it stands.
 */

const { spawn, spawnSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} = require('node:fs')
const { dirname, join, resolve } = require('node:path')

/** The oldest Node that the packed causeway runs on. */
const oldest = [22, 13]

/** What the agent hands to tasks alone, passwords of service connections among it: nothing for a program that a task starts. */
const ofTask = /^(INPUT|ENDPOINT|SECRET|SECUREFILE|VSTS_TASKVARIABLE)_/i

/** Variables whose values never stand in a log. */
const secret = /^(CAUSEWAY_SECRETS_KEY|CAUSEWAY_PASSWORD_.*|AZURE_CLIENT_SECRET|IOTHUB_CONNECTION_STRING)$/

class Failure extends Error {}

/** @param {string} name @returns {string} the value, whatever the case of the name; empty where there is none */
function variable(name) {
  const found = Object.keys(process.env).find((key) => key.toLowerCase() === name.toLowerCase())
  return found === undefined ? '' : (process.env[found] ?? '')
}

/** @param {string} name @returns {string} */
function input(name) {
  return variable(`INPUT_${name}`).trim()
}

/**
 * A logging command (learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands).
 *
 * @param {string} command @param {Record<string, string>} properties @param {string} message
 */
function tell(command, properties, message) {
  const data = (text) => text.replaceAll('%', '%AZP25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = (text) => data(text).replaceAll(']', '%5D').replaceAll(';', '%3B')
  const listed = Object.entries(properties).map(([key, value]) => `${key}=${property(value)}`)
  process.stdout.write(`##vso[${[command, listed.join(';')].join(' ').trim()}]${data(message)}\n`)
}

/** @param {string} name @param {string} value */
function setOutput(name, value) {
  tell('task.setvariable', { variable: name, isOutput: 'true' }, value)
}

/**
 * Unpacks the tarball once on a machine, whoever asks first. With tar: the Node of an agent has no npm, and there is nothing to
 * install beside the bundle.
 *
 * @param {string} file @returns {string} the program
 */
function unpack(file) {
  if (!existsSync(file) || !statSync(file).isFile())
    throw new Failure(`there is no tarball ${file}; make it with npm pack, and name it with package`)
  const sum = createHash('sha256').update(readFileSync(file)).digest('hex')
  const folder = join(variable('AGENT_TOOLSDIRECTORY') || variable('AGENT_TEMPDIRECTORY'), 'causeway', sum)
  if (!existsSync(folder)) {
    mkdirSync(dirname(folder), { recursive: true })
    const fresh = mkdtempSync(`${folder}.`)
    const { status, error } = spawnSync('tar', ['-xzf', file, '-C', fresh], { stdio: ['ignore', 'inherit', 'inherit'] })
    if (status !== 0) throw new Failure(`${file} cannot be unpacked: ${error?.message ?? `tar ended with ${status}`}`)
    try {
      renameSync(fresh, folder)
    } catch (problem) {
      // Another job of this machine was faster.
      if (!existsSync(folder)) throw problem
      rmSync(fresh, { recursive: true, force: true })
    }
  }
  return join(folder, 'package/dist/causeway/main.js')
}

/** The agent's own Node where that is new enough, and else the one that is installed, which causeway looks at itself. */
function node() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]) ? process.execPath : 'node'
}

/**
 * Who causeway is in Azure, as @azure/identity reads it from the environment.
 *
 * @param {string} connection the id of a service connection, or nothing
 * @returns {Record<string, string>}
 */
function identity(connection) {
  if (connection === '') return {}
  const parameter = (name) => variable(`ENDPOINT_AUTH_PARAMETER_${connection}_${name}`)
  const [tenant, client] = [parameter('TENANTID'), parameter('SERVICEPRINCIPALID')]
  const scheme = variable(`ENDPOINT_AUTH_SCHEME_${connection}`)
  switch (scheme.toLowerCase()) {
    case 'workloadidentityfederation':
      return {
        AZURESUBSCRIPTION_TENANT_ID: tenant,
        AZURESUBSCRIPTION_CLIENT_ID: client,
        AZURESUBSCRIPTION_SERVICE_CONNECTION_ID: connection,
        SYSTEM_ACCESSTOKEN: variable('ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN')
      }
    case 'serviceprincipal': {
      const key = parameter('SERVICEPRINCIPALKEY')
      if (key === '')
        throw new Failure('the service connection has a certificate; give it workload identity federation')
      return { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_CLIENT_SECRET: key }
    }
    case 'managedserviceidentity':
      return {}
    default:
      throw new Failure(`the service connection signs in by ${scheme || 'nothing'}, which causeway does not know`)
  }
}

/**
 * @param {string[]} words @param {NodeJS.ProcessEnv} env @param {string} folder
 * @returns {Promise<number>} the exit code
 */
function run(words, env, folder) {
  return new Promise((done, failed) => {
    const child = spawn(node(), words, { env, cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
    // Whoever cancels the job has causeway stop in good order.
    const stop = (signal) => child.kill(signal)
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop)
    child.once('error', failed)
    child.once('close', (code) => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop)
      done(code ?? 1)
    })
  })
}

async function main() {
  const sources = variable('SYSTEM_DEFAULTWORKINGDIRECTORY') || process.cwd()
  const command = input('command')
  const program = unpack(resolve(sources, input('package')))
  const given = Object.entries(process.env).filter(([name]) => !ofTask.test(name))
  const env = { ...Object.fromEntries(given), ...identity(input('azureSubscription')) }
  for (const [name, value] of Object.entries(env))
    if (secret.test(name) && value !== undefined && value !== '') tell('task.setsecret', {}, value)

  const lines = input('arguments').split('\n')
  const words = [program, ...command.split(/\s+/), ...lines.map((line) => line.trim()).filter((line) => line !== '')]
  const folder = resolve(sources, input('workingDirectory') || '.')
  const results = mkdtempSync(join(variable('AGENT_TEMPDIRECTORY'), 'causeway-'))
  const [plan, summary, sarif] = ['plan.json', 'plan.md', 'validate.sarif'].map((name) => join(results, name))

  if (command === 'plan') words.push('--out', plan, '--summary', summary)
  const status = await run(words, env, folder)
  if (command === 'plan' && existsSync(summary)) {
    tell('task.uploadsummary', {}, summary)
    setOutput('plan', plan)
    setOutput('summary', summary)
  }
  if (command === 'validate' && (status === 0 || status === 3)) {
    // Once more, for code scanning: it needs no network, and the findings of the first run stand in the log.
    const again = spawnSync(node(), [...words, '--output', 'sarif'], { env, cwd: folder, maxBuffer: 1 << 28 })
    writeFileSync(sarif, again.stdout)
    setOutput('sarif', sarif)
  }

  // 2 is what plan and check end with where they find differences; for others it is a failure like any other.
  const changes = status === 2 && (command === 'plan' || command === 'check')
  setOutput('exitCode', String(status))
  setOutput('hasChanges', String(changes))
  const fine = status === 0 || (changes && input('failOnChanges').toLowerCase() !== 'true')
  if (!fine) throw new Failure(`causeway ${command} ended with ${status}`)
}

main().catch((error) => {
  tell('task.logissue', { type: 'error' }, error instanceof Failure ? error.message : String(error?.stack ?? error))
  tell(
    'task.complete',
    { result: 'Failed' },
    error instanceof Failure ? error.message : 'the task Causeway is at fault'
  )
  process.exitCode = 1
})
