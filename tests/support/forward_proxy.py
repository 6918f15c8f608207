#!/usr/bin/env python3
"""A forward proxy on the loopback interface, for tests: whatever host is asked for, one host answers.

usage: forward_proxy.py HOST:PORT

It prints its port, then a line for each request: "GET http://…", "CONNECT HOST:PORT". Ends when its standard input does.
"""
import http.client
import http.server
import os
import socket
import sys
import threading
import urllib.parse

TARGET = sys.argv[1].rsplit(":", 1)


def pour(source, sink):
    try:
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        print("CONNECT", self.path, flush=True)
        with socket.create_connection((TARGET[0], int(TARGET[1]))) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pour, args=(there, self.connection), daemon=True)
            back.start()
            pour(self.connection, there)
            back.join()
        self.close_connection = True

    def pass_on(self):
        print(self.command, self.path, flush=True)
        url = urllib.parse.urlsplit(self.path)
        there = http.client.HTTPConnection(TARGET[0], int(TARGET[1]))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        there.request(self.command, url.path + ("?" + url.query if url.query else ""), body, headers)
        answer = there.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        if answer.getheader("Content-Length") is None:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = pass_on


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
