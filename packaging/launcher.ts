import { oldestNode, type ProgramName } from './bundle.ts'

/**
 * What is started: it runs on any Node that knows ESM, so that one that is too old is told in a sentence, where the program
 * itself would fail with a missing module or a syntax error.
 */
export function launcher(name: ProgramName): string {
  const [major, minor] = oldestNode.split('.')
  return `${name === 'causeway' ? '#!/usr/bin/env node\n' : ''}const [major, minor] = process.versions.node.split('.').map(Number)
if (major < ${major} || (major === ${major} && minor < ${minor})) {
  console.error('NODE_TOO_OLD: this is Node ' + process.versions.node + ', and ${name === 'causeway' ? 'causeway' : 'this module'} needs ${oldestNode} or later: install a newer one, and start again')
  process.exitCode = 1
} else {
  // Node spares whoever runs packages what is said to their makers; it does not know them in a bundle.
  process.noDeprecation = true
  import('./program.js')
}
`
}
