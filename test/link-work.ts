import assert from 'node:assert/strict'
import { digestOf } from '../module/oci/digest.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import type { BadLink } from './bad-link.ts'
import type { LoneModule } from './lone-module.ts'
import type { Variables } from './real-tools.ts'
import { pullPath } from './world.ts'

/* What the tests over a link that drops have in common. */

export const mebibyte = 1024 * 1024
/** Fast enough for a test, and slow enough that no buffer on the way is ever full when the link breaks. */
export const bytesPerSecond = 6 * mebibyte

export function settingsFor(parent: NonNullable<SettingsInput['parent']>, image: string): SettingsInput {
  return {
    schemaVersion: '1.0',
    parent,
    imageSets: { all: { repositories: [image] } },
    anonymousPull: { enabled: true }
  }
}

/** The manifest, once it is served; undefined before. */
export async function served(module: LoneModule, repository: string, tag: string): Promise<Buffer | undefined> {
  const answer = await pullPath({ origin: module.origin }, repository, `manifests/${tag}`)
  assert.ok([200, 404].includes(answer.status), String(answer.status))
  return answer.status === 200 ? answer.body : undefined
}

/** A blob is served whole and right, or not at all. */
export async function holds(module: LoneModule, repository: string, digest: string): Promise<boolean> {
  const answer = await pullPath({ origin: module.origin }, repository, `blobs/${digest}`)
  assert.ok([200, 404].includes(answer.status), String(answer.status))
  if (answer.status === 200) assert.equal(digestOf(answer.body), digest)
  return answer.status === 200
}

async function kill(module: LoneModule): Promise<void> {
  process.kill(module.pid!, 'SIGKILL')
  await module.stop()
}

/** Runs the module over a link that breaks, killing it every few cuts, until the image is here. */
export async function bringOver(
  link: BadLink,
  module: LoneModule,
  variables: Variables,
  { repository, tag, kills, cutsEach }: { repository: string; tag: string; kills: number; cutsEach: number }
): Promise<void> {
  for (let killed = 0; killed < kills; killed += 1) {
    await module.start(variables)
    await link.cutTimes((killed + 1) * cutsEach)
    assert.equal(await served(module, repository, tag), undefined, 'an image that is not ready is not there')
    await kill(module)
  }
  await module.start(variables)
  await module.logs(/ image ready /)
}

/** What one cut or kill may cost once more: what lay in buffers on its way, of all the connections that broke with it. */
const lostEach = 128 * 1024
/** Headers, challenges and tokens, and what TLS adds. */
const overhead = 0.01

/**
 * Checks that hardly more went over the link than was needed. How much each cut and kill costs depends on how busy the machine
 * was just then; all of it together stays below the smallest layer, so that none went over twice.
 *
 * @param bytes that went over
 * @param smallestLayer in bytes
 */
export function assertHardlyMore(
  link: BadLink,
  { bytes, needed, smallestLayer, kills = 0 }: { bytes: number; needed: number; smallestLayer: number; kills?: number }
): void {
  const lost = Math.min((link.cuts + kills) * lostEach, 0.8 * smallestLayer)
  const most = Math.round(needed * (1 + overhead) + lost)
  assert.ok(bytes >= needed && bytes <= most, `${bytes} bytes for ${needed}, and ${most} were allowed`)
}

export function told(what: string, ratio: number, link: BadLink): number {
  console.log(`      ${what}: bytes over the link ÷ bytes needed ${ratio.toFixed(4)} (${link.cuts} cuts)`)
  return ratio
}
