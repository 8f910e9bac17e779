"""One HTTP client for OpenAI-compatible servers: patient, bounded, and silent about keys.

Four kinds of trouble are told apart. The server is away or sends everyone back
(refused connection, 429, 503, a gateway that reaches nobody): all wait, until its
patience is used up. One request gets a broken answer (cut, stalled, 500): it is
asked again, a few times. The server refuses a request (4xx): that is its answer.
Nobody will be answered (no key, no credit): the run ends at once.

The key is read from the environment when a request is signed, is kept nowhere,
and is blanked in whatever the server says.
"""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import requests

from harness.doors.files import parse_json
from harness.doors.text import SHORTEST_KEY, blanked
from harness.engines.served.faults import AWAY, BROKEN, Fault, read_fault
from harness.engines.served.reply import read_events
from harness.engines.served.waiting import asked_pause, clock, span
from harness.errors import Unreachable
from harness.types import Json

Read = TypeVar("Read")

# Seconds: the first pause, doubled at each further one up to the longest; each is drawn
# evenly from 0 to that ("full jitter"), so that clients sent back together return apart.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# Bytes of an answer; of any model's the longest is some hundredth of this.
LONGEST_ANSWER = 64 << 20
# Seconds between two lines that say what is waited for.
SAY_EVERY = 30.0


