"""A page in a real browser: Chromium without a window, spoken to by its debugging protocol over two pipes.

    with Browser() as browser:
        page = browser.open("file:///x.html", width=1200)
        page.value("document.title")

A Browser is one process with a profile of its own, which goes with it.
"""
import base64
import json
import os
import shutil
import subprocess
import tempfile


class Page:
    def __init__(self, browser, session: str):
        self._browser, self._session = browser, session

    def call(self, method: str, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def value(self, script: str):
        """What a script comes to, as JSON has it. What it throws is a RuntimeError."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", str(answer)))
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """The mouse, in the middle of what is there: what covers it gets it."""
        at = self.value(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
                        " return [r.x + Math.min(r.width / 2, 100), r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)

    def picture(self, path: str) -> None:
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]))


class Browser:
    def __init__(self):
        program = shutil.which("chromium-headless-shell") or "chromium"
        self.profile = tempfile.mkdtemp(prefix="acetate-browser-")
        theirs, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        def as_3_and_4() -> None:
            a, b = os.dup(theirs), os.dup(theirs_out)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self._child = subprocess.Popen([program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                                        f"--user-data-dir={self.profile}", "--remote-debugging-pipe"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, preexec_fn=as_3_and_4, close_fds=False)
        os.close(theirs)
        os.close(theirs_out)
        self._number, self._left = 0, b""
        self.events: list[dict] = []  # whatever was told meanwhile

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._child.terminate()
        self._child.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self.profile, ignore_errors=True)

    def _message(self) -> dict:
        while b"\0" not in self._left:
            more = os.read(self._in, 1 << 20)
            if not more:
                raise RuntimeError("the browser has ended")
            self._left += more
        text, self._left = self._left.split(b"\0", 1)
        return json.loads(text)

    def call(self, method: str, session: str = "", **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") != self._number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def open(self, url: str, width: int = 1200, height: int = 900) -> Page:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(domain + ".enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        page.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._message())
        return page

    def requests(self) -> list[str]:
        """What was loaded since open()."""
        return [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
