/**
 * The template that comes with Causeway; one of the same name in the working folder goes before it. It stands by itself, so that
 * the command line knows it without loading what reads templates.
 */
export const defaultTemplate = 'deployment.template.json'