class Refused(Exception):
    """The server's final answer to a request that it will not do."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(f"the server refused the request ({fault.status}): {fault.said}")


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
        say: told what is waited for and until when, and that it is over.
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
        self._answered_at = self._said_at = -math.inf
        self._closed_until = 0.0
        self.stopped = threading.Event()

    def ask(
        self,
        path: str,
        body: Json | None,
        read: Callable[[Json], Read],
        *,
        tries: int = 0,
        first: bool = False,
    ) -> Read:
        """Ask (GET without a body) until there is an answer that can be read.

        Args:
            read: what is wanted of the answer; a ValueError makes it a broken one.
            tries: the most broken answers; 0 takes the client's.
            first: nothing was ever asked there; that nobody answers is told at once.
        Raises:
            Refused: the server's answer is no.
            Broken: no whole answer in `tries` tries, or in `patience` seconds while others
                got theirs.
            Unreachable: the server stayed away for `patience` seconds or asks for longer,
                wants another key, or wants to be paid.
        """
        tries = tries or self._tries
        failures = broken = 0
        began: float | None = None
        while True:
            self._wait_for(self._closed_until - time.monotonic())
            try:
                found = self._exchange(path, body, read)
            except _Trouble as trouble:
                now = time.monotonic()
                began = now if began is None else began
                failures += 1
                broken += not trouble.away
                if first and not trouble.there:
                    raise Unreachable(
                        f"{self.url}: {trouble}. Start the server, or correct the address in "
                        "'source'; everything answered so far is kept, and the same command goes "
                        "on."
                    ) from None
                if broken >= tries:
                    raise Broken(f"no answer in {broken} tries; the last: {trouble}") from None
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10))
                pause = self._note_trouble(trouble, random.uniform(0, longest))
                if now - began > self._patience and self._answered_at > began:
                    raise Broken(
                        f"no answer in {now - began:.0f} s, while others got theirs; the last: "
                        f"{trouble}"
                    ) from None
                self._wait_for(pause)
            else:
                self._note_back(written=body is not None)
                return found

    def _note_trouble(self, trouble: _Trouble, pause: float) -> float:
        """Take note of it for all requests, and say what is waited for.

        Args:
            pause: seconds until this request is asked again, unless the server asks for more.
        Returns:
            these seconds; patience ends with a last try.
        Raises:
            Unreachable: nobody was answered for `patience` seconds, or will be.
        """
        now = time.monotonic()
        with self._lock:
            if trouble.pause is not None:
                self._closed_until = max(self._closed_until, now + trouble.pause)
            self._away_since = now if self._away_since is None else self._away_since
            since = self._away_since
            pause = max(0.0, min(pause, since + self._patience - now))
            until = max(now + pause, self._closed_until)
            tell = now - self._said_at >= SAY_EVERY
            self._said_at = now if tell else self._said_at
        if now - since >= self._patience:
            raise Unreachable(
                f"{self.url}: no answer for {now - since:.0f} s ({trouble}). {_GOES_ON}"
            )
        if self._closed_until - since > self._patience:
            raise Unreachable(
                f"{self.url}: {trouble}. It asks to come back in {span(until - now)}, "
                f"{clock(until - now)}; patience is {self._patience:g} s. {_GOES_ON}"
            )
        if tell:
            left = since + self._patience - now
            self._say(
                f"{self.url}: {trouble}; waiting until {clock(until - now)} to ask again, until "
                f"{clock(left)} for an answer"
            )
        return pause

    def _note_back(self, *, written: bool) -> None:
        """Take note of an answer. written: it is a model's, not a list of models."""
        with self._lock:
            self._answered_at = time.monotonic() if written else self._answered_at
            since, self._away_since = self._away_since, None
            told = since is not None and self._said_at >= since
        if told and since is not None and time.monotonic() - since >= 1:
            self._say(f"{self.url}: answers again")

    def _wait_for(self, seconds: float) -> None:
        if seconds > 0 and self.stopped.wait(seconds):
            raise Broken("stopped")

    def _exchange(self, path: str, body: Json | None, read: Callable[[Json], Read]) -> Read:
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
                    if len(content) > LONGEST_ANSWER:
                        raise _Trouble(f"an answer of more than {LONGEST_ANSWER >> 20} MiB")
                    # requests' own timeout starts anew at every byte.
                    if time.monotonic() > deadline:
                        raise _Trouble(f"no whole answer in {self._timeout:g} s")
                return self._read(reply, bytes(content), read)
        except requests.Timeout:
            raise _Trouble(f"no answer in {self._timeout:g} s") from None
        except requests.exceptions.SSLError as error:
            raise Unreachable(
                f"{self.url}: no secure connection ({str(error)[:200]}). Correct the address in "
                "'source', or have the machine trust the certificate (REQUESTS_CA_BUNDLE)."
            ) from None
        except requests.ConnectionError as error:
            away = "refused" in str(error) or "resolve" in str(error)
            what = "nobody answers there" if away else "the connection was cut"
            raise _Trouble(what, away=away, there=not away) from None
        except requests.RequestException as error:
            raise _Trouble(f"the answer was cut ({type(error).__name__})") from None

    def _read(self, reply: requests.Response, content: bytes, read: Callable[[Json], Read]) -> Read:
        status = 200 if reply.ok and reply.status_code < 300 else reply.status_code
        try:
            answer = read_events(content)
            answer = parse_json(content) if answer is None else answer
        except ValueError as error:
            if status == 200 and content.lstrip()[:5] == b"data:":
                raise _Trouble(self._blanked(f"a broken answer ({error})")) from None
            answer = None
        answer = self._without_key(answer)
        if 300 <= status < 400:
            raise Refused(Fault(status, self._elsewhere(reply)))
        fault = read_fault(status, answer, content, reply.headers.get("Content-Type", ""))
        if fault is not None:
            raise self._exception(fault, reply)
        try:
            return read(answer or {})
        except ValueError as error:
            raise _Trouble(self._blanked(str(error))) from None

    def _exception(self, fault: Fault, reply: requests.Response) -> Exception:
        """What to raise for what the server says is wrong."""
        status, said = fault.status, self._blanked(fault.said)
        if fault.spent:
            return Unreachable(
                f"{self.url}: the server answers nobody with this key ({status}): {said}. "
                "See to the account; everything answered so far is kept, and the same command "
                "goes on."
            )
        if status in AWAY:
            pause = asked_pause(reply.headers)
            told = "sends requests back" if status in (429, 503, 529) else "is out of reach"
            return _Trouble(
                f"the server {told} ({status}): {said}",
                away=True,
                pause=fault.pause if pause is None else pause,
            )
        # A firewall's 403 to one request after others were answered speaks of that request.
        unknown = status == 401 or (status == 403 and self._answered_at == -math.inf)
        if unknown and not fault.filtered:
            return Unreachable(self._key_fault(status, said))
        if status in BROKEN:
            return _Trouble(f"{said} ({reply.status_code})")
        return Refused(replace(fault, said=said))

    def _elsewhere(self, reply: requests.Response) -> str:
        place = reply.headers.get("Location", "").partition("?")[0]
        return self._blanked(
            f"it sends requests on to {place or 'another address'}, which could carry the key to "
            "another host. Put that address into 'source' if you trust it"
        )

    def _key_fault(self, status: int, said: str) -> str:
        if not self._key_env:
            return (
                f"{self.url}: the server wants a key ({status}: {said}). Put it into an "
                "environment variable and name that in the model's engine_args: key_env = "
                '"MY_KEY".'
            )
        state = "is refused" if os.environ.get(self._key_env) else "is not set"
        return (
            f"{self.url}: the key in {self._key_env} {state} ({status}: {said}). Set the right one."
        )

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

    def _without_key(self, answer: Any) -> Any:
        """What a server says, its answers too, with the key out of each text of it."""
        key = os.environ.get(self._key_env, "") if self._key_env else ""
        # A word that stands for no key ("none", "EMPTY") may be an answer.
        return blanked(answer, key) if len(key) >= SHORTEST_KEY else answer

    def _blanked(self, text: str) -> str:
        key = os.environ.get(self._key_env, "") if self._key_env else ""
        return text.replace(key, "***") if key else text


_GOES_ON = (
    "Everything answered so far is kept: mend the server and run the same command again; it goes "
    "on. engine_args.patience says how long to wait."
)
