"""One HTTP client for OpenAI-compatible servers: patient, bounded, and silent about keys.

Three kinds of trouble are told apart. The server is away or sends everyone
back (refused connection, 429, 503): all wait, until its patience is used up.
One request gets a broken answer (cut, stalled, 5xx): it is asked again, a few
times. The server refuses a request (4xx): that is its answer.

The key is read from the environment when a request is signed, is kept nowhere,
and is blanked in whatever the server says.
"""

from __future__ import annotations

import email.utils
import json
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from harness.errors import UserError
from harness.types import Json

# Seconds: the first pause, doubled at each further one up to the longest; each is drawn
# evenly from 0 to that ("full jitter"), so that clients sent back together return apart.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# The server is away or overloaded, as opposed to having trouble with one request.
AWAY = (429, 503)
BROKEN = (408, 409, 425, 500, 502, 504)


class Refused(Exception):
    """The server's final answer to a request that it will not do."""

    def __init__(self, status: int, said: str) -> None:
        self.status = status
        super().__init__(f"the server refused the request ({status}): {said}")


class Broken(Exception):
    """A request got no whole answer in all its tries."""


class _Trouble(Exception):
    """No answer this time.

    away: nobody gets one now. there: somebody answers. pause: seconds asked for, or None.
    """

    def __init__(
        self, said: str, *, away: bool = False, there: bool = True, pause: float | None = None
    ) -> None:
        self.away, self.there, self.pause = away, there, pause
        super().__init__(said)


