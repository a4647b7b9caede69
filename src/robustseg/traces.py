"""What went wrong in another process, without its traceback."""

from __future__ import annotations

import re

_TYPE = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Warning): ", flags=re.MULTILINE)


def said(text: str) -> str:
    """The message of the error that a traceback ends with, over all its lines, without the error's type.

    Example:
        >>> said("Traceback (most recent call last): ... my.FrameError: a.png is bad")
        'Traceback (most recent call last): ... my.FrameError: a.png is bad'
        >>> said(chr(10).join(["Traceback (most recent call last):", "  File ...", "my.FrameError: a.png is bad"]))
        'a.png is bad'
    """
    types = list(_TYPE.finditer(text))
    return (text[types[-1].end() :] if types else text).strip()
