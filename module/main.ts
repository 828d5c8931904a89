import './interpreted-schemas.ts'

// After it, and in files of its own: whatever makes schemas must find that setting.
await import('./program.ts')
