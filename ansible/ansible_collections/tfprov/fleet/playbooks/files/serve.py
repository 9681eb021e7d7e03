"""Hand out a bundle over HTTP for as long as a process lives: serve.py FOLDER ADDRESS PORT PROCESS.

Ends with status 0 when it serves, after it has said in JSON where: `port`, `token` (the first part of every path) and
`id` (of the bundle). The server itself goes on in the background. When it cannot listen there it says so, and fails.
"""

import functools
import hashlib
import hmac
import http.server
import json
import os
import secrets
import socket
import sys
import threading
import time


class Handler(http.server.SimpleHTTPRequestHandler):
    """The files of a folder, for who knows the token."""

    def __init__(self, *words, token, **named):
        self.token = token
        super().__init__(*words, **named)

    def send_head(self):
        """What is asked for, or 404: folders are not listed."""
        _, token, rest = [*self.path.split("/", 2), "", ""][:3]
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            self.send_error(404)
            return None
        self.path = "/" + rest
        return super().send_head()

    def list_directory(self, path):
        """Nothing."""
        self.send_error(404)

    def log_message(self, format, *words):
        """Nothing: there is no terminal."""


class Server(http.server.ThreadingHTTPServer):
    """A server on one address, of either family."""

    def __init__(self, address, port, handler):
        self.address_family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        super().__init__(place, handler)


def main(folder, address, port, process):
    """Listen, say so, and serve until the process is gone."""
    token = secrets.token_urlsafe(24)
    with open(os.path.join(folder, "bundle.json"), "rb") as stream:
        identity = hashlib.sha256(stream.read()).hexdigest()
    try:
        server = Server(address, int(port), functools.partial(Handler, directory=folder, token=token))
    except OSError as error:
        sys.exit("the bundle cannot be served on %s, port %s: %s" % (address, port, error.strerror or error))
    said = json.dumps({"port": server.server_address[1], "token": token, "id": identity})
    if os.fork():
        print(said, flush=True)
        os._exit(0)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
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
