import { join } from 'node:path'
import { bundle, root } from './bundle.ts'

for (const name of ['module', 'causeway'] as const) {
  const { outputs } = await bundle(name, join(root, 'dist', name))
  const bytes = Object.values(outputs).reduce((sum, output) => sum + output.bytes, 0)
  console.log(`dist/${name}: ${Object.keys(outputs).length} files, ${(bytes / 1e6).toFixed(1)} MB`)
}
