"""Gradio as the explorer uses it: it tells nobody that it runs, and serves no files of this machine.

Gradio reads these settings when it is imported, so nothing else here imports it by itself.
"""

from __future__ import annotations

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.pop("GRADIO_ALLOWED_PATHS", None)

try:
    import gradio as gr
    from gradio import themes
except ImportError as error:
    raise ValueError("the explorer needs Gradio: pip install 'robustseg[app]'") from error

__all__ = ["gr", "themes"]
