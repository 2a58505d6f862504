"""model_card.md: what the model is, where it comes from and how well it does. Only what is known is written.

After Mitchell et al., Model Cards for Model Reporting, https://arxiv.org/abs/1810.03993; its sections that
need a person's judgement, as the intended use, are left to that person.
"""

from collections.abc import Sequence

from trainingrun_trainer.report.summary import Summary


def markdown(summary: Summary) -> str:
    """The card."""
    config, scores = summary.config, summary.scores
    splits = [split for split in ("val", "test") if any(split in row for row in scores.values())]
    details = [
        ("task", config["task"]),
        ("architecture", config["model"]["architecture"]),
        ("classes", ", ".join(summary.classes)),
        ("input", _input(summary)),
        ("loss", config["loss"]["name"]),
        ("optimizer", f"{config['optimizer']['name']}, learning rate {summary.results['learning_rate']:g}"),
        ("seed", str(config["seed"])),
    ]
    blocks = [
        f"# {summary.run_id}",
        summary.lead,
        "## Model",
        table(("", ""), details),
        "## Evaluation",
        table(
            ("metric", *splits),
            [(name, *(row.get(split, "") for split in splits)) for name, row in scores.items()],
        ),
        "## Training",
        table(("", ""), summary.results_rows),
        "## Provenance",
        table(("", ""), summary.provenance_rows),
    ]
    if summary.warnings:
        blocks += ["## Warnings", *summary.warnings]
    return "\n\n".join(blocks) + "\n"


def _input(summary: Summary) -> str:
    data = summary.config["data"]
    if data["dimensions"] == 3:
        return f"volumes, in patches of {' x '.join(map(str, data['patchSize']))} voxels"
    colours = "grey" if data["channels"] == 1 else "RGB"
    side = data["imageSize"]
    return f"{colours} images of {side} x {side} pixels, normalization {data['normalization']}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of GitHub's Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
