"""What tests run in other processes, which import it by name."""

from robustseg.build import load
from robustseg.training.selection import selection_counts


def counts_of(fabric, folder, frames, subsets):
    """As plain numbers: a tensor's memory would end with its process."""
    return selection_counts(fabric, load(folder), frames, subsets, batch_size=2).tolist()
