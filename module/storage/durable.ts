import { mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { folderMode } from './paths.ts'

/** Makes a folder's entries (a file that was renamed into it, a folder that was made in it) survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Makes a folder and those above it, durably. A folder that is already there is fsynced in its parent too: the process
 * that made it may have died before it could.
 */
export async function makeFolder(folder: string): Promise<void> {
  const first = (await mkdir(folder, { recursive: true, mode: folderMode })) ?? folder
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

/** The same for folders of one parent, with one fsync for all of them. */
export async function makeFolders(parent: string, folders: readonly string[]): Promise<void> {
  await makeFolder(parent)
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: folderMode })
  await syncFolder(parent)
}

/** Moves a file whose bytes are already on the platter to its place in `folder`, durably. */
export async function moveInto(from: string, to: string, folder: string): Promise<void> {
  await rename(from, to)
  await syncFolder(folder)
}
