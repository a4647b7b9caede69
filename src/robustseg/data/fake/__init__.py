"""Small folders in the exact layouts of DELIVER, MUSES and MCubeS, to try recipes before a large download.

Their pictures are coloured shapes, each class with a look of its own in every modality, so that a network can learn.
"""

from robustseg.data.fake.deliver import write_deliver
from robustseg.data.fake.mcubes import write_mcubes
from robustseg.data.fake.muses import write_muses

__all__ = ["write_deliver", "write_mcubes", "write_muses"]
