import type { Command } from 'commander'
import { shells, type Shell } from '../completion/shells.ts'
import type { Runner } from './options.ts'

/** Completion in shells: what they read once, and what they ask at a TAB. */
export function addCompletionCommands(program: Command, act: Runner): void {
  program
    .command('completion')
    .description('print what a shell needs to complete causeway: commands, options, and names from the site file')
    .addArgument(program.createArgument('<shell>').choices(shells))
    .addHelpText(
      'after',
      `
bash: source <(causeway completion bash) in ~/.bashrc
zsh:  source <(causeway completion zsh) in ~/.zshrc, after compinit
fish: causeway completion fish > ~/.config/fish/completions/causeway.fish`
    )
    .action((shell: Shell) =>
      act({}, async (context) => {
        ;(await import('../commands/completion.ts')).completion(context, shell)
      })
    )

  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .helpOption(false)
    .action((words: string[]) =>
      act({}, async (context) => (await import('../commands/completion.ts')).answerCompletion(context, program, words))
    )
}
