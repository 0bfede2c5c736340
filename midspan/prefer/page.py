"""`pairs.html`: a sample of the pairs to look at, in one file that loads nothing from elsewhere.

The sample takes turns over the strata (language, kind of caret, direction of length), so that rare ones are seen too,
and within a stratum over the hashes of the pairs: the same pairs give the same page. The code shown is untrusted: all
text is escaped, and the page's own policy allows no script but the one whose hash it names.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import chain, takewhile, zip_longest
from pathlib import Path

from midspan.data.cases import Case
from midspan.page import COLOURS, head, plain, source_hash
from midspan.prefer.pairs import Candidate, Pair

LIMIT = 100
PREFIX_LINES = 12
SUFFIX_LINES = 4
MAX_LINE = 400
"""Characters of a shown line; the rest of a longer one is left out."""
DIRECTIONS = {-1: "chosen is shorter", 0: "same length", 1: "chosen is longer"}

_STYLE = (
    COLOURS
    + """
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .6rem 0; position: sticky; top: 0;
  background: var(--paper); border-bottom: 1px solid var(--line); }
select { font: inherit; max-width: 11rem; }
output { color: var(--dim); }
article { margin: 1.2rem 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
header { padding: .5rem .8rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
header span { color: var(--dim); }
.sides { display: grid; grid-template-columns: 1fr 1fr; }
.sides > section { min-width: 0; display: flex; flex-direction: column; }
.sides pre { flex: 1; }
.sides > section + section { border-left: 1px solid var(--line); }
h2 { font-size: 1rem; margin: 0; padding: .5rem .8rem 0; }
.chosen h2 { color: var(--good); } .rejected h2 { color: var(--bad); }
section p { padding: 0 .8rem; margin: 0 0 .4rem; font-size: .9rem; overflow-wrap: anywhere; }
pre i { font-style: normal; color: var(--dim); }
.before { border-bottom: 1px solid var(--line); }
.after { border-top: 1px solid var(--line); }
mark { color: inherit; border-radius: 2px; }
.chosen mark { background: var(--goodmark); } .rejected mark { background: var(--badmark); }
[hidden] { display: none; }
@media (max-width: 700px) { body { padding: .6rem; } .sides { grid-template-columns: 1fr; } form { position: static; }
  .sides > section + section { border-left: 0; border-top: 1px solid var(--line); } }
"""
)
_SCRIPT = """
const form = document.querySelector("form"), pairs = [...document.querySelectorAll("article")];
function filter() {
  const wanted = Object.fromEntries(new FormData(form));
  for (const pair of pairs)
    pair.hidden = Object.entries(wanted).some(([name, value]) => value && pair.dataset[name] !== value);
  const shown = pairs.filter(pair => !pair.hidden).length;
  form.querySelector("output").textContent = shown + " of " + pairs.length + " pairs";
}
form.addEventListener("change", filter);
filter();
"""


def write_page(pairs: Sequence[Pair], cases: Mapping[str, Case], judge: str, path: Path) -> None:
    """Write the page about a sample of `pairs`; `cases` by id."""
    shown = sample(pairs, cases, LIMIT)
    policy = f"style-src {source_hash(_STYLE)}; script-src {source_hash(_SCRIPT)}"
    lines = [
        head("Preference pairs", _STYLE, policy) + "<body><h1>Preference pairs</h1>",
        f"<p>{len(shown):,} of {len(pairs):,} pairs, judged by <b>{plain(judge)}</b>. Marked is where the two"
        " sides part; grey is the file around the caret.</p>",
        f"<form>{_filters(shown, cases)}<output></output></form><main>",
        *(_article(pair, cases[pair.case_id]) for pair in shown),
        f"</main><script>{_SCRIPT}</script></body></html>",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def sample(pairs: Sequence[Pair], cases: Mapping[str, Case], limit: int) -> list[Pair]:
    """At most `limit` pairs, the strata in turn; in the order given."""
    strata: dict[tuple[str, str, int], list[int]] = {}
    for index, pair in enumerate(pairs):
        case = cases[pair.case_id]
        strata.setdefault((case.language, case.kind, pair.direction), []).append(index)
    turns = zip_longest(
        *(sorted(strata[key], key=lambda index: _order(pairs[index])) for key in sorted(strata)), fillvalue=-1
    )
    taken = [index for index in chain.from_iterable(turns) if index >= 0][:limit]
    return [pairs[index] for index in sorted(taken)]


def _order(pair: Pair) -> bytes:
    identity = "\0".join((pair.case_id, pair.chosen.text, pair.rejected.text))
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()


def _filters(pairs: Sequence[Pair], cases: Mapping[str, Case]) -> str:
    values = {
        "language": {cases[pair.case_id].language for pair in pairs},
        "kind": {cases[pair.case_id].kind for pair in pairs},
        "direction": {DIRECTIONS[pair.direction] for pair in pairs},
    }
    return "".join(
        f'<label>{name} <select name="{name}" autocomplete="off"><option value="">all</option>'
        + "".join(f"<option>{plain(value)}</option>" for value in sorted(found))
        + "</select></label>"
        for name, found in values.items()
    )


def _article(pair: Pair, case: Case) -> str:
    escaped = {name: plain(getattr(case, name)) for name in ("language", "kind", "project", "path", "licence")}
    direction = DIRECTIONS[pair.direction]
    line = case.prefix.rpartition("\n")[2]
    rest, _, below = case.suffix.partition("\n")
    sides = zip(pair.chosen.text, pair.rejected.text, strict=False)
    same = sum(1 for _ in takewhile(lambda both: both[0] == both[1], sides))
    before = case.prefix.split("\n")[-PREFIX_LINES - 1 : -1]
    after = below.split("\n")[:SUFFIX_LINES]
    return "\n".join(
        [
            f'<article data-language="{escaped["language"]}" data-kind="{escaped["kind"]}"'
            f' data-direction="{direction}">',
            f"<header><b>{escaped['project']}/{escaped['path']}</b> <span>{escaped['language']}, caret at"
            f" {escaped['kind'].replace('_', ' ')}, {escaped['licence']}; {direction},"
            f" margin {pair.margin:.2f}</span></header>",
            f'<pre class="before"><i>{_shown(before)}</i></pre>' if before else "",
            '<div class="sides">',
            _side("chosen", pair.chosen, line, same, rest),
            _side("rejected", pair.rejected, line, same, rest),
            f'</div><pre class="after"><i>{_shown(after)}</i></pre></article>',
        ]
    )


def _side(name: str, candidate: Candidate, line: str, same: int, rest: str) -> str:
    origin = candidate.source if candidate.source == "truth" else f"{candidate.source} at {candidate.temperature:g}"
    said = [f"fails the check “{candidate.failed}”"] if candidate.failed else []
    said += [candidate.reason] if candidate.reason else []
    ending = f"<i>{_shown([rest])}</i>" if candidate.complete else "<i>… cut off</i>"
    text = f"{_shown(candidate.text[:same].split(chr(10)))}<mark>{_shown(candidate.text[same:].split(chr(10)))}</mark>"
    return (
        f'<section class="{name}"><h2>{name}: {candidate.value:.2f}</h2>'
        f"<p>{plain(origin)}, {candidate.length:,} characters<br>{plain('; '.join(said))}</p>"
        f"<pre><i>{_shown([line])}</i>{text}{ending}</pre></section>"
    )


def _shown(lines: Sequence[str]) -> str:
    """Lines of code, long ones cut, as HTML."""
    return "\n".join(plain(line if len(line) <= MAX_LINE else line[:MAX_LINE] + "…") for line in lines)
