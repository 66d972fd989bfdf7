"""The style sheet of the status page: light or dark as the reader's system is, readable on a phone.

Colours have a contrast of at least 4.5 to 1 with their background (WCAG 2.2, level AA).
"""

STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1a1a1a; --weak: #5f6368; --line: #d8dadd;
  --band: #f4f5f7; --link: #0b57d0; --good: #1b6e2d; --worse: #8a5300; --bad: #b3261e; --badband: #fdecea }
@media (prefers-color-scheme: dark) {
  :root { --page: #121417; --text: #e6e6e6; --weak: #a2a8ae; --line: #33383e; --band: #1b1f24;
    --link: #8ab4f8; --good: #81c995; --worse: #fdd663; --bad: #ff8a80; --badband: #35191a }
}
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 84rem; margin: 0 auto; padding: 1rem;
  color: var(--text); background: var(--page) }
a { color: var(--link) }
h1 { font-size: 1.5rem; margin: 0 0 .5rem } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem }
p { margin: .3rem 0 }
.trouble { background: var(--badband); border-left: .3rem solid var(--bad); padding: .1rem 1rem .6rem;
  margin-top: 1.2rem }
.trouble h2 { margin-top: .6rem }
ul { margin: .3rem 0; padding-left: 1.2rem } li { margin: .2rem 0; overflow-wrap: anywhere }
summary { cursor: pointer; margin: .6rem 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem .4rem }
thead th { font-weight: 600; color: var(--weak); vertical-align: bottom }
tr { border-bottom: 1px solid var(--line) }
tbody tr:hover { background: var(--band) }
.sources td { white-space: nowrap }
.guests { font-size: .9rem }
.guests tbody th { padding-top: 1rem; font-weight: 600; overflow-wrap: anywhere }
.guests .total td { padding-top: 1rem; font-weight: 600 }
.guests td.name { min-width: 11rem; overflow-wrap: anywhere }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.good { color: var(--good) }
.worse { color: var(--worse); font-weight: 600 }
.bad { color: var(--bad); font-weight: 600 }
.weak { color: var(--weak); font-weight: normal }
.uuid { font: .8em ui-monospace, monospace; color: var(--weak) }
@media (max-width: 30rem) {
  th, td { padding: .35rem .5rem .35rem 0 } .sources { font-size: .9rem } .uuid { font-size: .7em }
}
"""
"""The sheet. Its digest is in the page's Content-Security-Policy."""