class Client:
    """Asks one server, from any number of threads.

    Args:
        url: up to and with `/v1`.
        key_env: name of the variable with the key, "" for none.
        timeout: seconds until a request counts as stalled.
        patience: seconds without any answer after which the run ends.
        tries: times a request with a broken answer is asked.
        say: told once when the server goes away, and when it is back.
    """

    def __init__(
        self,
        url: str,
        key_env: str,
        *,
        timeout: float,
        patience: float,
        tries: int,
        say: Callable[[str], None],
    ) -> None:
        self.url = url
        self._key_env = key_env
        self._timeout = timeout
        self._patience = patience
        self._tries = tries
        self._say = say
        self._threads = threading.local()
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._closed_until = 0.0
        self.stopped = threading.Event()

    def once(self, path: str, body: Json | None = None) -> Json:
        """Ask without a second try (GET without a body): for finding out what is there.

        Only a server that is there and sends everyone back, as some do while they load, is
        waited for.

        Raises:
            Refused: the server says no.
            Broken: it gives no whole answer.
            UserError: it cannot be reached, stays busy, or wants another key.
        """
        while True:
            try:
                answer = self._exchange(path, body)
            except _Trouble as trouble:
                if not trouble.away:
                    raise Broken(str(trouble)) from None
                if not trouble.there:
                    raise UserError(
                        f"{self.url}: {trouble}. Start the server, or correct the address in "
                        "'source'; everything answered so far is kept, and the same command goes "
                        "on."
                    ) from None
                self._note_away(trouble)
                self._wait_for(1.0 if trouble.pause is None else trouble.pause)
            else:
                self._note_back()
                return answer

    def ask(self, path: str, body: Json) -> Json:
        """Ask until there is an answer.

        Raises:
            Refused: the server's answer is no.
            Broken: no whole answer in `tries` tries.
            UserError: the server stayed away for `patience` seconds, or wants another key.
        """
        failures = broken = 0
        while True:
            self._wait_for(self._closed_until - time.monotonic())
            try:
                answer = self._exchange(path, body)
            except _Trouble as trouble:
                failures += 1
                broken += not trouble.away
                if broken >= self._tries:
                    raise Broken(f"no answer in {broken} tries; the last: {trouble}") from None
                self._note_away(trouble)
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures)
                self._wait_for(random.uniform(0, longest) if trouble.pause is None else 0)
            else:
                self._note_back()
                return answer

    def _note_away(self, trouble: _Trouble) -> None:
        now = time.monotonic()
        with self._lock:
            if trouble.pause is not None:
                self._closed_until = max(self._closed_until, now + trouble.pause)
            if self._away_since is None:
                self._away_since = now
                self._say(f"{self.url}: {trouble}; trying again")
            away = now - self._away_since
        if away > self._patience:
            raise UserError(
                f"{self.url}: no answer for {away:.0f} s ({trouble}). Everything answered so far "
                "is kept: mend the server and run the same command again; it goes on. "
                "engine_args.patience says how long to wait."
            )

    def _note_back(self) -> None:
        with self._lock:
            self._away_since = None

    def _wait_for(self, seconds: float) -> None:
        if seconds > 0 and self.stopped.wait(seconds):
            raise Broken("stopped")

    def _exchange(self, path: str, body: Json | None) -> Json:
        """One request and its whole answer, within the timeout."""
        deadline = time.monotonic() + self._timeout
        try:
            with self._session().request(
                "GET" if body is None else "POST",
                f"{self.url}/{path}",
                json=body,
                auth=self._sign,
                timeout=(min(10.0, self._timeout), self._timeout),
                stream=True,
                # A redirect could carry the key to another host.
                allow_redirects=False,
            ) as reply:
                content = bytearray()
                for chunk in reply.iter_content(1 << 16):
                    content += chunk
                    # requests' own timeout starts anew at every byte.
                    if time.monotonic() > deadline:
                        raise _Trouble(f"no whole answer in {self._timeout:g} s")
                return self._read(reply, bytes(content))
        except requests.Timeout:
            raise _Trouble(f"no answer in {self._timeout:g} s") from None
        except requests.ConnectionError as error:
            away = "refused" in str(error) or "resolve" in str(error)
            what = "nobody answers there" if away else "the connection was cut"
            raise _Trouble(what, away=away, there=not away) from None
        except requests.RequestException as error:
            raise _Trouble(f"the answer was cut ({type(error).__name__})") from None

    def _read(self, reply: requests.Response, content: bytes) -> Json:
        status = reply.status_code
        if status in AWAY:
            pause = _seconds(reply.headers.get("Retry-After", ""))
            said = f"the server sends requests back ({status})"
            raise _Trouble(said, away=True, pause=pause)
        if status in (401, 403):
            raise UserError(self._key_fault(status))
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if status in BROKEN or (status == 200 and not isinstance(answer, dict)):
            raise _Trouble(f"a broken answer ({status})")
        if status != 200:
            raise Refused(status, self._blanked(_message(answer, content)))
        return dict(answer)

    def _key_fault(self, status: int) -> str:
        if not self._key_env:
            return (
                f"{self.url}: the server wants a key ({status}). Put it into an environment "
                'variable and name that in the model\'s engine_args: key_env = "MY_KEY".'
            )
        state = "is refused" if os.environ.get(self._key_env) else "is not set"
        return f"{self.url}: the key in {self._key_env} {state} ({status}). Set the right one."

    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            self._threads.session = requests.Session()
        session: requests.Session = self._threads.session
        return session

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """requests' own way to add a header; with it, ~/.netrc is left alone."""
        if key := os.environ.get(self._key_env, "") if self._key_env else "":
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    def _blanked(self, text: str) -> str:
        key = os.environ.get(self._key_env, "") if self._key_env else ""
        return text.replace(key, "***") if key else text


def _message(answer: Any, content: bytes) -> str:
    """What the server says is wrong: OpenAI's form, FastAPI's, or the start of the text."""
    if isinstance(answer, dict):
        error = answer.get("error", answer)
        if isinstance(error, dict):
            error = error.get("message") or error.get("detail") or error
        return str(error)[:300]
    return content[:300].decode("utf-8", "replace")


def _seconds(value: str) -> float | None:
    """Retry-After: seconds, or a date. None where there is none or it makes no sense."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
