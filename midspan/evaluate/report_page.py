"""`report.html`: results to look at, in one file that loads nothing: tables, plots, and every case.

The cases are a list with filters, search and keys; what a case holds beside its truth and suggestions (the text around
the caret, the prompts) is packed in chunks that the page opens one by one as they are looked at. Code is untrusted: all
text is escaped or set as text, and the page's policy allows no script but the one whose hash it names.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midspan.data.cases import Case
from midspan.data.charts import Range, curves, ranges
from midspan.evaluate.compare import Difference, differences
from midspan.evaluate.figures import FIGURES, HEADLINE
from midspan.evaluate.report import build_report
from midspan.evaluate.report_browser import SCRIPT, STYLE
from midspan.evaluate.run import Prediction
from midspan.page import head, plain, source_hash, table, visible

CHUNK = 20
"""Cases unpacked at once."""
AROUND = 4_000
"""Characters shown before and behind the caret."""
LONGEST_PROMPT = 40_000
LONGEST = 6_000
"""Characters of a truth or suggestion in the list of cases."""
GROUPS = {
    "by_language": "By language",
    "by_kind": "By kind of caret",
    "by_length": "By length of the truth, characters",
    "by_context": "By context in the prompt, tokens",
}
PLOTTED = "kk"
MOST_GROUPS = 14
MOST_PLOTTED = 6
"""Systems in a plot; a table has them all."""
CURVE_POINTS = 60


def write_page(
    path: Path,
    title: str,
    cases: Sequence[Case],
    systems: Mapping[str, Sequence[Prediction]],
    seed: int,
    *,
    report: Mapping[str, Any] | None = None,
    compared: bool = False,
) -> None:
    """Write the page; `report` is that of `build_report` if it was made already.

    With `compared` the first system is what the others are held against, and their regressions stand first.
    """
    found = report or build_report(cases, systems, seed)
    sections = {
        "Figures": _figures(found["rows"]),
        "Changes": _changes(cases, systems, seed) if compared else "",
        "Where": _groups(found),
        "Confidence": _confidence(found["reliability"]),
        "Latency": _latency(found["rows"], systems),
        "KK and the others": _correlations(found["correlations"]),
        "Cases": _cases(cases, systems, compared),
    }
    shown = {name: content for name, content in sections.items() if content}
    links = "".join(f'<a href="#{_anchor(name)}">{name}</a>' for name in shown)
    body = "\n".join(
        f'<section id="{_anchor(name)}"><h2>{name}</h2>{content}</section>' for name, content in shown.items()
    )
    # The plots' own style attributes cannot be named by hash.
    policy = f"style-src {source_hash(STYLE)}; style-src-attr 'unsafe-inline'; script-src {source_hash(SCRIPT)}"
    row = found["rows"][0]
    path.write_text(
        f"{head(title, STYLE, policy)}<body><h1>{plain(title)}</h1>"
        f"<p>{row['cases']:,} cases of {row['projects']:,} projects; in brackets: {plain(found['interval'])}.</p>"
        f"<nav>{links}</nav>\n<main>{body}</main>\n<script>{SCRIPT}</script></body></html>\n",
        encoding="utf-8",
    )


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _figures(rows: Sequence[Mapping[str, Any]]) -> str:
    """One column per system, one row per figure."""
    body = [
        [figure.title, *(_with_interval(row, name) for row in rows)]
        for name, figure in FIGURES.items()
        if any(name in row for row in rows)
    ]
    for name in ("prompt_tokens", "context_tokens", "completion_tokens"):
        body.append([name.replace("_", " "), *(f"{row[name]:,.0f}" for row in rows)])
    notes = "Shares in percent; chrF++ from 0 to 100; typing saved and length ratio are by characters."
    return f"<p>{notes}</p>{table(['', *(row['system'] for row in rows)], body)}"


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    text = FIGURES[name].text
    low, high = row["intervals"][name]
    return f"{text(row[name])} [{text(low)}, {text(high)}]"


def _changes(cases: Sequence[Case], systems: Mapping[str, Sequence[Prediction]], seed: int) -> str:
    (first, reference), *others = systems.items()
    tables = []
    for name, predictions in others:
        rows = [_change(each) for each in differences(cases, reference, predictions, seed)]
        tables.append(f"<h3>{plain(name)} against {plain(first)}</h3>{table(['', first, name, 'change', ''], rows)}")
    return "".join(tables)


def _change(each: Difference) -> list[str]:
    text = each.figure.text
    low, high = text(each.change.low, signed=True), text(each.change.high, signed=True)
    change = f"{text(each.change.value, signed=True)} [{low}, {high}]"
    return [each.figure.title, text(each.one), text(each.other), change, each.verdict]


def _groups(report: Mapping[str, Any]) -> str:
    names = [row["system"] for row in report["rows"]][:MOST_PLOTTED]
    plots = []
    for key, title in GROUPS.items():
        rows = report[key]
        groups = list(dict.fromkeys(row["group"] for row in rows))
        if not groups:
            continue
        if len(groups) > MOST_GROUPS:
            counts = {group: sum(row["cases"] for row in rows if row["group"] == group) for group in groups}
            groups = sorted(sorted(groups, key=lambda group: -counts[group])[:MOST_GROUPS])
        found = {(row["system"], row["group"]): row for row in rows}
        sizes = {row["group"]: row["cases"] for row in rows}
        series = [(_short(name), [_range(found.get((name, group))) for group in groups]) for name in names]
        labels = [f"{group} ({sizes[group]:,})" for group in groups]
        plots.append(f"<figure><h3>{title}</h3>{ranges(labels, series, f'KK {title.lower()}')}</figure>")
    return f'<p>KK in percent, in brackets the number of cases.</p><div class="pair">{"".join(plots)}</div>'


def _range(row: Mapping[str, Any] | None) -> Range | None:
    if row is None:
        return None
    low, high = row["intervals"][PLOTTED]
    return 100 * row[PLOTTED], 100 * low, 100 * high


def _short(name: str) -> str:
    """A name for a legend: beginning and end of a long one."""
    return name if len(name) <= 28 else f"{name[:12]}…{name[-15:]}"


def _confidence(found: Mapping[str, Any]) -> str:
    known = {name: each for name, each in found.items() if each}
    if not known:
        return ""
    series = [
        (_short(name), [bin["confidence"] for bin in each["bins"]], [bin["right"] for bin in each["bins"]])
        for name, each in list(known.items())[:MOST_PLOTTED]
    ]
    plot = curves(series, ("confidence", "share that is right"), "Share right by confidence", diagonal=True)
    rows = [[name, f"{each['suggestions']:,}", f"{100 * each['ece']:.1f}"] for name, each in known.items()]
    numbers = table(["system", "suggestions", "calibration error"], rows)
    note = "On the line a suggestion is right as often as its confidence says. Right: whole lines from the start."
    return f'<p>{note}</p><div class="pair"><figure>{plot}</figure><div>{numbers}</div></div>'


def _latency(rows: Sequence[Mapping[str, Any]], systems: Mapping[str, Sequence[Prediction]]) -> str:
    series = []
    for name, predictions in list(systems.items())[:MOST_PLOTTED]:
        times = sorted(prediction.answer.latency_ms for prediction in predictions)
        places = [round(number * (len(times) - 1) / CURVE_POINTS) for number in range(CURVE_POINTS + 1)]
        series.append(
            (_short(name), [times[place] for place in places], [(place + 1) / len(times) for place in places])
        )
    plot = curves(series, ("milliseconds", "share of requests"), "Requests answered by time")
    body = [
        [
            row["system"],
            f"{row['latency_ms']:,.0f}",
            f"{row['latency_p95_ms']:,.0f}",
            _with_interval(row, "cached_share"),
        ]
        for row in rows
    ]
    numbers = table(["system", "p50 ms", "p95 ms", "prompt from cache, %"], body)
    note = "As measured when the case was first asked, beside the other cases in work; cold prompts."
    return f'<p>{note}</p><div class="pair"><figure>{plot}</figure><div>{numbers}</div></div>'


def _correlations(found: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [FIGURES[name].title if name in FIGURES else name, f"{each['spearman']:.2f}", f"{each['kendall']:.2f}"]
        for name, each in sorted(found.items(), key=lambda item: -item[1]["spearman"])
    ]
    if not rows:
        return ""
    return f"<p>Rank correlation over all cases and systems.</p>{table(['', 'Spearman', 'Kendall'], rows)}"


def _cases(cases: Sequence[Case], systems: Mapping[str, Sequence[Prediction]], compared: bool) -> str:
    names = list(systems)
    index = [
        _entry(case, [predictions[number] for predictions in systems.values()]) for number, case in enumerate(cases)
    ]
    details = [
        _detail(case, [predictions[number] for predictions in systems.values()]) for number, case in enumerate(cases)
    ]
    chunks = "".join(
        f'<script type="text/plain" class="chunk">{_packed(details[start : start + CHUNK])}</script>'
        for start in range(0, len(details), CHUNK)
    )
    data = {"systems": names, "compared": compared, "chunk": CHUNK, "cases": index}
    return (
        '<form id="filters"></form>'
        '<div id="browser"><ol id="list" tabindex="0"></ol><article id="case"></article></div>'
        f'<script type="application/json" id="index">{_json(data)}</script>{chunks}'
    )


def _entry(case: Case, predictions: Sequence[Prediction]) -> dict[str, Any]:
    return {
        "place": visible(f"{case.project}/{case.path}"),
        "language": case.language,
        "kind": case.kind,
        "truth": visible(case.middle[:LONGEST]),
        "said": [visible(prediction.answer.suggestion[:LONGEST]) for prediction in predictions],
        "dropped": [visible(prediction.answer.dropped) for prediction in predictions],
        "em": [prediction.scores.em for prediction in predictions],
        "kk": [round(prediction.scores.kk, 3) for prediction in predictions],
        "chrf": [round(prediction.scores.chrf, 1) for prediction in predictions],
    }


def _detail(case: Case, predictions: Sequence[Prediction]) -> dict[str, Any]:
    return {
        "id": case.id,
        "licence": visible(case.licence),
        "before": visible(case.prefix[-AROUND:]),
        "after": visible(case.suffix[:AROUND]),
        "prompts": [visible(_shortened(prediction.answer.prompt)) for prediction in predictions],
        "figures": [_said(prediction) for prediction in predictions],
    }


def _said(prediction: Prediction) -> str:
    """The figures of one suggestion in one line."""
    answer, scores = prediction.answer, prediction.scores
    parts = [FIGURES[name].title + " " + FIGURES[name].text(getattr(scores, name)) for name in HEADLINE[:4]]
    if answer.confidence is not None:
        parts.append(f"confidence {answer.confidence:.2f}")
    if answer.prompt_tokens:
        parts.append(f"{answer.prompt_tokens:,} prompt tokens, {answer.context_tokens:,} of context")
    return ", ".join([*parts, f"{answer.latency_ms:,.0f} ms"])


def _shortened(prompt: str) -> str:
    if len(prompt) <= LONGEST_PROMPT:
        return prompt
    half = LONGEST_PROMPT // 2
    return f"{prompt[:half]}\n[… {len(prompt) - 2 * half:,} characters …]\n{prompt[-half:]}"


def _packed(details: Sequence[Mapping[str, Any]]) -> str:
    content = json.dumps(details, ensure_ascii=False).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _json(value: Any) -> str:
    """JSON that no tag can end."""
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c")
