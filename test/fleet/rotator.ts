import { readFile } from 'node:fs/promises'
import { scryptSync } from 'node:crypto'
import { join } from 'node:path'
import { createAcrClient } from '../../generator/acr/client.ts'
import { createCredential } from '../../generator/azure/credential.ts'
import { createHubClient } from '../../generator/hub/client.ts'
import { Pace } from '../../generator/hub/pace.ts'
import { throwAll } from '../../generator/errors.ts'
import { beginRotation, chooseTokens, pendingTokens } from '../../generator/rotation/plan.ts'
import { registryProof } from '../../generator/rotation/proof.ts'
import { carryOutRotation } from '../../generator/rotation/rotate.ts'
import { openBackend } from '../../generator/secrets/open.ts'
import { SecretStore } from '../../generator/secrets/store.ts'
import { parseSite } from '../../generator/site-file/read.ts'

/*
 * `causeway rotate` as `fleet-rotation.test.ts` kills it: the same steps with the same SDKs, but looking at the fleet every
 * 50 milliseconds and not every minute, and hashing as cheaply as the settings allow.
 *
 * node rotator.ts <folder> <milliseconds that devices are waited for>
 */

const [folder = '', timeout = ''] = process.argv.slice(2)
const { signal } = new AbortController()
const io = { stdout: process.stdout, stderr: process.stderr, env: process.env, workingFolder: folder, signal }
const site = parseSite(await readFile(join(folder, 'site.yaml'), 'utf8'), 'site.yaml')
const vault = (): Promise<never> => Promise.reject(new Error('there is no key vault'))
const at = { named: undefined, folder: join(folder, '.causeway'), loginServer: site.loginServer, keyVault: undefined }
const store = await SecretStore.open(await openBackend({ ...at, io, vault }), site.loginServer, 'write')
const keep = store.keep.bind(store)
store.keep = (token, slot, password) => keep(token, slot, password, cheapHash(password.value))
const acr = createAcrClient(site.azure, {
  credential: await createCredential(site.azure.cloud, signal),
  signal,
  pollInterval: 5
})
const hub = await createHubClient(site.hubHost, {
  signal,
  env: process.env,
  credential: () => Promise.reject(new Error('no credential is needed')),
  // A hub for such a fleet has more units; the paces of one are tested by themselves.
  pace: new Pace({ now: () => 0, pause: () => Promise.resolve() })
})
if (pendingTokens(site, store).length === 0) await beginRotation(chooseTokens(site, []), store, acr, new Date())
const { notTaken = [] } = await carryOutRotation({
  site,
  store,
  acr,
  hub,
  proof: registryProof(site.loginServer, io),
  proofPatience: { signal, interval: 50, timeout: 30_000 },
  devicePatience: { signal, interval: 50, timeout: Number(timeout) },
  movedClients: () => false,
  onPassword: () => undefined,
  tell: () => undefined
})
throwAll(notTaken)
hub.close()
await store.close()
process.exit(0)

function cheapHash(password: string): string {
  const salt = Buffer.alloc(16, 1)
  const key = scryptSync(password, salt, 32, { N: 2 ** 10, r: 8, p: 1 })
  const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')
  return `$scrypt$ln=10,r=8,p=1$${unpadded(salt)}$${unpadded(key)}`
}
