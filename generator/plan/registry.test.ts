import assert from 'node:assert/strict'
import { access, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeAcr, FakeContent, FakeHub, runCommand, siteText, type CommandLine } from '../testing.ts'

/** Made by somebody else, long after those that are kept. */
const elsewhere = '2030-01-01T00:00:00.000Z'

describe('causeway plan, where provision would refuse', () => {
  let folder: string
  let acr: FakeAcr
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-refused-'))
    acr = new FakeAcr()
    await writeFile(join(folder, 'site.yaml'), siteText())
    await copyFile(
      join(import.meta.dirname, '../../deployment.template.json'),
      join(folder, 'deployment.template.json')
    )
    assert.equal((await causeway('provision')).code, 0)
  })
  afterEach(() => rm(folder, { recursive: true }))

  const causeway = (words: string): Promise<CommandLine> => {
    const hub = new FakeHub()
    for (const module of ['$edgeAgent', '$edgeHub']) hub.put('gateway', module)
    return runCommand(words.split(' '), { folder, acr, hub, content: new FakeContent() })
  }
  const inAzure = (token: string, passwords: { password1: string; password2?: string }): void => {
    acr.tokens.set(token, { ...acr.tokens.get(token)!, passwords })
  }

  it('shows the rest, tells every refusal as provision does, ends with 1, and keeps no such plan', async () => {
    inAzure('plant-client', { password1: elsewhere })
    await rm(join(folder, '.causeway'), { recursive: true })
    for (const token of ['plantgateway-sync-token', 'plant-client'])
      inAzure(token, { password1: elsewhere, password2: elsewhere })
    const planned = await causeway('plan --out plan.json')
    assert.equal(planned.code, 1)
    assert.match(planned.stdout, /^device gateway$/m)
    assert.match(planned.stdout, /^ {2}\+ password crimagepulltoken\/password2 \(P103\)$/m)
    assert.doesNotMatch(planned.stdout, /password plant-client/)
    assert.match(planned.stderr, /error PASSWORD_HELD_ELSEWHERE: token plant-client has both passwords, and neither/)
    assert.match(planned.stderr, /PASSWORD_HELD_ELSEWHERE token plantgateway-sync-token has both/)
    await assert.rejects(access(join(folder, 'plan.json')), { code: 'ENOENT' })
    const provisioned = await causeway('provision')
    assert.match(
      provisioned.stderr,
      /error PASSWORD_HELD_ELSEWHERE: token plant-client has both passwords, and neither/
    )
    assert.match((await causeway('check')).stdout, /^difference C103 token plant-client has both passwords/m)
  })

  it('tells of a password that was made anew elsewhere', async () => {
    inAzure('plant-client', { password1: elsewhere })
    for (const command of ['plan', 'provision']) {
      const { code, stderr } = await causeway(command)
      assert.equal(code, command === 'plan' ? 1 : 5)
      assert.match(stderr, /error PASSWORD_SUPERSEDED: plant-client\/password1 was made anew elsewhere/)
    }
  })

  it('lets provision --plan do nothing of a plan that came to be refused since', async () => {
    acr.tokens.delete('crimagepulltoken')
    assert.equal((await causeway('plan --out plan.json')).code, 2)
    inAzure('plant-client', { password1: elsewhere })
    acr.writes.length = 0
    const { stderr } = await causeway('provision --plan plan.json')
    assert.match(stderr, /error PASSWORD_SUPERSEDED/)
    assert.deepEqual(acr.writes, [])
  })
})
