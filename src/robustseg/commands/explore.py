"""The explorer."""

from __future__ import annotations

import os
from pathlib import Path

from robustseg.commands.shared import console, model_folder


def explore(
    model: Path,
    data: Path | None = None,
    *,
    split: str = "",
    root: str = "",
    host: str = "127.0.0.1",
    port: int = 7860,
    password: str = "",
    open: bool = False,
    device: str = "auto",
) -> None:
    """Look at a model in the browser: switch its sensors off, break them, and watch what it still sees.

    By default the page shows the frames that the model's recipe reports, with labels; the built-in world needs no
    files. Images of your own can be uploaded there. Only this machine can look, unless --host is given. Ctrl-C ends it.

    Examples:
        robustseg explore runs/world/student

        robustseg explore runs/rig/student new_frames

        robustseg explore runs/rig/student --host 0.0.0.0 --password open-sesame

    Args:
        model: A model folder, or hf://org/name.
        data: Frames laid out as the training data were; labels are not needed, and not read. For a model that was
            trained on a benchmark, that benchmark's root. By default those of the recipe, with labels.
        split: Which split, by default the one that the recipe reports; of DATA the folder level, by default none.
        root: The recipe's data folder, if it is not where the recipe says.
        host: The address to listen at; any but this machine's own needs a password.
        port: The port to listen at; 0 = the first that is free from 7860 on.
        password: Visitors sign in as "robustseg" with it, at least 8 letters. The environment variable
            ROBUSTSEG_PASSWORD is the same, and not seen by others on this machine.
        open: Open the page in a browser, too.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.app import gather
    from robustseg.app.serve import check_access, start, wait
    from robustseg.progress import progress_bar

    password = password or os.environ.get("ROBUSTSEG_PASSWORD", "")
    check_access(host, password)
    with progress_bar("reading what the frames are called") as progress:
        material = gather(model_folder(model), data, split=split, root=root, device=device, progress=progress)
    page = start(material, host=host, port=port, password=password, browser=open)
    console.print(f"{page.address}  (Ctrl-C ends it)")
    wait(page)
