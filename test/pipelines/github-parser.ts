import { registerHooks } from 'node:module'

/** What GitHub's own readers say against a file; nothing where it is as the service takes it. */
export type Complaints = (content: string) => string[]

/** They are made for bundlers, and import JSON without saying so, which Node refuses. */
export async function gitHubParsers(): Promise<{ readonly action: Complaints; readonly workflow: Complaints }> {
  const hooks = registerHooks({
    load: (url, context, next) =>
      next(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context)
  })
  try {
    const [{ NoOperationTraceWriter, parseWorkflow }, { parseAction }] = await Promise.all([
      import('@actions/workflow-parser'),
      import('@actions/workflow-parser/actions/action-parser')
    ])
    const complaints =
      (parse: typeof parseAction): Complaints =>
      (content) =>
        parse({ name: 'file.yml', content }, new NoOperationTraceWriter())
          .context.errors.getErrors()
          .map(({ message }) => message)
    return { action: complaints(parseAction), workflow: complaints(parseWorkflow) }
  } finally {
    hooks.deregister()
  }
}
