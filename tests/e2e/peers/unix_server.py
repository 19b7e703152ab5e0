# Serves a directory over a Unix socket: unix_server.py DIRECTORY SOCKET. Says "ready" once it listens.
import functools
import http.server
import socketserver
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


directory, path = sys.argv[1:]
server = Server(path, functools.partial(Handler, directory=directory))
print("ready", flush=True)
server.serve_forever()
