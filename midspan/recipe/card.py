"""The model card of a run: shape, training, evaluation, and where its data came from."""

import json
from pathlib import Path
from typing import Any

from midspan.errors import MidspanError
from midspan.recipe.manifest import Manifest
from midspan.recipe.summary import read_run, rows_of

LISTED_PROJECTS = 200


def model_card(run: Path) -> str:
    """Markdown, with the front matter that Hugging Face reads. Needs the finished stages `data` and `pretrain`.

    Raises MidspanError if one of them is missing.
    """
    manifests = read_run(run)
    for stage in ("data", "pretrain"):
        if stage not in manifests:
            raise MidspanError(f"run {run.name} has no finished stage {stage}", "a model card needs data and a model")
    report = json.loads((run / "data" / "report.json").read_text(encoding="utf-8"))
    sections = [_front_matter(report), _overview(run.name, manifests), _stages(manifests)]
    if "eval" in manifests:
        sections.append(_evaluation(run))
    sections += [_data(report), _reproduce(manifests)]
    return "\n\n".join(sections) + "\n"


def _front_matter(report: dict[str, Any]) -> str:
    languages = ", ".join(sorted(report["languages"]))
    return f"---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags: [code, fim, {languages}]\n---"


def _overview(name: str, manifests: dict[str, Manifest]) -> str:
    model, code = manifests["pretrain"].settings["model"], manifests["pretrain"].code
    vocabulary = manifests["tokenizer"].settings["tokenizer"]["vocab_size"]
    prompt = manifests["sft"].settings["prompt"]["family"] if "sft" in manifests else "mellum"
    return (
        f"# {name}\n\nA code-completion model of the Llama architecture, made with {code}: {model['layers']} layers, "
        f"hidden size {model['hidden_size']:,}, {model['heads']} heads, MLP {model['mlp_size']:,}, context "
        f"{model['context_length']:,}, vocabulary {vocabulary:,}. Prompt format: {prompt} (suffix before prefix, "
        "project files first)."
    )


def _stages(manifests: dict[str, Manifest]) -> str:
    rows = [
        [row.stage, _figure(row.tokens, ",d"), _figure(row.bits_per_byte, ".3f"), f"{row.seconds:,.0f}"]
        for row in rows_of(manifests)
    ]
    return "## Stages\n\n" + _table(["stage", "tokens", "validation bits per byte", "seconds"], rows)


def _evaluation(run: Path) -> str:
    report = json.loads((run / "eval" / "report.json").read_text(encoding="utf-8"))
    names = [("em", "exact match", ".3f"), ("chrf", "chrF++", ".1f"), ("length_ratio", "length ratio", ".2f")]
    rows = [
        [row["system"], str(row["cases"]), *(_with_interval(row, name, form) for name, _, form in names)]
        for row in report["rows"]
    ]
    header = ["model", "cases", *(title for _, title, _ in names)]
    return (
        "## Evaluation\n\nCases from projects that no training split contains; in brackets the "
        f"{report['interval']}. chrF++: `{report['chrf_signature']}`.\n\n" + _table(header, rows)
    )


def _with_interval(row: dict[str, Any], name: str, form: str) -> str:
    low, high = row["intervals"][name]
    return f"{row[name]:{form}} [{low:{form}}, {high:{form}}]"


def _data(report: dict[str, Any]) -> str:
    kept = report["kept"]
    train = {name: about for name, about in report["projects"].items() if about["split"] == "train"}
    dropped = sorted(report["dropped"].items(), key=lambda item: -item[1]["files"])
    projects = [
        [name, about["revision"], about["source"], ", ".join(about["licences"]), f"{about['files']:,}"]
        for name, about in sorted(train.items(), key=lambda item: (-item[1]["bytes"], item[0]))
    ]
    more = len(projects) - LISTED_PROJECTS
    return "\n\n".join(
        [
            "## Data\n\n"
            f"{kept['files']:,} files ({kept['bytes']:,} bytes) of {kept['projects']:,} projects, out of "
            f"{report['listed']['files']:,} files listed. Every file has a permissive licence on record; secrets and "
            f"personal data were replaced by placeholders ({sum(report['redactions'].values()):,} times). Validation "
            "and evaluation use whole projects that training never saw.",
            "### Licences\n\n" + _counts("licence", report["licences"]),
            "### Languages\n\n" + _counts("language", report["languages"]),
            "### Splits\n\n"
            + _table(
                ["split", "projects", "files", "bytes"],
                [
                    [name, f"{split['projects']:,}", f"{split['files']:,}", f"{split['bytes']:,}"]
                    for name, split in report["splits"].items()
                ],
            ),
            "### Dropped\n\n"
            + _table(
                ["reason", "files", "bytes"],
                [[reason, f"{count['files']:,}", f"{count['bytes']:,}"] for reason, count in dropped],
            ),
            "### Projects trained on\n\n"
            + _table(["project", "revision", "source", "licences", "files"], projects[:LISTED_PROJECTS])
            + (f"\n\n… and {more:,} more, all in the corpus report." if more > 0 else ""),
        ]
    )


def _counts(name: str, counts: dict[str, dict[str, int]]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1]["bytes"], item[0]))
    return _table([name, "files", "bytes"], [[key, f"{c['files']:,}", f"{c['bytes']:,}"] for key, c in ordered])


def _reproduce(manifests: dict[str, Manifest]) -> str:
    rows = [[stage, manifest.digest, manifest.started] for stage, manifest in manifests.items()]
    return (
        "## Lineage\n\nEach stage's manifest holds its settings, the digests of its inputs and the hash of every file "
        "it wrote.\n\n" + _table(["stage", "digest of outputs", "built"], rows)
    )


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
