"""`report.html`: the report of a corpus to look at, in one file that loads nothing and runs no script.

Plots show the largest groups, tables beside them the numbers, and every reason for a drop opens to files that were
dropped for it. The whole report stands in `report.json`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midspan.data.charts import bars, histogram, paired_bars
from midspan.data.corpus import SPLITS
from midspan.data.guard import BENCHMARK, HELD_OUT
from midspan.page import REPORT, head, plain, source_hash, table

SHOWN = 12
"""Groups of one plot; the rest is summed up in one more."""
SAMPLES = 8
"""Files shown for one reason."""
EXCERPT_LINES = 14
EXCERPT_CHARACTERS = 700
PROJECTS = 60
STATIONS = {
    "listed": "in a known language",
    "read": "wanted and readable",
    "licensed": "permissively licensed",
    "filtered": "pass the filters",
    "unique": "no duplicates: the corpus",
}
_STYLE = (
    REPORT
    + """
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 1rem 0; }
.tiles div { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
.tiles b { display: block; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--dim); font-size: .9rem; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .4rem 0; overflow: hidden; }
summary { cursor: pointer; padding: .45rem .8rem; }
summary span { color: var(--dim); float: right; font-variant-numeric: tabular-nums; }
details > p { padding: .3rem .8rem 0; margin: 0; overflow-wrap: anywhere; color: var(--ink); }
details > p span { color: var(--dim); }
details > pre { border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); margin: .3rem 0;
  max-height: 16rem; overflow: auto; }
