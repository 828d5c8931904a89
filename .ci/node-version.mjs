// Runs on whatever `node` the npm scripts found, old ones too: hence plain JavaScript. The platform packages in
// optionalDependencies put Node 24 in front; where none of them fits this machine, its own Node has to do.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `NODE_TOO_OLD: Node ${process.versions.node} cannot run TypeScript. "npm ci" brings Node 24 for linux-x64, linux-arm64, ` +
      `darwin-arm64 and win-x64 (this is ${process.platform}-${process.arch}; was it run with --omit=optional?); ` +
      'elsewhere install Node 24 yourself.'
  )
  process.exit(1)
}
