import { secondOwners, secondOwnerSentence } from '../automatic/owners.ts'
import { readTemplate } from '../deployment/template.ts'
import { readReported } from '../hub/configure.ts'
import { judgementOf, refusalOf } from '../hub/deploy.ts'
import type { HubTwin } from '../hub/hub.ts'
import { sentence } from '../plan/format.ts'
import { makePlan } from '../plan/make.ts'
import { registryPart } from '../plan/registry.ts'
import { compareTokens } from '../rotation/compare.ts'
import { leftTokens, leftTokensSentence } from '../rotation/left-tokens.ts'
import { expiredSince } from '../secrets/current-password.ts'
import { slots } from '../secrets/store.ts'
import { wantedOf } from '../acr/wanted.ts'
import { allDevicesOf } from '../context.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import type { Check, CheckFinding } from './check.ts'

/** Whether the cloud registry, the hub and the devices' twins are what the site file says: what a plan would change. */
const differences: Check = {
  name: 'differences from the site file',
  async run(context, site, { devices, template, imageCheck, twins }) {
    const { plan, refusals } = await makePlan(context, site, {
      registry: true,
      images: imageCheck,
      devices,
      deployments: devices.length === allDevicesOf(site, undefined).length ? Object.values(site.deployments) : [],
      template: await readTemplate(template, context.io.workingFolder, { env: context.io.env }),
      twins
    })
    const changes = plan.changes.map((change): CheckFinding => ({
      code: change.code,
      severity: 'difference',
      part: change.part,
      message: sentence(change)
    }))
    // What was made anew elsewhere is told of the token itself.
    const refused = refusals.flatMap(({ part, error: { code, message } }): CheckFinding[] =>
      code === 'PASSWORD_SUPERSEDED'
        ? []
        : [{ code: code === 'DEPLOYMENT_MIXED' ? 'C207' : 'C103', severity: 'difference', part, message }]
    )
    return [...changes, ...refused]
  }
}

/** Whether devices have taken what the hub holds for them. */
const acknowledged: Check = {
  name: 'what the devices say of it',
  async run(_context, site, { devices, twins }) {
    const agents = await twins.of('$edgeAgent')
    const modules = await twins.of(site.moduleName)
    return devices.flatMap((device) => [
      ...agentFindings(device.id, agents.get(device.id)),
      ...(hasRegistry(device) ? moduleFindings(device.id, modules.get(device.id)) : [])
    ])
  }
}

/** Whether somebody else's automatic deployment sets what the site file sets. */
const owners: Check = {
  name: 'who else sets their settings',
  async run(context, site, { devices, twins }) {
    const found = await secondOwners(site, devices.filter(hasRegistry), await twins.of('$edgeAgent'), async () =>
      (await context.hub(site)).configurations()
    )
    return found.map((each) => finding(each.device)('C206', secondOwnerSentence(each, site.moduleName)))
  }
}

/** Whether each token is in the cloud registry, and known to the devices, as it is kept here: status, actions, passwords. */
const tokens: Check = {
  name: 'tokens in the cloud registry and on the devices',
  async run(context, site, { now, twins }) {
    const secrets = await context.secrets(site, 'read')
    const acr = await context.acr(site)
    const left = await leftTokens(site, secrets, acr)
    const found = await compareTokens({
      site,
      secrets,
      acr,
      twins: await twins.of(site.moduleName),
      now,
      warnDays: 0
    })
    // What runs out, and what a device has not applied yet, are told by the checks beside this one.
    const different = found
      .filter(({ kind }) => kind === 'difference')
      .map(({ severity, token, where, message }): CheckFinding => {
        const part = where === 'registry' ? where : `device ${where}`
        return {
          code: 'C103',
          severity: severity === 'error' ? 'difference' : 'warning',
          part,
          message: `${part}: ${token} ${message}`
        }
      })
    if (left.length === 0) return different
    const message = `${registryPart}: ${leftTokensSentence(left, site.azure.registry)}`
    return [...different, { code: 'C104', severity: 'warning', part: registryPart, message }]
  }
}

/** Whether passwords run out. Only the expiry that the store knows counts; Azure enforces it all the same. */
const passwords: Check = {
  name: 'expiry of passwords',
  async run(context, site, { days, now }) {
    const store = await context.secrets(site, 'read')
    const limit = now.getTime() + days * 86_400_000
    return wantedOf(site).tokens.flatMap(({ name }) =>
      slots.flatMap((slot): CheckFinding[] => {
        const record = store.slot(name, slot)
        if (record?.state !== 'stored' || record.expiry === undefined) return []
        const expiry = Date.parse(record.expiry)
        if (expiry > limit) return []
        const expired = expiry <= now.getTime()
        const left = Math.floor((expiry - now.getTime()) / 86_400_000)
        return [
          {
            code: expired ? 'C102' : 'C101',
            severity: 'warning',
            part: 'passwords',
            message: expired
              ? `${name}/${slot} ${expiredSince(name, record.expiry)}`
              : `${name}/${slot} expires on ${record.expiry}, in ${left} days; make another with causeway rotate ${name}`
          }
        ]
      })
    )
  }
}

/** All checks of `causeway check`, in the order in which they run. */
export const checks: readonly Check[] = [differences, acknowledged, owners, tokens, passwords]

function agentFindings(id: string, twin: HubTwin | undefined): CheckFinding[] {
  const found = finding(id)
  if (twin === undefined) return []
  const { code, description } = judgementOf(twin.reported)
  const looked = Number(twin.reported['lastDesiredVersion'] ?? 0)
  const refusal = refusalOf(twin)
  if (refusal !== undefined) return [found('C204', `edgeAgent refuses its deployment ${refusal}`)]
  if (Object.keys(twin.desired).length === 0) return []
  if (code === 0) return [found('C205', 'edgeAgent has reported nothing')]
  if (looked < twin.desiredVersion)
    return [found('C203', `edgeAgent has version ${looked} of its deployment, and the hub ${twin.desiredVersion}`)]
  return code === 200 ? [] : [found('C204', `edgeAgent says ${code} ${description}`)]
}

function moduleFindings(id: string, twin: HubTwin | undefined): CheckFinding[] {
  const found = finding(id)
  if (twin === undefined) return []
  const reported = readReported(twin)
  if (reported === undefined) return [found('C205', 'the connected registry has reported nothing')]
  const status = reported.lastDesiredStatus
  if (status !== undefined && status.code !== 200) {
    const details = status.errors.map(({ path, reason }) => `${path}: ${reason}`).join('; ')
    return [
      found(
        'C202',
        `it does not apply its settings (${status.code}): ${status.description}${details && `; ${details}`}`
      )
    ]
  }
  const applied = reported.appliedVersion ?? 0
  return applied === twin.desiredVersion
    ? []
    : [found('C201', `it applies version ${applied} of its settings, and the hub has ${twin.desiredVersion}`)]
}

function finding(id: string): (code: CheckFinding['code'], message: string) => CheckFinding {
  return (code, message) => ({
    code,
    severity: 'difference',
    part: `device ${id}`,
    message: `device ${id}: ${message}`
  })
}
