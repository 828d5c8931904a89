import assert from 'node:assert/strict'
import { FadingFault } from './fading-fault.ts'

describe('fading fault', () => {
  it('is told once, until it is cleared', () => {
    const told: string[] = []
    const fault = new FadingFault(
      {
        setFault: (code, description) => told.push(`${code} ${description}`),
        clearFault: (code) => told.push(`no ${code}`)
      },
      'InsecureCredentials'
    )
    fault.clear()
    fault.happened('from here')
    fault.happened('from there')
    fault.clear()
    fault.clear()
    fault.happened('again')
    fault.clear()
    assert.deepEqual(told, [
      'InsecureCredentials from here',
      'no InsecureCredentials',
      'InsecureCredentials again',
      'no InsecureCredentials'
    ])
  })
})
