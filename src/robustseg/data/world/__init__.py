"""The built-in world: procedural driving scenes with registered colour, depth, event and LiDAR images.

Read in this order: `scene` (what a scene is), `layout` and `traffic` (what stands and moves in it), `geometry` and
`surface` (what a pixel sees), `light` and `conditions`, `sensors` (what each sensor makes of it), `dataset`.
"""

from robustseg.data.world.dataset import MODALITIES, WORLD_VERSION, WorldFrames, sequence
from robustseg.data.world.files import make_world
from robustseg.data.world.materials import CLASSES
from robustseg.data.world.sheet import contact_sheet

__all__ = ["CLASSES", "MODALITIES", "WORLD_VERSION", "WorldFrames", "contact_sheet", "make_world", "sequence"]
