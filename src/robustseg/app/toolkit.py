"""Gradio as the explorer uses it: it tells nobody that it runs, and serves no files of this machine.

Gradio reads these settings when it is imported, so nothing else here imports it by itself.
"""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory, gettempdir

_parent = os.environ.get("GRADIO_TEMP_DIR") or gettempdir()
os.makedirs(_parent, exist_ok=True)

UPLOADS = TemporaryDirectory(prefix="robustseg-explorer-", dir=_parent)
"""Where Gradio keeps what visitors send: of this process alone, and gone with it."""

os.environ["GRADIO_TEMP_DIR"] = UPLOADS.name
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.pop("GRADIO_ALLOWED_PATHS", None)

try:
    import gradio as gr
    from gradio import themes
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import MultipartParser, parse_options_header
    from starlette.middleware import Middleware
except ImportError as error:
    raise ValueError("the explorer needs Gradio: pip install 'robustseg[app]'") from error

__all__ = ["UPLOADS", "Middleware", "MultipartParseError", "MultipartParser", "gr", "parse_options_header", "themes"]
