#!/usr/bin/env python3
"""A registry that misbehaves as it is told, on the loopback interface, for tests of registry clients.

It keeps pushed blobs and manifests in memory (or shows an OCI layout), and does everything right until a fault is set.
It listens on two ports: "home", the registry, and "elsewhere", the other host that blobs are redirected to. Once both
are open it prints one line, "home PORT elsewhere PORT", and it ends when its standard input does.

Control, on either port (JSON):
  POST /_control/fault  {"method": "GET", "path": REGEX, "origin": "home"|"elsewhere", "times": N, "after": N, "do": WHAT, …}
       applies to the next "times" (1 if not said, -1: all) requests that fit, but for the first "after" of them, the oldest fault
       first
  GET  /_control/log    [{"origin", "method", "path", "headers", "received", "sent", "status"}, …]
  POST /_control/reset  forgets faults and log, not the content
  POST /_control/set    {"token_uses": N, "mount": bool, "referrers": bool, "max_body": N, "chunk_min": N, "page": N,
                         "delay": MILLISECONDS, "bandwidth": BYTES-A-SECOND}

What faults do:
  status    {"status": 503, "headers": {…}, "body": "…"} instead of an answer
  reset     breaks the connection before an answer
  garbage   answers what is no HTTP
  truncate  {"at": N}  breaks the connection after N bytes of a body
  swallow   {"at": N}  breaks the connection after N bytes of what is being received
  stall     {"at": N}  sends N bytes and then nothing, without closing
  shorter   {"at": N}  a body of N bytes, and says so
  longer    {"by": N}  N bytes more than there are, and says so
  corrupt   {"at": N}  the byte at N is another
  ignore_range         the whole, with 200; with {"at": N} it breaks off there
  wrong_range {"by": N} Content-Range begins N bytes later than the body
  late      {"ms": N}  keeps what is put as a whole blob, and answers so much later
  redirect             307 to elsewhere, with an address that looks signed
  loop                 307 to itself
  downgrade            307 to http:// of the other port
"""
import argparse
import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse


class Link:
    """The wire everybody shares: a delay for each answer, and so many bytes a second."""

    def __init__(self, delay, bandwidth):
        self.delay, self.bandwidth = delay, bandwidth
        self.lock, self.free_at = threading.Lock(), 0.0

    def pause(self):
        if self.delay:
            time.sleep(self.delay)

    def pass_bytes(self, count):
        if not self.bandwidth:
            return
        with self.lock:
            begin = max(time.monotonic(), self.free_at)
            self.free_at = begin + count / self.bandwidth
        time.sleep(max(0.0, self.free_at - time.monotonic()))


