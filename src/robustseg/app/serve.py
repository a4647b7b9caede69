"""The page on a port of this machine: for this machine alone, unless a password is set."""

from __future__ import annotations

import time
from pathlib import Path

from robustseg.app.guard import Guard, Rules
from robustseg.app.material import Material
from robustseg.app.page import STYLE, Page
from robustseg.app.toolkit import UPLOADS, Middleware, themes
from robustseg.app.uploads import MOST_BYTES, SUFFIXES

HOST, PORT = "127.0.0.1", 7860
LOCAL = (HOST, "localhost")
USER = "robustseg"
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "Arial", "sans-serif")

LEAST_PASSWORD = 8
MOST_SESSIONS = 32
"""Visitors whose scenes are kept; the one who was away longest starts anew."""

MOST_WAITING = 64
"""Clicks that wait for their answer; more are refused."""

FORM = 2**20
"""Bytes of a request around the file that it brings."""

MOST_FILES, MOST_KEPT = 64, 2**30
"""Uploads that are kept, of all visitors together, and their bytes; the oldest go first."""


def check_access(host: str, password: str) -> None:
    """Raises ValueError if other machines could look without a password."""
    if password and len(password) < LEAST_PASSWORD:
        raise ValueError(f"the password has {len(password)} letters; take at least {LEAST_PASSWORD}")
    if host not in LOCAL and not password:
        raise ValueError(
            f"--host {host} lets other machines in: set a password with --password, or in ROBUSTSEG_PASSWORD"
        )


def start(material: Material, *, host: str = HOST, port: int = PORT, password: str = "", browser: bool = False) -> Page:
    """Serves the page from a thread of its own until `page.blocks.close()`.

    Args:
        material: What is explored.
        host: The address to listen at.
        port: 0 = the first that is free from 7860 on.
        password: Visitors sign in as "robustseg" with it; "" = nobody is asked, for this machine alone.
        browser: Open the page in a browser.

    Raises:
        ValueError: Other machines could look without a password, or the port is none.
        OSError: The port is taken.
    """
    check_access(host, password)
    if not 0 <= port < 2**16:
        raise ValueError(f"--port is 0 to 65535, got {port}")
    page = Page(material)
    page.blocks.queue(max_size=MOST_WAITING, api_open=False)
    try:
        page.address = _launched(page, host, port, password, browser)
    except OSError as error:
        raise OSError(f"cannot listen at {host}:{port}: name another --port, or 0 for one that is free") from error
    return page


def _launched(page: Page, host: str, port: int, password: str, browser: bool) -> str:
    """The address at which the page is served from now on."""
    _, address, _ = page.blocks.launch(
        server_name=host,
        server_port=port or None,
        auth=(USER, password) if password else None,
        inbrowser=browser,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        show_error=False,
        max_file_size=MOST_BYTES,
        allowed_paths=[],
        state_session_capacity=MOST_SESSIONS,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        app_kwargs={"middleware": [Middleware(Guard, rules=rules(password))]},
        theme=theme(),
        css_paths=STYLE,
    )
    return address


def rules(password: str) -> Rules:
    """What is let in; with a password from everywhere, as a proxy may give the page another name."""
    names = () if password else LOCAL
    return Rules(names, SUFFIXES, MOST_BYTES + FORM, Path(UPLOADS.name), MOST_FILES, MOST_KEPT)


def wait(page: Page) -> None:
    """Until Ctrl-C, then the page is closed."""
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        page.blocks.close(verbose=False)


def theme() -> themes.Base:
    """Calm, in the report's colors, with fonts that are on the machine."""
    fonts = [themes.Font(name) for name in FONT]
    return themes.Base(
        primary_hue=themes.colors.blue,
        neutral_hue=themes.colors.slate,
        font=fonts,
        font_mono=[themes.Font("monospace")],
        text_size=themes.sizes.text_sm,
        spacing_size=themes.sizes.spacing_sm,
    ).set(body_background_fill="#fafaf8", body_background_fill_dark="#13171b")
