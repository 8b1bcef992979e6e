"""The end of a process, without taking apart all that libraries have built: half a second."""

import atexit
import os
import sys
import threading
from contextlib import suppress
from types import FrameType

OURS = ("__main__", "encore.__main__", "encore.command", "runpy")  # whose frames stand above the end of a command


def leave(code: int) -> None:
    """End this process as Python would: threads waited for, exit handlers called, output written; and no more.

    It returns, for the caller to exit, where something else wants to see the end: a profiler, a debugger, a test.
    """
    if watched(sys._getframe(1)):
        return
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it, or it is closed
            stream.flush()
    os._exit(code)


def watched(frame: FrameType | None) -> bool:
    """Whether anything but a script or a console command has called a frame."""
    if sys.gettrace() or sys.getprofile() or threading.gettrace() or sys.flags.inspect or sys.flags.interactive:
        return True
    while frame is not None:
        if frame.f_globals.get("__name__") not in OURS:
            return True
        frame = frame.f_back
    return False
