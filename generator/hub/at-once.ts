/**
 * Works through a list, a few at a time, and gives the results in its order. After a failure nothing more is begun, and what is
 * under way is waited for: whoever is told of it may trust that nothing happens behind their back.
 *
 * @param most at the same time
 */
export async function atOnce<Item, Result>(
  items: readonly Item[],
  most: number,
  work: (item: Item) => Promise<Result>
): Promise<Result[]> {
  const results = new Array<Result>(items.length)
  const entries = items.entries()
  let hasFailed = false
  const worker = async (): Promise<void> => {
    for (const [index, item] of entries) {
      if (hasFailed) return
      try {
        results[index] = await work(item)
      } catch (error) {
        hasFailed = true
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(most, items.length) }, worker))
  const failure = ended.find((each) => each.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return results
}
