/** The whole style: no asset from elsewhere, no font to fetch; both colour schemes pass WCAG's contrast for text. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#ffffff, #14171a);
  --card: light-dark(#f4f5f7, #1f2428);
  --text: light-dark(#1c1f23, #e8eaed);
  --quiet: light-dark(#50575e, #b3bac2);
  --line: light-dark(#d5d9de, #3a4148);
  --good: light-dark(#0b6b2e, #6ad08f);
  --busy: light-dark(#0a58a6, #7dbcff);
  --warn: light-dark(#7a4a00, #f0b85a);
  --bad: light-dark(#a3141d, #ff9a94);
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 60rem;
  background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.25rem; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 0.5rem; }
main { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.75rem 1rem; min-width: 0; }
section.wide { grid-column: 1 / -1; }
p, ul, ol, dl { margin: 0 0 0.5rem; }
ul, ol { padding-left: 1.25rem; }
ol { list-style: none; padding: 0; }
li { margin-bottom: 0.25rem; overflow-wrap: anywhere; }
code { font: 0.95em ui-monospace, monospace; }
small, time, footer { color: var(--quiet); font-size: 0.875rem; }
footer { margin-top: 1rem; }
.badge { border: 2px solid; border-radius: 1rem; padding: 0.1rem 0.6rem; margin-right: 0.4rem; white-space: nowrap; }
.good { color: var(--good); } .busy { color: var(--busy); } .warn { color: var(--warn); } .bad, .bad span { color: var(--bad); }
progress, meter { width: 100%; height: 0.75rem; display: block; }
dl div { display: flex; flex-wrap: wrap; gap: 0 0.75rem; margin-bottom: 0.25rem; }
dt { min-width: 11rem; color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
summary { display: flex; gap: 0.75rem; padding: 0.5rem 0; cursor: pointer; }
summary span:first-child { flex: 1; min-width: 0; overflow-wrap: anywhere; }
summary::before { content: "▸"; } details[open] > summary::before { content: "▾"; }
:focus-visible { outline: 3px solid var(--busy); outline-offset: 2px; }
#stale { border: 2px solid var(--warn); border-radius: 0.5rem; padding: 0.5rem 1rem; margin-bottom: 0.75rem; }
[hidden] { display: none; }
`
