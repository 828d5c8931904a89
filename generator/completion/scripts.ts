import type { Shell } from './shells.ts'

/*
 * What a shell runs at a TAB: it asks the command that stands on the line, with the words before the cursor, and nothing of what was
 * typed is evaluated. `:files`, `:folders` or `:none` comes first, then a line for each candidate.
 */

// Words are put together again where bash breaks them (`--site=x` and `a:b` are three words each to it), and only what is behind the
// last break is given back. No bash-completion is needed, and bash 3.2 of macOS will do.
const bash = `# bash completion for causeway: source <(causeway completion bash)
_causeway() {
  local rest=$COMP_LINE at=0 start=0 i word gap current piece cut breaks value description
  local -a words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    gap=\${rest%%[![:space:]]*}
    rest=\${rest:\${#gap}}
    at=$((at + \${#gap}))
    if ((i == 0)) || [[ -n $gap ]]; then
      words+=("$word")
      start=$at
    else
      words[\${#words[@]} - 1]+=$word
    fi
    rest=\${rest:\${#word}}
    at=$((at + \${#word}))
  done
  current=\${COMP_LINE:start:COMP_POINT - start}
  words[\${#words[@]} - 1]=$current
  breaks=\${COMP_WORDBREAKS//[!=:]/}
  piece=$current
  [[ -n $breaks ]] && piece=\${current##*[$breaks]}
  cut=\${current%"$piece"}
  COMPREPLY=()
  while IFS=$'\\t' read -r value description; do
    case $value in
      :files) ;;
      :folders) type compopt &>/dev/null && compopt +o default -o dirnames ;;
      :none) type compopt &>/dev/null && compopt +o default ;;
      *) COMPREPLY+=("\${value#"$cut"}") ;;
    esac
  done < <("$1" complete -- "\${words[@]:1}" 2>/dev/null </dev/null)
}
complete -o default -F _causeway causeway
`

const zsh = `#compdef causeway
# zsh completion for causeway: source <(causeway completion zsh), after compinit; or as the file _causeway in a folder of $fpath
_causeway() {
  local line kind found=1
  local -a lines described
  lines=("\${(@f)$("\${(Q)words[1]}" complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  kind=\${lines[1]}
  for line in "\${(@)lines[2,-1]}"; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( $#described )) && _describe -t causeway causeway described && found=0
  if [[ $kind == :files || $kind == :folders ]]; then
    [[ $PREFIX == -*=* ]] && compset -P '*='
    if [[ $kind == :files ]]; then _files && found=0; else _files -/ && found=0; fi
  fi
  return found
}
if [[ \${funcstack[1]} == _causeway ]]; then
  _causeway "$@"
else
  compdef _causeway causeway
fi
`

const fish = `# fish completion for causeway: causeway completion fish | source
function __causeway_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l lines ($program complete -- $words "$current" 2>/dev/null </dev/null)
    set -l kind $lines[1]
    set -e lines[1]
    for line in $lines
        echo $line
    end
    set -l option (string match -r -- '^-[^=]*=' "$current")
    set -l path (string replace -r -- '^-[^=]*=' '' "$current")
    switch "$kind"
        case :files
            for each in (__fish_complete_path "$path")
                echo "$option$each"
            end
        case :folders
            for each in (__fish_complete_directories "$path")
                echo "$option$each"
            end
    end
end
complete -c causeway -f -a '(__causeway_complete)'
`

/** What a person's shell reads once, to complete `causeway` from then on. */
export const completionScripts: Readonly<Record<Shell, string>> = { bash, zsh, fish }
