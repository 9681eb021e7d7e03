"""Hand out a folder over HTTP for as long as a process lives: serve.py FOLDER ADDRESS PORT PROCESS."""

import functools
import http.server
import os
import sys
import threading
import time


def main(folder, address, port, process):
    """Serve until the process is gone."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer((address, int(port)), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while alive(int(process)):
        time.sleep(1)
    server.shutdown()


def alive(process):
    """Whether a process of this number is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
