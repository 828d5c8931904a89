import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isInstalled, run, skip } from '../real-tools.ts'
import { World } from '../world.ts'
import { Agent, loggingCommands, type RanStage } from './azure-devops.ts'
import { layOut, npmEnvironment } from './packed.ts'

const root = join(import.meta.dirname, '../..')
const task = join(root, 'manifests/azure-devops/task')

describe('the pipeline for Azure DevOps', function () {
  // npm packs, and causeway runs a dozen times, as its users have it: packed, against the pretend Azure.
  this.timeout(180_000)
  let folder: string
  let site: string
  let world: World
  let agent: Agent
  let environment: Record<string, string>

  before(async function () {
    for (const tool of ['npm', 'tar']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    folder = await mkdtemp(join(tmpdir(), 'causeway-azdo-'))
    const [laidOut, started] = await Promise.all([
      layOut('Azure DevOps', folder),
      World.start(undefined, { keyVaults: ['plant-secrets'] })
    ])
    site = laidOut
    world = started
    // Operations end at the first look: the polls in between would be the SDK's second each, half a minute in all.
    world.simulator.cloud.arm.pollsUntilDone = 0
    await mkdir(join(folder, 'machine'))
    // The job's identity is all that it has: no secret of Azure's.
    const { AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET: _secret, ...rest } = world.simulator.environment
    const { pipeline } = world.simulator.cloud
    const { IOTHUB_CONNECTION_STRING: _hub, ...network } = rest
    environment = { ...npmEnvironment(folder), ...network, SYSTEM_OIDCREQUESTURI: pipeline.requestUri }
    agent = new Agent(join(folder, 'machine'), {
      ...{ workspace: site, task, environment, accessToken: pipeline.accessToken },
      connections: {
        causeway: {
          id: pipeline.serviceConnectionId,
          scheme: 'WorkloadIdentityFederation',
          parameters: { tenantid: AZURE_TENANT_ID ?? '', serviceprincipalid: AZURE_CLIENT_ID ?? '' }
        }
      }
    })
  })
  after(async () => {
    await world.close()
    await rm(folder, { recursive: true, force: true })
  })

  const edit = async (name: string, change: (text: string) => string): Promise<string> => {
    const before = await readFile(join(site, name), 'utf8')
    const after = change(before)
    assert.notEqual(after, before, 'the edit changes nothing')
    await writeFile(join(site, name), after)
    return before
  }
  const results = (stages: Readonly<Record<string, RanStage>>): object =>
    Object.fromEntries(Object.entries(stages).map(([name, { result }]) => [name, result]))

  it('ends at a manifest that a device would refuse, and shows where', async () => {
    const before = await edit('deployment.template.json', (text) => text.replace('FROM /messages/*', 'FROM messages'))
    const stages = await agent.runPipeline('PullRequest')
    await writeFile(join(site, 'deployment.template.json'), before)
    assert.deepEqual(results(stages), { validate: 'Failed', plan: 'Skipped', deploy: 'Skipped', check: 'Skipped' })
    const line = before.split('\n').findIndex((text) => text.includes('FROM /messages/*')) + 1
    const commands = loggingCommands(stages['validate']?.log ?? '')
    assert.deepEqual(
      commands
        .filter(({ command, properties }) => command === 'task.logissue' && properties['code'] === 'M020')
        .map((each) => each.properties['linenumber']),
      [String(line)]
    )
    assert.equal(commands.find(({ command }) => command === 'task.complete')?.message, 'causeway validate ended with 3')
    const sarif = JSON.parse(await readFile(agent.artifacts.get('CodeAnalysisLogs') ?? '', 'utf8')) as {
      runs: { results: { ruleId: string }[] }[]
    }
    assert.ok(sarif.runs[0]?.results.some(({ ruleId }) => ruleId === 'M020'))
  })

  it('shows a pull request what it would change, and changes nothing', async () => {
    const stages = await agent.runPipeline('PullRequest')
    assert.deepEqual(
      results(stages),
      { validate: 'Succeeded', plan: 'Succeeded', deploy: 'Skipped', check: 'Skipped' },
      stages['plan']?.log
    )
    const { summaries, outputs, log } = stages['plan'] ?? assert.fail()
    assert.match(summaries[0] ?? '', /^### Causeway plan for mycontainerregistry001\.azurecr\.io/)
    assert.deepEqual([outputs['plan.plan.exitCode'], outputs['plan.plan.hasChanges']], ['2', 'true'])
    assert.match(log, /^\+ P101 registry: add /m)
    assert.equal(agent.artifacts.has('plan'), false)
    assert.deepEqual(
      world.simulator.cloud.requests.filter(({ method }) => ['PUT', 'PATCH', 'DELETE'].includes(method)),
      []
    )
  })

  it('refuses to deploy by a plan that the world has moved on from, and deploys the next', async () => {
    const moved = await agent.runPipeline('IndividualCI', async (stage) => {
      // Somebody goes first while the approvers think.
      if (stage === 'deploy') assert.equal((await local('provision')).code, 0)
    })
    assert.deepEqual(results(moved), { validate: 'Succeeded', plan: 'Succeeded', deploy: 'Failed', check: 'Skipped' })
    assert.match(moved['deploy']?.log ?? '', /^error PLAN_STALE: /m)
    assert.equal(world.reported('gateway'), undefined)

    const stages = await agent.runPipeline('IndividualCI')
    assert.equal(stages['deploy']?.result, 'Succeeded', stages['deploy']?.log)
    await world.untilReported('gateway', () => true, 'anything')
  })

  it('leaves it at that where there is nothing to do', async () => {
    const stages = await agent.runPipeline('IndividualCI')
    assert.deepEqual(results(stages), { validate: 'Succeeded', plan: 'Succeeded', deploy: 'Skipped', check: 'Skipped' })
    assert.equal(stages['plan']?.outputs['plan.plan.hasChanges'], 'false')
  })

  it('looks every night, and fails where something has drifted', async () => {
    const quiet = await agent.runPipeline('Schedule')
    assert.deepEqual(
      results(quiet),
      { validate: 'Skipped', plan: 'Skipped', deploy: 'Skipped', check: 'Succeeded' },
      quiet['check']?.log
    )
    world.cloud.setTokenStatus('plant-client', 'disabled')
    const { check } = await agent.runPipeline('Schedule')
    world.cloud.setTokenStatus('plant-client', 'enabled')
    assert.equal(check?.result, 'Failed')
    assert.match(check.log, /^difference .*plant-client/m)
  })

  describe('has a task that', () => {
    /** The task alone, with what the agent sets. */
    const runTask = (more: Readonly<Record<string, string>>): ReturnType<typeof run> =>
      run(process.execPath, [join(task, 'run.js')], {
        ...environment,
        TF_BUILD: 'True',
        AGENT_TEMPDIRECTORY: join(folder, 'machine'),
        AGENT_TOOLSDIRECTORY: join(folder, 'machine/tools'),
        SYSTEM_DEFAULTWORKINGDIRECTORY: site,
        INPUT_PACKAGE: 'tools/causeway.tgz',
        ...more
      })

    it('has secrets masked before causeway begins, and hands it none of the agent', async () => {
      const key = '50%\nof a ]key;'
      // A program that says what it is given stands in for causeway.
      const fake = join(folder, 'fake')
      await mkdir(join(fake, 'package/dist/causeway'), { recursive: true })
      await writeFile(join(fake, 'package/dist/causeway/main.js'), 'console.log(JSON.stringify(process.env))')
      assert.equal((await run('tar', ['-czf', join(folder, 'fake.tgz'), '-C', fake, 'package'])).code, 0)
      const { code, stdout } = await runTask({
        INPUT_PACKAGE: join(folder, 'fake.tgz'),
        INPUT_COMMAND: 'status',
        INPUT_AZURESUBSCRIPTION: 'an-id',
        'ENDPOINT_AUTH_SCHEME_an-id': 'ServicePrincipal',
        'ENDPOINT_AUTH_PARAMETER_an-id_TENANTID': 'tenant',
        'ENDPOINT_AUTH_PARAMETER_an-id_SERVICEPRINCIPALID': 'client',
        'ENDPOINT_AUTH_PARAMETER_an-id_SERVICEPRINCIPALKEY': 'the key of the connection',
        SECRET_OTHER: 'a secret variable of the pipeline',
        CAUSEWAY_SECRETS_KEY: key
      })
      assert.equal(code, 0, stdout)
      const masked = loggingCommands(stdout).flatMap((each) =>
        each.command === 'task.setsecret' ? [each.message] : []
      )
      assert.deepEqual(masked.sort(), [key, 'the key of the connection'].sort())
      const given = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{')) ?? '') as Record<string, string>
      assert.partialDeepStrictEqual(given, {
        AZURE_TENANT_ID: 'tenant',
        AZURE_CLIENT_ID: 'client',
        AZURE_CLIENT_SECRET: 'the key of the connection',
        CAUSEWAY_SECRETS_KEY: key
      })
      assert.deepEqual(
        Object.keys(given).filter((name) => /^(INPUT|ENDPOINT|SECRET)_/.test(name)),
        []
      )
    })

    for (const [what, more, said] of [
      [
        'there is no tarball',
        { INPUT_PACKAGE: 'nowhere.tgz', INPUT_COMMAND: 'plan' },
        /there is no tarball .*nowhere\.tgz; make it with npm pack/
      ],
      [
        'the connection signs in by something else',
        { INPUT_COMMAND: 'plan', INPUT_AZURESUBSCRIPTION: 'x', ENDPOINT_AUTH_SCHEME_x: 'Magic' },
        /signs in by Magic, which causeway does not know/
      ],
      ['causeway failed', { INPUT_COMMAND: 'explain nothing' }, /causeway explain nothing ended with 1/]
    ] as const)
      it(`says in one line that ${what}`, async () => {
        const { code, stdout, stderr } = await runTask(more)
        assert.equal(code, 1)
        const failed = loggingCommands(stdout).find(({ command }) => command === 'task.complete')
        assert.equal(failed?.properties['result'], 'Failed')
        assert.match(failed.message, said)
        assert.doesNotMatch(stdout + stderr, /^ +at /m)
      })
  })

  /** causeway on somebody's own machine. */
  const local = (...words: string[]): ReturnType<typeof run> =>
    run('sh', ['-c', 'cd "$0" && exec "$@"', site, process.execPath, join(root, 'generator/main.ts'), ...words], {
      HOME: folder,
      ...world.simulator.environment
    })
})
