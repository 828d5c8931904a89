/**
 * What makes the page live, in the browser: takes in the parts that changed, keeps what the reader has opened and where the
 * focus is, and says so when the device is not reached. Without it the page loads itself anew.
 */
export const script = `
'use strict'
const stale = document.getElementById('stale')
const local = (root) => {
  for (const time of root.querySelectorAll('time'))
    time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}
const replace = (id, html) => {
  const part = document.getElementById(id)
  if (part === null) return
  const open = new Set([...part.querySelectorAll('details[open]')].map((each) => each.id))
  const focused = document.activeElement?.closest('#' + id + ' details')?.id
  part.innerHTML = html
  for (const each of part.querySelectorAll('details')) each.open = open.has(each.id)
  if (focused) document.getElementById(focused)?.querySelector('summary')?.focus({ preventScroll: true })
  local(part)
}
local(document)
const follow = () => {
  const source = new EventSource('events')
  source.addEventListener('sections', (event) => {
    stale.hidden = true
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html)
  })
  source.addEventListener('error', () => {
    stale.hidden = false
    // Refused rather than cut off: the browser does not try again by itself, and a login may be asked for.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 30000)
  })
}
follow()
`
