#!/usr/bin/env python3
"""A relay behind which a server is so far away: far_away.py LISTEN-HOST:PORT SERVER-HOST:PORT MILLISECONDS

Each connection, and whatever is sent to the server after a pause, waits for one round trip; what the server sends goes on as it
comes, without passing through us (splice(2)). So much as a client of HTTP sees of a distance, on machines whose kernel has no
netem; that a window grows with it, it does not show.
"""
import os
import socket
import sys
import threading
import time

PIECE = 1 << 20
BURST = 0.002  # what comes sooner after what came before belongs to it


def up(near: socket.socket, far: socket.socket, delay: float) -> None:
    last = 0.0
    while data := near.recv(PIECE):
        if time.monotonic() - last > BURST:
            time.sleep(delay)
        far.sendall(data)
        last = time.monotonic()
    far.shutdown(socket.SHUT_WR)


def down(far: socket.socket, near: socket.socket) -> None:
    out, into = os.pipe()
    while count := os.splice(far.fileno(), into, PIECE):
        while count:
            count -= os.splice(out, near.fileno(), count)
    near.shutdown(socket.SHUT_WR)
    os.close(out)
    os.close(into)


def quietly(action, *arguments) -> threading.Thread:
    def run() -> None:
        try:
            action(*arguments)
        except OSError:  # whoever hangs up is no news
            for each in arguments[:2]:
                each.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def serve(near: socket.socket, target: tuple[str, int], delay: float) -> None:
    time.sleep(delay)
    with near, socket.create_connection(target) as far:
        for each in (near, far):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = quietly(up, near, far, delay), quietly(down, far, near)
        for way in ways:
            way.join()


def main() -> None:
    listen, server = (text.rsplit(":", 1) for text in sys.argv[1:3])
    delay = float(sys.argv[3]) / 1000
    with socket.create_server((listen[0], int(listen[1]))) as door:
        while True:
            near, _ = door.accept()
            threading.Thread(target=serve, args=(near, (server[0], int(server[1])), delay), daemon=True).start()


if __name__ == "__main__":
    main()
