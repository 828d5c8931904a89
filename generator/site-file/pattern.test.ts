import assert from 'node:assert/strict'
import { fits } from './pattern.ts'

describe('names and patterns', () => {
  for (const [name, pattern, expected] of [
    ['plant-1', 'plant-1', true],
    ['plant-10', 'plant-1', false],
    ['plant-1', '*', true],
    ['plant-1', 'plant-*', true],
    ['ship-1', 'plant-*', false],
    ['north-plant-1', '*-plant-*', true],
    ['plant', 'plant*plant', false],
    ['a-b-c', 'a*b*c', true],
    ['a-c-b', 'a*b*c', false],
    ['a.c', 'a*c', true]
  ] as const)
    it(`${name} is ${expected ? '' : 'not '}meant by ${pattern}`, () => {
      assert.equal(fits(name, pattern), expected)
    })
})
