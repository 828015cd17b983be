"""Keeps libp2p's own logging out of the node's log."""

from __future__ import annotations

import logging
import os

__all__ = ["quiet_library"]


def quiet_library() -> None:
    """Silence what the library writes about every peer's every misstep, unless `LIBP2P_DEBUG` is set.

    It also calls `logging.debug` and its like on the root logger, which installs a handler there as soon as
    none is present and so changes the logging of the whole process; an empty handler prevents that.
    """
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    if not os.environ.get("LIBP2P_DEBUG"):
        logging.getLogger("libp2p").setLevel(logging.CRITICAL)
