import { parentPort, workerData } from 'node:worker_threads'
import { IndexDatabase } from './index-database.ts'
import { StorageError } from './errors.ts'
import { commitGate, type IndexReply, type IndexRequest, type IndexWorkerData } from './index-protocol.ts'

/* Waits for fsync, 5 to 100 ms on an SD card, so that those who pull meanwhile need not. */

const port = parentPort
if (port === null) throw new Error('index-worker.ts runs as a worker thread only')
const reply = (message: IndexReply): void => port.postMessage(message)

try {
  const { folder, commitGate: gate } = workerData as IndexWorkerData
  const index = IndexDatabase.resume(folder)
  port.on('message', (request: IndexRequest) => {
    if (request === 'close') {
      index.close()
      port.close()
    } else if (request === 'copy') {
      reply({ kind: 'copied', ...index.copy() })
    } else if ('tagTimesOf' in request) {
      reply({ kind: 'tagTimes', ...index.tagTimes(request.tagTimesOf) })
    } else {
      if (gate !== undefined) wait(new Int32Array(gate))
      reply({ kind: 'applied', failures: index.apply(request.batches) })
    }
  })
  reply({ kind: 'opened' })
} catch (error) {
  if (!(error instanceof StorageError)) throw error
  reply({ kind: 'refused', failure: { code: error.code, message: error.message } })
}

function wait(gate: Int32Array): void {
  Atomics.wait(gate, commitGate.closed, 1)
  const delay = Atomics.load(gate, commitGate.delay)
  if (delay > 0) Atomics.wait(gate, commitGate.delay, delay, delay)
}
