/** How a plan is shown: for people, for programs, and for the services that put it beside a change for review. */
export const planStyles = ['text', 'json', 'markdown', 'github', 'azdo', 'sarif'] as const
export type PlanStyle = (typeof planStyles)[number]