class State:
    def __init__(self, options):
        self.lock = threading.Lock()
        self.options = options
        self.link = Link(options.delay / 1000, options.bandwidth)
        self.blobs, self.files = {}, {}                # digest -> bytes; digest -> path
        self.manifests, self.tags = {}, {}             # (repository, digest) -> (type, bytes); repository -> {tag: digest}
        self.holders = {}                              # digest -> repositories
        self.uploads, self.tokens = {}, {}             # id -> bytearray; token -> {"scopes", "uses"}
        self.faults, self.log = [], []
        self.counter = 0
        self.settings = {"token_uses": -1, "mount": True, "referrers": True, "max_body": 0, "chunk_min": 0, "page": 1000}
        if options.layout:
            self.show_layout(pathlib.Path(options.layout))

    def show_layout(self, layout):
        for path in (layout / "blobs/sha256").iterdir():
            self.files["sha256:" + path.name] = path
        for entry in json.loads((layout / "index.json").read_text())["manifests"]:
            name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "latest")
            self.add_manifest("image", name.rsplit(":", 1)[-1], entry["mediaType"], self.files[entry["digest"]].read_bytes())

    def add_manifest(self, repository, reference, media_type, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.manifests[repository, digest] = (media_type, data)
        if not reference.startswith("sha256:"):
            self.tags.setdefault(repository, {})[reference] = digest
        document = json.loads(data)
        for child in document.get("manifests", []):
            if child["digest"] in self.files:
                self.add_manifest(repository, child["digest"], child["mediaType"], self.files[child["digest"]].read_bytes())
        return digest

    def fresh(self, prefix):
        with self.lock:
            self.counter += 1
            return f"{prefix}{self.counter}"

    def take_fault(self, origin, method, path):
        with self.lock:
            for fault in self.faults:
                fits = (fault.get("method", method) == method and fault.get("origin", origin) == origin
                        and re.search(fault.get("path", ""), path))
                if fits and fault.get("after", 0) > 0:
                    fault["after"] -= 1
                elif fits and fault.get("times", 1) != 0:
                    fault["times"] = fault.get("times", 1) - 1
                    return fault
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    state: State = None
    origin = "home"
    other_port = 0

    def log_message(self, *_):
        pass

    # -- every request ------------------------------------------------------------------------------------------

    def handle_any(self):
        self.received = 0
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if url.path.startswith("/_control/"):
            self.fault, self.entry = {}, {"sent": 0}
            return self.control(url.path.rsplit("/", 1)[1])
        self.fault = self.state.take_fault(self.origin, self.command, self.path)
        # In the log before the client sees anything of the answer, so that it never misses what was answered.
        self.entry = {"origin": self.origin, "method": self.command, "path": self.path,
                      "headers": dict(self.headers.items()), "received": 0, "sent": 0, "status": 0}
        with self.state.lock:
            self.state.log.append(self.entry)
        try:
            self.route(url.path)
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def control(self, verb):
        body = json.loads(self.read_body() or b"null")
        state = self.state
        with state.lock:
            if verb == "fault":
                state.faults.append(body)
            elif verb == "reset":
                state.faults, state.log = [], []
            elif verb == "set":
                state.settings.update(body)
                state.link.delay = body.get("delay", state.link.delay * 1000) / 1000
                state.link.bandwidth = body.get("bandwidth", state.link.bandwidth)
            answer = json.dumps(state.log if verb == "log" else {}).encode()
        self.answer(200, answer, {"Content-Type": "application/json"})

    def route(self, path):
        what = self.fault.get("do")
        self.state.link.pause()
        if what == "reset":
            return self.break_connection()
        if what == "garbage":
            self.connection.sendall(b"hello, this is no HTTP\r\n\r\n")
            self.close_connection = True
            return None
        if what == "status":
            self.read_body()
            return self.answer(self.fault["status"], self.fault.get("body", "").encode(), self.fault.get("headers", {}))
        if what in ("redirect", "loop", "downgrade"):
            self.read_body()
            where = f"http://127.0.0.1:{self.other_port}{self.path.split('?')[0]}?signature={self.state.fresh('s')}"
            return self.answer(307, b"", {"Location": self.path if what == "loop" else where})
        if path == "/token":
            return self.token()
        if not path.startswith("/v2/"):
            return self.refuse(404, "NOT_FOUND")
        if self.origin == "home" and not self.authorized(path):
            return None
        if path == "/v2/":
            return self.answer(200, b"{}", {"Content-Type": "application/json"})
        for pattern, verb in ROUTES:
            found = re.fullmatch(pattern, path)
            if found:
                return verb(self, *found.groups())
        return self.refuse(404, "NAME_UNKNOWN")

    # -- answers ------------------------------------------------------------------------------------------------

    def answer(self, status, body=b"", headers=None):
        fault = self.fault.get("do")
        self.entry["status"] = status
        at = self.fault.get("at", 0)
        if fault == "corrupt" and at < len(body):
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        elif fault == "longer":
            body = bytes(body) + b"x" * self.fault["by"]
        elif fault == "shorter":
            body = body[:at]
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", (headers or {}).get("X-Length", len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        breaks = fault == "truncate" or (fault == "ignore_range" and at > 0)
        if breaks or fault == "stall":
            body = body[:at]
        for begin in range(0, len(body), 65536):
            part = body[begin:begin + 65536]
            self.state.link.pass_bytes(len(part))
            self.entry["sent"] += len(part)
            self.connection.sendall(part)
        if breaks:
            self.break_connection(politely=True)
        if fault == "stall":
            self.connection.recv(1)  # until the client gives up

    def refuse(self, status, code, headers=None):
        self.read_body()
        body = json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode()
        self.answer(status, body, {"Content-Type": "application/json", **(headers or {})})

    def break_connection(self, politely=False):
        if not politely:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def read_body(self, keep=None):
        """The body; of one that is broken off as told, what came goes into `keep` before the client can know."""
        left = int(self.headers.get("Content-Length") or 0) - self.received
        stop = self.fault.get("at", 0) if self.fault.get("do") == "swallow" else None
        parts = []
        while left > 0:
            part = self.rfile.read(min(left, 65536))
            if not part:
                break
            self.state.link.pass_bytes(len(part))
            parts.append(part)
            left -= len(part)
            self.received += len(part)
            self.entry["received"] = self.received
            if stop is not None and self.received >= stop:
                if keep is not None:
                    keep += b"".join(parts)[:stop]
                self.break_connection()
                raise ConnectionError("as told")
        return b"".join(parts)

    # -- permission ---------------------------------------------------------------------------------------------

    def wanted_scope(self, path):
        found = re.match(r"/v2/(.+?)/(manifests|blobs|tags|referrers)/", path)
        if not found:
            return None
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        return f"repository:{found[1]}:{action}"

    def authorized(self, path):
        mode = self.state.options.auth
        shown = self.headers.get("Authorization", "")
        if mode == "none":
            return True
        if mode == "basic":
            if shown == "Basic " + base64.b64encode(self.state.options.user.encode()).decode():
                return True
            self.refuse(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="test, with a comma"'})
            return False
        scope = self.wanted_scope(path)
        token = self.state.tokens.get(shown.removeprefix("Bearer "))
        error = "" if not shown else "invalid_token"
        if token and token["uses"] != 0:
            if scope is None or scope in token["scopes"]:
                token["uses"] -= 1
                return True
            error = "insufficient_scope"
        realm = self.state.options.realm or f"http://127.0.0.1:{self.server.server_port}/token"
        challenge = f'Bearer realm="{realm}",service="test"'
        challenge += f',scope="{scope}"' if scope else ""
        challenge += f',error="{error}"' if error else ""
        self.refuse(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
        return False

    def token(self):
        user, identity = self.state.options.user, self.state.options.identity
        asked = self.query.get("scope", "")
        scopes_asked = [value for key, value in urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query) if key == "scope"]
        if self.command == "POST":
            form = dict(urllib.parse.parse_qsl(self.read_body().decode()))
            if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != identity:
                return self.refuse(401, "UNAUTHORIZED")
            scopes_asked = form.get("scope", asked).split()
        elif user and self.headers.get("Authorization") != "Basic " + base64.b64encode(user.encode()).decode():
            return self.refuse(401, "UNAUTHORIZED")
        scopes = set()
        for scope in scopes_asked:
            kind, name, actions = scope.rsplit(":", 1)[0].split(":", 1) + [scope.rsplit(":", 1)[1]]
            scopes.update(f"{kind}:{name}:{action}" for action in actions.split(","))
        token = self.state.fresh("token-")
        self.state.tokens[token] = {"scopes": scopes, "uses": self.state.settings["token_uses"]}
        key = "access_token" if self.command == "POST" else "token"
        self.answer(200, json.dumps({key: token, "expires_in": 300}).encode(), {"Content-Type": "application/json"})

    # -- the registry -------------------------------------------------------------------------------------------

    def bytes_of(self, digest):
        if digest in self.state.files:
            return self.state.files[digest].read_bytes()
        return self.state.blobs.get(digest)

    def blob(self, repository, digest):
        data = self.bytes_of(digest)
        holders = self.state.holders.get(digest)
        if data is None or (holders is not None and repository not in holders):
            return self.refuse(404, "BLOB_UNKNOWN")
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        if self.command == "HEAD":
            return self.answer(200, b"", {**headers, "X-Length": str(len(data))})
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked or self.fault.get("do") == "ignore_range":
            return self.answer(200, data, headers)
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        if first > last:
            return self.refuse(416, "RANGE_INVALID")
        shift = self.fault.get("by", 0) if self.fault.get("do") == "wrong_range" else 0
        headers["Content-Range"] = f"bytes {first + shift}-{last}/{len(data)}"
        return self.answer(206, data[first:last + 1], headers)

    def put_blob(self, repository, data, digest):
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            return self.refuse(400, "DIGEST_INVALID")
        with self.state.lock:
            self.state.blobs[digest] = bytes(data)
            self.state.holders.setdefault(digest, set()).add(repository)
        if self.fault.get("do") == "late":
            time.sleep(self.fault["ms"] / 1000)
        return self.answer(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})

    def begin_upload(self, repository):
        self.read_body()
        digest, source = self.query.get("mount"), self.query.get("from")
        if self.state.settings["mount"] and source in self.state.holders.get(digest, ()):
            self.state.holders[digest].add(repository)
            return self.answer(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}"})
        upload = self.state.fresh("u")
        self.state.uploads[upload] = bytearray()
        headers = {"Location": f"/v2/{repository}/blobs/uploads/{upload}?state=1", "Range": "0-0"}
        if self.state.settings["chunk_min"]:
            headers["OCI-Chunk-Min-Length"] = str(self.state.settings["chunk_min"])
        return self.answer(202, b"", headers)

    def upload(self, repository, upload):
        have = self.state.uploads.get(upload)
        if have is None:
            return self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
        headers = {"Location": f"/v2/{repository}/blobs/uploads/{upload}?state={self.state.fresh('')}"}
        length = int(self.headers.get("Content-Length") or 0)
        limit = self.state.settings["max_body"]
        if limit and length > limit:
            return self.refuse(413, "SIZE_INVALID")
        if self.command == "DELETE":
            del self.state.uploads[upload]
            return self.answer(204)
        if self.command in ("PATCH", "PUT"):
            begins = re.match(r"(\d+)-", self.headers.get("Content-Range", ""))
            if begins and int(begins[1]) != len(have):
                return self.refuse(416, "RANGE_INVALID", {**headers, "Range": f"0-{max(len(have) - 1, 0)}"})
            have += self.read_body(have if self.command == "PATCH" else None)
        if self.command == "PUT":
            del self.state.uploads[upload]
            return self.put_blob(repository, have, self.query.get("digest"))
        headers["Range"] = f"0-{max(len(have) - 1, 0)}"
        return self.answer(202 if self.command == "PATCH" else 204, b"", headers)

    def manifest(self, repository, reference):
        state = self.state
        digest = state.tags.get(repository, {}).get(reference, reference)
        if self.command == "PUT":
            data = self.read_body()
            digest = state.add_manifest(repository, reference, self.headers.get("Content-Type", ""), data)
            headers = {"Location": f"/v2/{repository}/manifests/{digest}", "Docker-Content-Digest": digest}
            subject = json.loads(data).get("subject")
            if subject and state.settings["referrers"]:
                headers["OCI-Subject"] = subject["digest"]
            return self.answer(201, b"", headers)
        if (repository, digest) not in state.manifests:
            return self.refuse(404, "MANIFEST_UNKNOWN")
        media_type, data = state.manifests[repository, digest]
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        if self.command == "HEAD":
            return self.answer(200, b"", {**headers, "X-Length": str(len(data))})
        return self.answer(200, data, headers)

    def list_tags(self, repository):
        if repository not in self.state.tags:
            return self.refuse(404, "NAME_UNKNOWN")
        tags = sorted(tag for tag in self.state.tags[repository] if tag > self.query.get("last", ""))
        page = min(int(self.query.get("n", 1000)), self.state.settings["page"])
        headers = {"Content-Type": "application/json"}
        if len(tags) > page:
            headers["Link"] = f'</v2/{repository}/tags/list?n={page}&last={tags[page - 1]}>; rel="next"'
        return self.answer(200, json.dumps({"name": repository, "tags": tags[:page]}).encode(), headers)

    def referrers(self, repository, digest):
        if not self.state.settings["referrers"]:
            return self.refuse(404, "NOT_FOUND")
        found = []
        for (name, own), (media_type, data) in self.state.manifests.items():
            document = json.loads(data)
            if name == repository and document.get("subject", {}).get("digest") == digest:
                found.append({"mediaType": media_type, "digest": own, "size": len(data),
                              "artifactType": document.get("artifactType") or document["config"]["mediaType"]})
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": found}
        return self.answer(200, json.dumps(index).encode(), {"Content-Type": index["mediaType"]})


ROUTES = [
    (r"/v2/(.+)/blobs/uploads/", Handler.begin_upload),
    (r"/v2/(.+)/blobs/uploads/([^/]+)", Handler.upload),
    (r"/v2/(.+)/blobs/([^/]+)", Handler.blob),
    (r"/v2/(.+)/manifests/([^/]+)", Handler.manifest),
    (r"/v2/(.+)/tags/list", Handler.list_tags),
    (r"/v2/(.+)/referrers/([^/]+)", Handler.referrers),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", help="an OCI layout to show as the repository \"image\"")
    parser.add_argument("--delay", type=float, default=0, help="milliseconds before each answer")
    parser.add_argument("--bandwidth", type=float, default=0, help="bytes a second, for everybody together")
    parser.add_argument("--auth", choices=["none", "basic", "token"], default="none")
    parser.add_argument("--user", default="", help="NAME:PASSWORD")
    parser.add_argument("--identity", default="", help="the identity token that is good instead")
    parser.add_argument("--realm", default="", help="the URL of the token server, if it is another")
    parser.add_argument("--certificate", help="PEM: speak TLS at home")
    parser.add_argument("--key")
    options = parser.parse_args()

    Handler.state = State(options)
    servers = []
    for origin in ("home", "elsewhere"):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type(origin, (Handler,), {"origin": origin}))
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # a client that hangs up is what this is for
        if options.certificate and origin == "home":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.certificate, options.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
    home, elsewhere = servers
    home.RequestHandlerClass.other_port = elsewhere.server_port
    elsewhere.RequestHandlerClass.other_port = home.server_port
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("home", home.server_port, "elsewhere", elsewhere.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
