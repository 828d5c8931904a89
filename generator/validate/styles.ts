/** How findings are shown: for people, for programs, and for the services that put them beside a line. */
export const findingStyles = ['text', 'json', 'github', 'azdo', 'sarif'] as const
export type FindingStyle = (typeof findingStyles)[number]
