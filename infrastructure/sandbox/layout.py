"""Every page of the sandbox is plain HTML that works without scripts and at a phone's width."""

from html import escape

from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; --ink: #1c1d1f; --soft: #5c6068; --ground: #eef0f3; --card: #fff; --line: #858b94;
  --act: #0b63d6; --act-ink: #fff; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e8ea; --soft: #a2a7b0; --ground: #141517; --card: #1f2124;
  --line: #848b95; --act: #7db2ff; --act-ink: #0a1a30; --bad: #ff9a92; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 27rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
.card { background: var(--card); border-radius: .75rem; padding: 1.5rem; }
.brand { font-weight: 700; margin: 0 0 .75rem; } h1 { font-size: 1.35rem; line-height: 1.25; margin: 0 0 .5rem; }
p, dl, ul { margin: .5rem 0; } ul { padding-left: 1.2rem; } .soft { color: var(--soft); font-size: .875rem; }
label { display: block; margin-top: .9rem; font-weight: 600; }
input:not([type=radio]), select, textarea { display: block; width: 100%; margin-top: .25rem; padding: .65rem .75rem;
  font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .5rem; }
select option { color: #1c1d1f; background: #fff; }
[aria-invalid] { border-color: var(--bad); }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; } legend { padding: 0; }
label.choice { display: flex; gap: .75rem; align-items: center; font-weight: 400; border: 1px solid var(--line);
  border-radius: .5rem; padding: .75rem; min-height: 2.75rem; }
button { display: block; width: 100%; min-height: 2.75rem; margin-top: .75rem; padding: .6rem; font: inherit;
  font-weight: 600; border: 0; border-radius: .5rem; background: var(--act); color: var(--act-ink); cursor: pointer; }
button.quiet { background: transparent; color: var(--act); }
a { color: var(--act); }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
.fault { color: var(--bad); font-weight: 600; } .note { border-left: .25rem solid var(--act); padding-left: .75rem; }
summary { min-height: 1.5rem; cursor: pointer; }
dt { color: var(--soft); font-size: .875rem; } dd { margin: 0 0 .5rem; }
"""


def page(
    title: str, body: str, *, brand: str, status: int = 200, may_be_kept: bool = False, is_fault: bool = False
) -> HTMLResponse:
    """A whole page; `title` and `brand` are text, `body` is HTML whose every value is escaped already.

    One that `may_be_kept` is there at the browser's «back», though it was the answer to a form.
    """
    heading = escape(title)
    html = (
        '<!doctype html><html lang="ru"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{'Ошибка: ' if is_fault else ''}{heading}</title><style>{STYLE}</style></head>"
        f'<body><main><div class="card"><p class="brand">{escape(brand)}</p><h1>{heading}</h1>{body}</div>'
        '<p class="soft">Это песочница: настоящего входа и настоящих людей здесь нет.</p></main></body></html>'
    )
    headers = {
        "Cache-Control": "private, no-cache" if may_be_kept else "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    }
    return HTMLResponse(html, status_code=status, headers=headers)


def fault_line(fault: str | None) -> str:
    """The message about what went wrong, read out at once by a screen reader; nothing without one."""
    return f'<p class="fault" id="fault" role="alert">{escape(fault)}</p>' if fault else ""


def note_line(note: str | None) -> str:
    """The message about what went well, read out when there is time; nothing without one."""
    return f'<p class="note" role="status">{escape(note)}</p>' if note else ""