.warning { border-left: 3px solid var(--bad); padding-left: .8rem; color: var(--ink); }
footer { margin: 2rem 0 1rem; color: var(--dim); }
@media (max-width: 700px) { body { padding: .6rem; } summary span { float: none; display: block; } }
"""
)


def write_report_page(report: Mapping[str, Any], path: Path) -> None:
    """Write the page about a report of `report.build_report`."""
    # The plots' own style attributes cannot be named by hash.
    policy = f"style-src {source_hash(_STYLE)}; style-src-attr 'unsafe-inline'"
    name = report["lineage"]["recipe"]
    sections = {
        "From sources to corpus": _funnel(report),
        "What it is made of": _contents(report),
        "Mix": _mix(report),
        "What was dropped": _dropped(report),
        "Duplicates": _duplicates(report),
        "Benchmarks and held-out projects": _guard(report),
        "Commits": _commits(report),
        "Secrets and personal data": _redactions(report),
        "Projects": _projects(report),
        "Lineage": _lineage(report),
    }
    shown = {title: content for title, content in sections.items() if content}
    links = "".join(f'<a href="#{_anchor(title)}">{title}</a>' for title in shown)
    body = "\n".join(
        f'<section id="{_anchor(title)}"><h2>{title}</h2>{content}</section>' for title, content in shown.items()
    )
    path.write_text(
        f"{head(f'Corpus {name}', _STYLE, policy)}<body><h1>Corpus {plain(name)}</h1>"
        f"<p>{plain(report['lineage']['code'])}, seed {report['lineage']['seed']}</p>"
        f"{_tiles(report)}<nav>{links}</nav>\n<main>{body}</main>"
        "<footer>Everything on this page, and all that it leaves out, stands in report.json.</footer></body></html>\n",
        encoding="utf-8",
    )


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _tiles(report: Mapping[str, Any]) -> str:
    kept = report["kept"]
    tiles = [
        (f"{kept['files']:,}", "files"),
        (_size(kept["bytes"]), "of text"),
        (f"{kept['projects']:,}", "projects"),
        (f"{len(report['languages']):,}", "languages"),
        (f"{len(report['licences']):,}", "licences"),
        (f"{sum(report['redactions'].values()):,}", "values redacted"),
        (f"{report['duplicates']['exact'] + report['duplicates']['near']:,}", "duplicates dropped"),
    ]
    return (
        f'<div class="tiles">{"".join(f"<div><b>{value}</b><span>{what}</span></div>" for value, what in tiles)}</div>'
    )


def _funnel(report: Mapping[str, Any]) -> str:
    stations = report["funnel"]
    broken = "".join(
        f'<p class="warning">Left out: <b>{plain(each["source"])}</b>, {plain(each["reason"])}</p>'
        for each in report["broken"]
    )
    files = bars([(STATIONS[s["step"]], s["files"], f"{s['files']:,}") for s in stations], "Files at each step")
    sizes = bars([(STATIONS[s["step"]], s["bytes"], _size(s["bytes"])) for s in stations], "Bytes at each step")
    skipped = ", ".join(f"{_words(name)} {count:,}" for name, count in _ranked(report["skipped"]))
    note = f"<p>Not looked at: {plain(skipped)}.</p>" if skipped else ""
    return f"{broken}{_side_by_side({'Files': files, 'Text': sizes})}{note}"


def _contents(report: Mapping[str, Any]) -> str:
    plots = {
        "Languages": _group_plot(report["languages"], "Bytes by language"),
        "Licences": _group_plot(report["licences"], "Bytes by licence"),
        "Sizes of files": histogram(
            [(_power(size), count) for size, count in _by_number(report["sizes"])], "Files by size, powers of two"
        ),
    }
    splits = table(
        ["split", "projects", "files", "text"],
        [
            [name, f"{split['projects']:,}", f"{split['files']:,}", _size(split["bytes"])]
            for name, split in ((name, report["splits"][name]) for name in SPLITS)
        ],
    )
    return _side_by_side(plots | {"Splits, by project": splits})


def _mix(report: Mapping[str, Any]) -> str:
    mix = report["mix"]["languages"]
    if all(abs(group["share"] - group["shown_share"]) < 1e-6 for group in mix.values()):
        return "<p>Every document of the training split is shown once in an epoch.</p>"
    ranked = sorted(mix.items(), key=lambda item: (-item[1]["shown"], item[0]))
    rows = [
        (name, 100 * g["share"], 100 * g["shown_share"], f"{100 * g['shown_share']:.1f} %")
        for name, g in ranked[:SHOWN]
    ]
    plot = paired_bars(rows, ("in the corpus", "in an epoch"), "Share of each language in the corpus and in an epoch")
    numbers = table(
        ["language", "corpus", "epoch", "times"],
        [
            [name, _size(g["bytes"]), _size(g["shown"]), f"{g['shown'] / max(1, g['bytes']):.2f}"]
            for name, g in ranked[: 2 * SHOWN]
        ],
    )
    return _side_by_side({"Shares of the training split": plot, "Bytes": numbers})


def _dropped(report: Mapping[str, Any]) -> str:
    ranked = sorted(report["dropped"].items(), key=lambda item: (-item[1]["files"], item[0]))
    if not ranked:
        return "<p>Nothing.</p>"
    counts = {_words(name): group["files"] for name, group in ranked}
    plots = {"Files by reason": _count_plot(counts, "Files by reason")}
    if refused := report["refused_licences"]:
        plots["Files refused by licence"] = _count_plot(refused, "Files refused by licence")
    samples: dict[str, list[Mapping[str, Any]]] = {}
    for row in report["samples"]:
        samples.setdefault(str(row["reason"]), []).append(row)
    details = "".join(_reason(name, group, samples.get(name, ())) for name, group in ranked)
    limits = "".join(f"<p>{plain(line)}</p>" for line in report["lineage"]["thresholds"])
    rules = f"<details><summary>Thresholds in force</summary>{limits}</details>"
    return f"{_side_by_side(plots)}<p>Open a reason to see some of its files.</p>{details}{rules}"


def _reason(name: str, group: Mapping[str, int], samples: Sequence[Mapping[str, Any]]) -> str:
    shown = "".join(map(_sample, samples[:SAMPLES])) or "<p><span>Only counted.</span></p>"
    numbers = f"{group['files']:,} files, {_size(group['bytes'])}"
    return f"<details><summary>{plain(_words(name))}<span>{numbers}</span></summary>{shown}</details>"


def _sample(row: Mapping[str, Any]) -> str:
    said = "; ".join(str(row[key]) for key in ("detail", "licence") if row[key])
    excerpt = str(row["excerpt"])[:EXCERPT_CHARACTERS].splitlines()[:EXCERPT_LINES]
    text = f"<pre>{chr(10).join(map(plain, excerpt))}</pre>" if excerpt else ""
    return f"<p>{plain(str(row['project']))}/{plain(str(row['path']))} <span>{plain(said)}</span></p>{text}"


def _duplicates(report: Mapping[str, Any]) -> str:
    found = report["duplicates"]
    if not found["clusters"]:
        return "<p>No two files are alike.</p>"
    sizes = _by_number(found["sizes"])
    plot = histogram(
        [(f"{size}–{2 * size - 1}" if size > 1 else "1", count) for size, count in sizes], "Clusters by number of files"
    )
    largest = table(
        ["kept", "files", "projects", "text"],
        [[c["best"], f"{c['files']:,}", f"{c['projects']:,}", _size(c["bytes"])] for c in found["largest"]],
    )
    kinships = report["related_projects"]
    related = table(
        ["project", "shares files with", "shared", "of"],
        [[k["project"], k["other"], f"{k['shared']:,}", f"{k['files']:,}"] for k in kinships[:PROJECTS]],
    )
    kin = f"<h3>Related projects: never on two sides of the split</h3>{related}" if kinships else ""
    return (
        f"<p>{found['clusters']:,} clusters of files with (nearly) the same text; the best of each stays."
        f" {found['exact']:,} exact and {found['near']:,} near duplicates were dropped.</p>"
        f"{_side_by_side({'Clusters by number of files': plot, 'Largest clusters': largest})}{kin}"
    )


def _guard(report: Mapping[str, Any]) -> str:
    benchmarks = report["lineage"]["settings"]["guard"]["benchmarks"]
    counts = {reason: report["dropped"].get(reason, {"files": 0})["files"] for reason in (BENCHMARK, HELD_OUT)}
    named = ", ".join(map(plain, benchmarks))
    looked_for = f"Benchmarks looked for: {named}; {counts[BENCHMARK]:,} files held too much of one."
    return (
        f"<p>{looked_for if named else 'The recipe names no benchmarks to keep out.'}</p>"
        f"<p>{counts[HELD_OUT]:,} files of the training split held most of a file of a held-out project.</p>"
    )


def _commits(report: Mapping[str, Any]) -> str:
    counts = dict(report["commits"])
    if not counts:
        return ""
    kept = counts.pop("kept", 0)
    plot = _count_plot({_words(name): count for name, count in counts.items()}, "Commits left out, by reason")
    figure = _side_by_side({"Left out, by reason": plot}) if counts else ""
    return f"<p>{kept:,} pairs of a file before and after a commit, in commits.parquet.</p>{figure}"


def _redactions(report: Mapping[str, Any]) -> str:
    counts = {_words(name): count for name, count in report["redactions"].items()}
    if not counts:
        return "<p>Nothing was found.</p>"
    return f"<figure>{_count_plot(counts, 'Values replaced, by kind')}</figure>"


def _projects(report: Mapping[str, Any]) -> str:
    ranked = sorted(report["projects"].items(), key=lambda item: (-item[1]["bytes"], item[0]))
    rows = [
        [name, p["revision"], p["split"], f"{p['files']:,}", _size(p["bytes"]), ", ".join(p["licences"])]
        for name, p in ranked[:PROJECTS]
    ]
    more = f"<p>The {PROJECTS} largest of {len(ranked):,}.</p>" if len(ranked) > PROJECTS else ""
    return more + table(["project", "revision", "split", "files", "text", "licences"], rows)


def _lineage(report: Mapping[str, Any]) -> str:
    lineage = report["lineage"]
    rows = [
        [name, f"{about['projects']:,}", f"{about['files']:,}", ", ".join(about["revisions"][:3]), about["sha256"][:16]]
        for name, about in sorted(lineage["sources"].items())
    ]
    return (
        f"<details><summary>Settings</summary><pre>{_settings(lineage['settings'])}</pre></details>"
        f"<details><summary>Sources<span>{len(rows):,}</span></summary>"
        f"{table(['source', 'projects', 'files', 'revisions', 'contents (SHA-256)'], rows)}</details>"
    )


def _settings(value: Mapping[str, Any], prefix: str = "") -> str:
    lines = []
    for name, each in value.items():
        if isinstance(each, Mapping) and each:
            lines.append(_settings(each, f"{prefix}{name}."))
        else:
            lines.append(plain(f"{prefix}{name} = {each}"))
    return "\n".join(lines)


def _group_plot(groups: Mapping[str, Mapping[str, int]], alone: str) -> str:
    folded = _folded({name: group["bytes"] for name, group in groups.items()})
    return bars([(name, size, _size(size)) for name, size in folded], alone)


def _count_plot(counts: Mapping[str, int], alone: str) -> str:
    return bars([(name, count, f"{count:,}") for name, count in _folded(counts)], alone)


def _folded(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The `SHOWN` largest, and the sum of the others."""
    ranked = _ranked(counts)
    shown = SHOWN if len(ranked) > SHOWN + 1 else len(ranked)
    rest = ranked[shown:]
    more = [(f"{len(rest):,} others", sum(count for _, count in rest))] if rest else []
    return [(_short(name), count) for name, count in ranked[:shown]] + more


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _by_number(counts: Mapping[Any, int]) -> list[tuple[int, int]]:
    """In the order of the numbers, which JSON keeps as text, with the empty powers of two between them."""
    known = {int(key): count for key, count in counts.items()}
    power, found = min(known, default=1), []
    while power <= max(known, default=0):
        found.append((power, known.get(power, 0)))
        power *= 2
    return found


def _side_by_side(figures: Mapping[str, str]) -> str:
    shown = "".join(f"<figure><h3>{name}</h3>{content}</figure>" for name, content in figures.items())
    return f'<div class="pair">{shown}</div>'


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(name: str) -> str:
    """Names that begin alike end differently more often than not."""
    return name if len(name) <= 36 else f"{name[:17]}…{name[-18:]}"


def _power(size: int) -> str:
    """A power of two bytes."""
    if size < 1 << 10:
        return f"{size} B"
    return f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
