"""Teachers and students: the only place that knows Lightning."""

from robustseg.training.run import train

__all__ = ["train"]
