"""A server of this machine."""

import functools
import http.server
import threading
from contextlib import contextmanager


@contextmanager
def served_from(folder):
    """A server of this machine for a folder: its address, and the paths that are asked of it, as they come."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def send_head(self):
            asked.append(self.path)
            return super().send_head()

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
