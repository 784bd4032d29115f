"""A report as one HTML file: no script, nothing loaded from anywhere, prints on A4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.findings.findings import Findings
from edge.report import content, trend, triage
from edge.report.disclosure import Disclosure, pages
from edge.report.drawing import ACCENT, BEAT, PRIORITY
from edge.report.svg import DEFINITIONS, FONT, escape, svg
from edge.triage.note import Note

_STYLE = f"""
:root{{color-scheme:light}}
*{{box-sizing:border-box}}
body{{margin:0;background:#f3f3f1;color:#111;font:10pt/1.45 {FONT};font-variant-numeric:tabular-nums}}
main{{max-width:280mm;margin:0 auto;padding:8mm;background:#fff}}
.sheet{{max-width:230mm}}
h1{{font-size:15pt;font-weight:600;margin:0 0 1mm}}
h2{{font-size:11pt;font-weight:600;margin:7mm 0 2mm;padding-bottom:.8mm;border-bottom:.3mm solid {ACCENT}}}
h3{{font-size:10pt;font-weight:600;margin:0}}
p{{margin:0 0 2mm}}
a{{color:{ACCENT};white-space:nowrap}}
.facts{{display:flex;flex-wrap:wrap;gap:1mm 8mm;margin:2mm 0 0;padding:0}}
.facts div{{display:flex;gap:2mm}}
.facts dt{{color:#5c5c5c}}
.facts dd{{margin:0}}
ul.findings{{list-style:none;margin:0;padding:0}}
ul.findings li{{padding:.8mm 0 .8mm 3mm;border-left:1.2mm solid #d9d9d9;margin-bottom:.8mm}}
.high{{border-left-color:{PRIORITY["high"]}!important}}
.medium{{border-left-color:{PRIORITY["medium"]}!important}}
.low{{border-left-color:{PRIORITY["low"]}!important}}
.sign{{font-weight:600;margin-right:1.5mm}}
.sign.high{{color:{PRIORITY["high"]}}}.sign.medium{{color:#8a6505}}.sign.low{{color:#146570}}
.considered{{border-left:1.2mm solid #d9d9d9;padding-left:3mm;margin:0 0 3mm;break-inside:avoid}}
.considered td{{border:0}}
table{{border-collapse:collapse;font-size:9.5pt}}
th,td{{text-align:left;padding:.7mm 4mm .7mm 0;border-bottom:.1mm solid #d9d9d9;vertical-align:top;font-weight:400}}
thead th{{color:#5c5c5c}}td:first-child{{white-space:nowrap}}
.n{{text-align:right;white-space:nowrap}}
.two{{display:flex;flex-wrap:wrap;gap:0 10mm}}.two>div:last-child{{flex:1 1 80mm;min-width:0}}
figure{{margin:0 0 6mm;break-inside:avoid}}
figcaption{{margin:0 0 1.5mm;padding-left:3mm;border-left:1.2mm solid #d9d9d9}}
.strip{{overflow-x:auto}}
svg{{display:block}}.trend{{overflow-x:auto}}.trend svg{{width:100%;min-width:130mm;height:auto}}
small,.quiet{{color:#5c5c5c;font-size:9pt}}
@page{{size:A4;margin:10mm}}
@page strips{{size:A4 landscape;margin:10mm}}
.sheetful{{margin-bottom:6mm;break-inside:avoid}}
@media print{{body{{background:none;font-size:8.5pt}}
table{{font-size:8pt}}ul.findings li{{padding:0 0 0 3mm;margin:0}}
h2{{margin-top:4mm}}main{{padding:0;max-width:none}}.strips{{page:strips}}.strip{{overflow:visible}}
h2,h3,figcaption{{break-after:avoid}}}}
"""
_SIGNS = {"high": "!!!", "medium": "!!", "low": "!"}


def page(found: Findings, note: Note | None = None, disclosure: Disclosure | None = None) -> str:
    """Return the report as an HTML document.

    Parameters
    ----------
    found : Findings
        What it says.
    note : Note, optional
        The triage note, where there were answers.
    disclosure : Disclosure, optional
        Every beat; at the end.
    """
    shown = content.figures(found)
    by_episode = content.numbers(shown)
    title = f"ECG report, {found.subject.name}"
    first = [
        f"<h1>{escape(title)}</h1>",
        f"<p class=quiet>{escape(content.NOT_A_DIAGNOSIS)}</p>",
        _facts(content.facts(found)),
        "<h2>Findings</h2>",
        _sentences(found, by_episode),
        triage.section(note, by_episode) if note is not None else "",
        "<h2>Rate and rhythm</h2>",
        f"<div class=trend>{svg(trend.draw(found))}</div>",
        "<div class=two><div><h2>Beats</h2>",
        _table(("", "class", "beats", "share", "an hour"), content.beat_rows(found), numbers=(2, 3, 4), beat=True),
        "</div><div><h2>Rate, intervals, variability</h2>",
        _table(("", "", ""), content.measures(found), numbers=(1,)),
        "</div></div>",
    ]
    strips = ["<h2>Strips</h2>", *(_figure(found, figure) for figure in shown)] if shown else []
    last = [
        _all_episodes(found, by_episode),
        "<h2>Signal quality</h2>",
        _quality(found),
        "<h2>What these findings cannot tell</h2>",
        f"<ul>{''.join(f'<li>{escape(_first(x.what))}: {escape(x.why)}.</li>' for x in found.cannot_tell)}</ul>",
        "<h2>Methods</h2>",
        *(f"<p class=quiet>{escape(text)}</p>" for text in content.methods(found)),
    ]
    drawings = pages(found, disclosure) if disclosure is not None else ()
    every = "".join(f'<div class="strip sheetful">{svg(drawing)}</div>' for drawing in drawings)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body>{DEFINITIONS}<main>"
        f"<section class=sheet>{''.join(first)}</section>"
        f"<section class=strips>{''.join(strips)}</section>"
        f"<section class=sheet>{''.join(last)}</section>"
        f"{f'<section class=strips><h2>Full disclosure</h2>{every}</section>' if every else ''}</main></body></html>\n"
    )


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f"<dl class=facts>{items}</dl>"


def _sentences(found: Findings, by_episode: Mapping[int, int]) -> str:
    items = []
    for sentence in found.sentences:
        kind = sentence.priority or ""
        sign = f'<span class="sign {kind}">{_SIGNS[kind]}</span>' if kind else ""
        number = by_episode.get(sentence.episode) if sentence.episode is not None else None
        link = f' <a href="#strip{number}">strip {number}</a>' if number else ""
        items.append(f'<li class="{kind}">{sign}{escape(sentence.text)}{link}</li>')
    return f"<ul class=findings>{''.join(items)}</ul>"


def _table(
    head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, numbers: tuple[int, ...] = (), beat: bool = False
) -> str:
    def cell(kind: str, i: int, text: str) -> str:
        style = f' style="color:{BEAT[text]};font-weight:600"' if beat and i == 0 and text in BEAT else ""
        return f"<{kind}{' class=n' if i in numbers else ''}{style}>{escape(text)}</{kind}>"

    top = f"<thead><tr>{''.join(cell('th', i, t) for i, t in enumerate(head))}</tr></thead>" if any(head) else ""
    body = "".join(f"<tr>{''.join(cell('td', i, t) for i, t in enumerate(row))}</tr>" for row in rows)
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _figure(found: Findings, figure: content.Figure) -> str:
    sign = f'<span class="sign {figure.priority}">{_SIGNS[figure.priority]}</span>' if figure.priority else ""
    return (
        f'<figure id="strip{figure.number}"><figcaption class="{figure.priority}">'
        f"<h3>{sign}Strip {figure.number}: {escape(figure.heading)}</h3>"
        f"<small>{escape(figure.text)}</small></figcaption>"
        f"<div class=strip>{svg(content.picture(found, figure.strip))}</div></figure>"
    )


def _all_episodes(found: Findings, by_episode: Mapping[int, int]) -> str:
    rows = content.episode_rows(found, by_episode)
    if not rows:
        return ""
    more = len(found.episodes) - len(rows)
    rest = f"<p class=quiet>{more:,} more are in the JSON form.</p>" if more > 0 else ""
    return f"<h2>Episodes</h2>{_table(('', 'kind', 'from', 'length', 'judged by', 'strip'), rows)}{rest}"


def _quality(found: Findings) -> str:
    rows = content.quality_rows(found)
    return _table(("lead", "good", "noisy", "saturated", "flat", "off"), rows, numbers=(1, 2, 3, 4, 5))
