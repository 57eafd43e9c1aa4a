"""A headless Chromium, driven over a pipe by its own protocol (Chrome DevTools Protocol): no driver, no library."""
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

FLAGS = ("--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-sync", "--no-proxy-server",
         "--disable-dev-shm-usage", "--mute-audio")


def find():
    """The browser of this machine, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A process of its own, with a profile of its own; pages are tabs."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="leat-browser-")
        to_it, self.commands = os.pipe()
        self.answers, from_it = os.pipe()
        # It reads commands from descriptor 3 and answers on 4.
        flags = [*FLAGS, f"--user-data-dir={self.profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        environment = {**os.environ, "HOME": self.profile, "XDG_CONFIG_HOME": self.profile, "XDG_CACHE_HOME": self.profile}
        self.log = pathlib.Path(self.profile, "log").open("wb")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["sh", "-c", f'exec 3<&{to_it} 4>&{from_it}; exec "$@"', "sh", find(), *flags], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, env=environment, pass_fds=(to_it, from_it), start_new_session=True)
        os.close(to_it)
        os.close(from_it)
        self.rest, self.last_id = b"", 0

    def ask(self, method, session=None, limit_s=30, **params):
        """One command, and its answer; what else the browser tells is not looked at."""
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + limit_s
        while True:
            while b"\0" in self.rest:
                text, self.rest = self.rest.split(b"\0", 1)
                answer = json.loads(text)
                if answer.get("id") == self.last_id:
                    if "error" in answer:
                        raise RuntimeError(f"{method}: {answer['error'].get('message')}")
                    return answer["result"]
            if not select.select([self.answers], [], [], max(0, ends - time.monotonic()))[0]:
                raise RuntimeError(f"{method}: the browser did not answer within {limit_s} s")
            more = os.read(self.answers, 1 << 16)
            if not more:
                raise RuntimeError(f"the browser ended: {self.said()}")
            self.rest += more

    def said(self):
        """The last words of its log."""
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")[-600:]

    def page(self, url):
        return Page(self, url)

    def close(self):
        """Nothing of it stays: no process, no file."""
        try:
            self.ask("Browser.close", limit_s=5)
        except (OSError, RuntimeError):
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, 9)  # its helpers are of its session
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """A tab. Scripts run in it as if the page had them."""

    def __init__(self, browser, url):
        self.browser = browser
        target = browser.ask("Target.createTarget", url=url)["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def run(self, script):
        """The value of the script; a promise is awaited."""
        result = self.browser.ask("Runtime.evaluate", self.session, expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "the script failed"))
        return result["result"].get("value")

    def wait(self, condition, limit_s=20):
        """True if the condition became true in time."""
        ends = time.monotonic() + limit_s
        while time.monotonic() < ends:
            if self.run(condition):
                return True
            time.sleep(0.02)
        return False
