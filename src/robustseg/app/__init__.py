"""The explorer: a local web page on which sensors are switched off and broken.

`scene` and what it stands on know nothing of web pages; only `page` and `serve` know Gradio.
"""

from robustseg.app.material import Material, gather
from robustseg.app.scene import Choice, Look, Scene

__all__ = ["Choice", "Look", "Material", "Scene", "gather"]
