"""The server: its folder alone, for this machine alone."""

import http.client
import socket
import threading
from argparse import Namespace

import pytest

from bench.commands.board import serve as board_serve
from harness.errors import UserError
from leaderboards.pages.serve import LOOPBACK, open_server


@pytest.fixture
def server(tmp_path):
    site = tmp_path / "site"
    (site / "items").mkdir(parents=True)
    (site / "index.html").write_text("front")
    (site / "items" / "0.js").write_text('benchData("k", 1);\n')
    (tmp_path / "secret").write_text("secret")
    (site / "out").symlink_to(tmp_path)
    (site / "leak.html").symlink_to(tmp_path / "secret")
    with open_server(site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path, *, method="GET", host=None):
    connection = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"localhost:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, answer.headers


def test_pages_and_data_are_served(server):
    status, body, headers = ask(server, "/")
    assert (status, body) == (200, "front")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(server, "/items/0.js")[:2] == (200, 'benchData("k", 1);\n')
    assert ask(server, "/index.html", method="HEAD")[:2] == (200, "")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret", "/%2e%2e/secret", "/items/..%2f..%2fsecret", "//etc/passwd", "/out/secret",
        "/leak.html", "/items/", "/items", "/nothing", "/out/",
    ],
)  # fmt: skip
def test_nothing_else_is(server, path):
    status, body, _ = ask(server, path)
    assert status == 404
    assert "secret" not in body.replace(path, "")


def test_nothing_can_be_written(server):
    assert ask(server, "/index.html", method="POST")[0] == 501
    assert ask(server, "/index.html", method="PUT")[0] == 501


def test_only_this_machine_is_answered(server):
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server, "/", host="elsewhere.example:80")[0] == 403


def test_mistakes_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = Namespace(out=tmp_path, name="", port=0, quiet=False)
    with pytest.raises(UserError, match=r"no pages\. Write them with: bench board"):
        board_serve.call(args)
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "index.html").write_text("front")
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        args.port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {args.port}: "):
            board_serve.call(args)
