import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RotationWorld } from '../rotation/testing.ts'
import { runCommand, siteText, testSite, type CommandLine } from '../testing.ts'

const devices = ['gateway', 'second'].map((id) => `  ${id}: { connectedRegistry: { name: ${id}registry } }`).join('\n')

describe('causeway rotate', () => {
  let folder: string
  let world: RotationWorld
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-rotate-'))
    await writeFile(join(folder, 'site.yaml'), siteText(devices))
    world = new RotationWorld(testSite(devices), join(folder, '.causeway'))
    await world.deploy()
  })
  afterEach(() => rm(folder, { recursive: true }))

  const rotate = (...words: string[]): Promise<CommandLine> =>
    runCommand(['rotate', ...words], { folder, acr: world.acr, hub: world.hub, proof: world.proof })

  it('changes the password of every device, and says so', async () => {
    const { code, stdout, stderr } = await rotate()
    assert.equal(code, 0, stderr)
    for (const step of ['made', 'proved', 'retired'])
      assert.match(stdout, new RegExp(`^${step} +gatewayregistry-sync-token$`, 'm'))
    for (const value of world.taken.values()) assert.ok(!`${stdout}${stderr}`.includes(value))
    assert.match((await rotate('--resume')).stdout, /no password is being changed/)
  })

  it('refuses a second one while a device is away, names the devices, and goes on without it', async () => {
    world.away.add('second')
    const first = await rotate('--timeout', '1')
    assert.equal(first.code, 1)
    assert.match(first.stderr, /TIMED_OUT: .*second has not applied version 2/)
    const again = await rotate()
    assert.equal(again.code, 5)
    assert.match(again.stderr, /ROTATION_PENDING secondregistry-sync-token on second, begun at 2/)
    assert.match(again.stderr, /error ROTATION_PENDING: the passwords of 1 tokens .*--abandon/)
    assert.equal((await rotate('--abandon', 'nobody')).code, 1)
    const rest = await rotate('--abandon', 'second')
    assert.equal(rest.code, 0, rest.stderr)
    assert.match(rest.stdout, /^retired +secondregistry-sync-token$/m)
    assert.deepEqual(
      [...world.taken.keys()].filter((key) => key.startsWith('second')),
      ['secondregistry-sync-token/password2']
    )
  })

  it('leaves a pending password to itself in provision, and the twin’s to configure', async () => {
    world.away.add('second')
    await rotate('--timeout', '1')
    world.acr.writes.length = 0
    const provisioned = await runCommand(['provision', '--output', 'json'], { folder, acr: world.acr })
    assert.equal(provisioned.code, 0, provisioned.stderr)
    assert.match(provisioned.stdout, /secondregistry-sync-token\/password2.*causeway rotate is making it/)
    assert.ok(!world.acr.writes.some((write) => write.startsWith('password ')))
    const { code, stderr } = await runCommand(['configure', '--device', 'gateway', '--no-wait'], {
      folder,
      hub: world.hub
    })
    assert.equal(code, 0, stderr)
    const parent = world.hub.twins.get('gateway/connected-registry')?.desired['parent'] as { password: string }
    assert.equal(parent.password, world.taken.get('gatewayregistry-sync-token/password2'))
  })

  it('ends with 2 while clients have to move, and takes the old password away when they have', async () => {
    const first = await rotate('plant-client')
    assert.equal(first.code, 2, first.stderr)
    assert.match(first.stdout, /both passwords of plant-client work.*causeway rotate plant-client --retire/)
    assert.equal((await rotate('plant-client', '--retire')).code, 0)
    assert.ok(!world.taken.has('plant-client/password1'))
  })

  it('leaves a revoked token out, says so, refuses it by name, and goes on with it once that is undone', async () => {
    const clouds = { folder, acr: world.acr, hub: world.hub }
    const token = 'secondregistry-sync-token'
    assert.equal((await runCommand(['revoke', token], clouds)).code, 0)
    const named = await rotate(token)
    assert.equal(named.code, 5)
    assert.match(named.stderr, /TOKEN_DISABLED: .*causeway revoke secondregistry-sync-token --undo/)
    const { code, stdout, stderr } = await rotate()
    assert.equal(code, 0, stderr)
    assert.match(stderr, /passed over, since they are disabled: secondregistry-sync-token/)
    assert.match(stdout, /^retired +gatewayregistry-sync-token$/m)
    assert.ok(!stdout.includes(token))
    await runCommand(['revoke', token, '--undo'], clouds)
    assert.equal((await rotate(token)).code, 0)
  })

  it('passes over a pending token that was revoked, and goes on with it once that is undone', async () => {
    const clouds = { folder, acr: world.acr, hub: world.hub }
    const token = 'secondregistry-sync-token'
    world.away.add('second')
    assert.equal((await rotate('--timeout', '1')).code, 1)
    assert.equal((await runCommand(['revoke', token], clouds)).code, 0)
    const again = await rotate()
    assert.equal(again.code, 0, again.stderr)
    assert.match(again.stderr, /passed over, since they are disabled: secondregistry-sync-token/)
    assert.match(again.stdout, /^retired +gatewayregistry-sync-token$/m)
    assert.match((await rotate('--resume')).stdout, /no password is being changed/)
    await runCommand(['revoke', token, '--undo'], clouds)
    world.wake('second')
    const resumed = await rotate('--resume')
    assert.equal(resumed.code, 0, resumed.stderr)
    assert.match(resumed.stdout, /^retired +secondregistry-sync-token$/m)
  })

  it('and revoke disables a token for good, whatever the site file says, until it is undone', async () => {
    const clouds = { folder, acr: world.acr, hub: world.hub }
    world.away.add('second')
    const revoked = await runCommand(['revoke', 'plant-client', '--timeout', '1'], clouds)
    assert.equal(revoked.code, 2, revoked.stderr)
    assert.match(revoked.stdout, /^gateway: acknowledged$/m)
    assert.match(revoked.stdout, /^second has not applied version 2 of its settings: not acknowledged$/m)
    assert.equal((await runCommand(['provision'], clouds)).code, 0)
    assert.equal(world.acr.tokens.get('plant-client')?.status, 'disabled')
    world.wake('second')
    assert.equal((await runCommand(['revoke', 'plant-client', '--undo'], clouds)).code, 0)
    assert.equal(world.acr.tokens.get('plant-client')?.status, 'enabled')
    world.hub.twins.delete('second/connected-registry')
    const again = await runCommand(['revoke', 'plant-client'], clouds)
    assert.equal(again.code, 0, again.stderr)
    assert.match(again.stdout, /^second: never deployed to, learns it with its deployment$/m)
  })
})
