import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LineLog } from '../../module/log/log.ts'
import type { Authorizer, TokenIssuer } from '../../module/registry/authorizer.ts'
import { createRegistry } from '../../module/registry/registry.ts'
import { createHttpServer } from '../../module/registry/server.ts'
import { openStorage } from '../../module/storage/open-storage.ts'

/*
 * The process that torture.test.ts kills: storage and registry as main.ts joins them, for everybody, with garbage collection
 * that never rests. `node victim.ts <folder>`; says `{port}` over IPC, and does a whole collection when it is sent anything.
 */

const [folder = ''] = process.argv.slice(2)
const log = new LineLog((line) => void process.stderr.write(line))
log.level = 'Error'
const storage = await openStorage({ folder, log })
const everybody: Authorizer & TokenIssuer = {
  authorize: () =>
    Promise.resolve({ kind: 'allowed', caller: { name: 'torturer', catalog: [{ prefix: '' }], may: () => true } }),
  issue: () => Promise.resolve({})
}
const registry = createRegistry({
  content: storage,
  authorizer: everybody,
  tokens: everybody,
  log,
  mode: () => 'ReadWrite',
  missingContent: () => 'refused'
})
const server = createHttpServer([registry], log)
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const atOnce = { graceMs: 0, untaggedMs: () => 0, leftoverMs: 0 }
process.on('message', () => void storage.collectGarbage(atOnce).then((report) => process.send?.({ report })))
process.on('disconnect', () => process.exit())
process.send?.({ port: (server.address() as AddressInfo).port })

for (let round = 0; ; round += 1) {
  // Sometimes without any grace, so that a push in flight is raced for each of its blobs; partial files keep theirs.
  await storage.collectGarbage({ graceMs: round % 3 === 0 ? 0 : 200, untaggedMs: () => 0 })
  await storage.copyIndex()
  await delay(5)
}
