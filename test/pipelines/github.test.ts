import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { isInstalled, run, skip } from '../real-tools.ts'
import { World } from '../world.ts'
import { gitHubParsers } from './github-parser.ts'
import { Runner } from './github.ts'
import { layOut, npmEnvironment } from './packed.ts'

const manifests = join(import.meta.dirname, '../../manifests')
const workflow = '.github/workflows/causeway.yml'
const pullRequest = {
  event_name: 'pull_request',
  repository: 'plant/site',
  token: 'a token that the runner made',
  event: { pull_request: { number: 7, head: { repo: { full_name: 'plant/site' } } } }
}
const push = { ...pullRequest, event_name: 'push', event: { pull_request: { head: { repo: {} } } } }
const schedule = { ...push, event_name: 'schedule' }

describe('the pipeline for GitHub', function () {
  // npm packs and installs, and causeway runs a dozen times, as its users have it: packed, against the pretend Azure.
  this.timeout(180_000)

  it('has an action and a workflow that GitHub reads without a word', async () => {
    const { action, workflow } = await gitHubParsers()
    for (const [name, complaints] of [
      ['action.yml', action],
      ['workflow.yml', workflow]
    ] as const) {
      const content = await readFile(join(manifests, 'github', name), 'utf8')
      assert.deepEqual(complaints(content), [])
      assert.notDeepEqual(complaints(content.replace('runs-on:', 'runs-at:').replace('using:', 'uses:')), [])
      assert.notDeepEqual(complaints(content.replace('${{ ', '${{ nothing.of.the.kind + ')), [])
    }
  })

  describe('as it runs', () => {
    let folder: string
    let world: World
    let runner: Runner

    before(async function () {
      if (!isInstalled('npm')) skip(this, 'npm is not installed')
      folder = await mkdtemp(join(tmpdir(), 'causeway-github-'))
      const [workspace, started] = await Promise.all([
        layOut('GitHub', folder),
        World.start(undefined, { keyVaults: ['plant-secrets'] })
      ])
      world = started
      // Operations end at the first look: the polls in between would be the SDK's second each, half a minute in all.
      world.simulator.cloud.arm.pollsUntilDone = 0
      await mkdir(join(folder, 'machine'))
      // What the runner has of its own, beside Node and npm: GitHub's command line.
      const gh = join(folder, 'gh-bin/gh')
      await mkdir(dirname(gh))
      await writeFile(gh, '#!/bin/sh\nprintf "%s\\n" "$*" >> "$HOME/gh.log"\ncat "$5" >> "$HOME/comment.md"\n')
      await chmod(gh, 0o755)
      const environment = npmEnvironment(folder)
      runner = new Runner(join(folder, 'machine'), workspace, {
        environment: {
          ...world.simulator.environment,
          ...environment,
          PATH: [dirname(gh), environment['PATH']].join(delimiter)
        },
        vars: { AZURE_CLIENT_ID: 'c', AZURE_TENANT_ID: 't', AZURE_SUBSCRIPTION_ID: 's' }
      })
    })
    after(async () => {
      await world.close()
      await rm(folder, { recursive: true, force: true })
    })

    const edit = async (name: string, change: (text: string) => string): Promise<string> => {
      const file = join(folder, 'site', name)
      const before = await readFile(file, 'utf8')
      const after = change(before)
      assert.notEqual(after, before, 'the edit changes nothing')
      await writeFile(file, after)
      return before
    }

    it('ends at a manifest that a device would refuse, and shows where', async () => {
      const before = await edit('deployment.template.json', (text) => text.replace('FROM /messages/*', 'FROM messages'))
      const { validate, plan, deploy } = await runner.runWorkflow(workflow, pullRequest)
      await writeFile(join(folder, 'site/deployment.template.json'), before)
      assert.deepEqual([validate?.result, plan?.result, deploy?.result], ['failure', 'skipped', 'skipped'])
      const line = before.split('\n').findIndex((text) => text.includes('FROM /messages/*')) + 1
      assert.match(
        validate?.log ?? '',
        new RegExp(`^::error file=deployment\\.template\\.json,line=${line},.*M020`, 'm')
      )
      const [sarif] = runner.sarif.map(
        (text) => JSON.parse(text) as { runs: { results: { ruleId: string; level: string }[] }[] }
      )
      assert.deepEqual(
        sarif?.runs[0]?.results.filter(({ level }) => level === 'error').map(({ ruleId }) => ruleId),
        ['M020']
      )
    })

    it('shows a pull request what it would change, and changes nothing', async () => {
      const { validate, plan, deploy, check } = await runner.runWorkflow(workflow, pullRequest)
      assert.equal(validate?.result, 'success', validate?.log)
      assert.equal(plan?.result, 'success', plan?.log)
      assert.deepEqual([deploy?.result, check?.result], ['skipped', 'skipped'])
      assert.deepEqual(plan.outputs, { 'has-changes': 'true' })
      assert.match(plan.summary, /^### Causeway plan for mycontainerregistry001\.azurecr\.io/m)
      assert.match(plan.log, /^::notice file=site\.yaml,title=P101 /m)
      assert.match(
        await readFile(join(folder, 'gh.log'), 'utf8'),
        /^pr comment 7 --body-file \S+ --edit-last --create-if-none$/m
      )
      assert.equal(await readFile(join(folder, 'comment.md'), 'utf8'), plan.summary)
      assert.equal(runner.artifacts.size, 0)
      assert.deepEqual(
        world.simulator.cloud.requests.filter(({ method }) => ['PUT', 'PATCH', 'DELETE'].includes(method)),
        []
      )
    })

    it('gives a pull request from a fork no identity', async () => {
      const fork = structuredClone(pullRequest)
      fork.event.pull_request.head.repo.full_name = 'somebody/site'
      const { validate, plan } = await runner.runWorkflow(workflow, fork)
      assert.deepEqual([validate?.result, plan?.result], ['success', 'skipped'])
    })

    it('refuses to deploy by a plan that the world has moved on from', async () => {
      const { plan, deploy } = await runner.runWorkflow(workflow, push, async (job) => {
        // Somebody goes first while the reviewers think.
        if (job === 'deploy') assert.equal((await local('provision')).code, 0)
      })
      assert.equal(plan?.result, 'success', plan?.log)
      assert.equal(deploy?.result, 'failure')
      assert.match(deploy.log, /^error PLAN_STALE: /m)
      assert.equal(world.reported('gateway'), undefined)
    })

    it('deploys what was approved', async () => {
      const { plan, deploy } = await runner.runWorkflow(workflow, push)
      assert.equal(plan?.result, 'success', plan?.log)
      assert.equal(deploy?.result, 'success', deploy?.log)
      await world.untilReported('gateway', () => true, 'anything')
      assert.deepEqual(runner.used.filter(({ name }) => name.startsWith('azure/login')).map((use) => use.with)[0], {
        'client-id': 'c',
        'tenant-id': 't',
        'subscription-id': 's'
      })
    })

    it('leaves it at that where there is nothing to do', async () => {
      const { plan, deploy } = await runner.runWorkflow(workflow, push)
      assert.equal(plan?.result, 'success', plan?.log)
      assert.deepEqual(plan.outputs, { 'has-changes': 'false' })
      assert.equal(deploy?.result, 'skipped')
    })

    it('looks every night, and fails where something has drifted', async () => {
      const quiet = await runner.runWorkflow(workflow, schedule)
      assert.deepEqual([quiet['validate']?.result, quiet['check']?.result], ['skipped', 'success'], quiet['check']?.log)
      world.cloud.setTokenStatus('plant-client', 'disabled')
      const { check } = await runner.runWorkflow(workflow, schedule)
      world.cloud.setTokenStatus('plant-client', 'enabled')
      assert.equal(check?.result, 'failure')
      assert.match(check.log, /^difference .*plant-client/m)
    })

    it('has its secrets masked before causeway begins, and lets none out', async () => {
      const key = '50%\nof a key'
      const masked = new Runner(join(folder, 'machine'), join(folder, 'site'), {
        environment: { ...npmEnvironment(folder), ...world.simulator.environment, CAUSEWAY_SECRETS_KEY: key },
        vars: {}
      })
      const { check } = await masked.runWorkflow(workflow, schedule)
      assert.match(check?.log ?? '', /^::add-mask::50%25%0Aof a key$/m)
      const said = (check?.log ?? '').replaceAll(/^::add-mask::.*$/gm, '')
      for (const name of ['AZURE_CLIENT_SECRET', 'IOTHUB_CONNECTION_STRING'])
        assert.ok(!said.includes(world.simulator.environment[name] ?? ''), name)
    })

    /** causeway on somebody's own machine. */
    const local = (...words: string[]): ReturnType<typeof run> =>
      run(
        'sh',
        [
          '-c',
          'cd "$0" && exec "$@"',
          runner.workspace,
          process.execPath,
          join(import.meta.dirname, '../../generator/main.ts'),
          ...words
        ],
        { HOME: folder, ...world.simulator.environment }
      )
  })
})
