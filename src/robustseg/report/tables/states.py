"""Tables of protocols whose rows are states: noise, subsets with something in place of what is missing."""

from __future__ import annotations

from robustseg.report.tables.grid import Grid
from robustseg.report.tables.words import POLICY, caption_of, protocol_words, title_of
from robustseg.robustness.evaluation import Evaluation


def state_table(evaluation: Evaluation) -> Grid:
    """Each row's mIoU under both policies for absent classes; rows that no frame was scored in are left out."""
    frames = evaluation.scored.sum(dim=0).tolist()
    columns = [evaluation.names, evaluation.miou("zero").tolist(), evaluation.miou("skip").tolist(), frames]
    return Grid(
        title=f"{title_of(evaluation)}, {protocol_words(evaluation)}",
        head=("state", "mIoU", "mIoU present", "frames"),
        rows=tuple(row for row in zip(*columns, strict=True) if row[-1]),
        caption=caption_of(evaluation, f"mIoU: {POLICY['zero']}; mIoU present: they are left out"),
    )
