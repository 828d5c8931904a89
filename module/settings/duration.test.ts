import assert from 'node:assert/strict'
import { parseDuration } from './duration.ts'

describe('durations', () => {
  for (const [text, seconds] of [
    ['PT4H', 14_400],
    ['P1D', 86_400],
    ['P1DT12H', 129_600],
    ['PT1H30M5S', 5405],
    ['P1W', 604_800],
    ['PT0S', 0]
  ] as const)
    it(`reads ${text}`, () => assert.equal(parseDuration(text), seconds * 1000))

  for (const text of ['', 'P', 'PT', 'P1DT', '4H', 'P1M', 'P1Y', 'PT-1H', 'PT1.5H', 'pt4h', 'P1WT1H'])
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseDuration(text), undefined))
})
