import { parentPort, workerData } from 'node:worker_threads'
import { IndexDatabase } from './index-database.ts'
import { StorageError } from './errors.ts'
import type { ApplyRequest, IndexReply, IndexWorkerData } from './index-protocol.ts'

/* Waits for fsync, 5 to 100 ms on an SD card, so that those who pull meanwhile need not. */

const port = parentPort
if (port === null) throw new Error('index-worker.ts runs as a worker thread only')
const reply = (message: IndexReply): void => port.postMessage(message)

try {
  const { index, ...opened } = IndexDatabase.open((workerData as IndexWorkerData).folder)
  port.on('message', (request: ApplyRequest | 'close') => {
    if (request === 'close') {
      index.close()
      port.close()
    } else reply({ kind: 'applied', failures: index.apply(request.batches) })
  })
  reply({ kind: 'opened', ...opened })
} catch (error) {
  if (!(error instanceof StorageError)) throw error
  reply({ kind: 'refused', failure: { code: error.code, message: error.message } })
}
