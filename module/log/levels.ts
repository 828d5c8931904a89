/** Levels by the names of Microsoft's connected registry; `None` silences everything. */
export const logLevels = ['Debug', 'Information', 'Warning', 'Error', 'None'] as const
export type LogLevel = (typeof logLevels)[number]
