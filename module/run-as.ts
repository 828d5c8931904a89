import { existsSync } from 'node:fs'
import { lchown, lstat, mkdir, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { SettingsError } from './settings/errors.ts'

/**
 * Leaves root behind, where the module was started as root and `CAUSEWAY_RUN_AS=uid:gid` says as whom to go on (the image
 * does): takes ownership of the data folder, which a container engine makes root's own, and becomes that user for good.
 * Anybody but root stays who it is.
 *
 * @throws {SettingsError} `ENVIRONMENT_INVALID` where the variable is no pair of ids, or the engine forbids the change
 */
export async function leaveRoot(
  dataFolder: string,
  variables: Readonly<Record<string, string | undefined>>
): Promise<void> {
  const user = moduleUser(variables)
  if (user === undefined) return
  // What cannot be taken is told later, with what to do, by who looks whether the folder can be used.
  await takeOwnership(dataFolder, user.uid, user.gid).catch(() => undefined)
  become(user)
}

/**
 * Becomes the user that the module runs as, so that what root may do says nothing of what the module may. A data folder that is
 * there stays whose it is; one that is not is made, as the first start will do.
 *
 * @throws {SettingsError} as {@link leaveRoot}
 */
export async function becomeModuleUser(
  dataFolder: string,
  variables: Readonly<Record<string, string | undefined>>
): Promise<void> {
  const user = moduleUser(variables)
  if (user === undefined) return
  if (!existsSync(dataFolder)) await takeOwnership(dataFolder, user.uid, user.gid).catch(() => undefined)
  become(user)
}

interface User {
  readonly uid: number
  readonly gid: number
}

/** @returns undefined where this process stays who it is */
function moduleUser(variables: Readonly<Record<string, string | undefined>>): User | undefined {
  const wanted = variables['CAUSEWAY_RUN_AS']?.trim() ?? ''
  if (wanted === '' || process.getuid?.() !== 0) return undefined
  const [, user, group] = /^([1-9]\d{0,8}):([1-9]\d{0,8})$/.exec(wanted) ?? []
  if (user === undefined || group === undefined)
    throw new SettingsError('ENVIRONMENT_INVALID', 'CAUSEWAY_RUN_AS must be uid:gid, neither of them 0')
  return { uid: Number(user), gid: Number(group) }
}

function become({ uid, gid }: User): void {
  try {
    process.setgroups?.([gid])
    process.setgid?.(gid)
    process.setuid?.(uid)
  } catch (cause) {
    throw new SettingsError(
      'ENVIRONMENT_INVALID',
      `as root it could not become user ${uid}:${gid}: give the container CAP_SETUID and CAP_SETGID, or set User to "${uid}:${gid}" in createOptions`,
      { cause }
    )
  }
}

/** The folder itself comes last: where it is the user's own already, an earlier start has been through with it. */
async function takeOwnership(folder: string, uid: number, gid: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const now = await lstat(folder)
  if (!now.isDirectory() || (now.uid === uid && now.gid === gid)) return
  for await (const entry of await opendir(folder, { recursive: true }))
    await lchown(join(entry.parentPath, entry.name), uid, gid)
  await lchown(folder, uid, gid)
}
