import packageJson from '../package.json' with { type: 'json' }

/** This release, as the twin, the log and the parent's access log see it. */
export const version: string = packageJson.version
