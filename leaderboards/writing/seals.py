"""All files of a published folder under one digest, which its publisher may sign.

`seal.json` lists with its SHA-256 every file that `bench board publish` wrote, but for those
in `board/`, which `bench board check` makes again of the others. It names the file that was
changed, and in tables the key. The digest proves that nothing
changed since; a signature beside it (`ssh-keygen -Y`, its own format and trust) proves who
published.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes
from harness.doors.paths import inside
from harness.doors.seals import SEAL as IN_TABLE
from harness.doors.seals import changed_keys, key_digests, sealed, unsealed
from harness.doors.text import plain
from harness.errors import UserError
from harness.files import sha256_file, write_json

SEAL, SIGNATURE = "seal.json", "seal.json.sig"
NAMESPACE = "selfspec-bench"
# Folders in which every file is under the seal.
_WHOLE = ("runs", "artifacts")


def write_seal(folder: Path) -> None:
    """Seal every file of a folder but the board's own."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (SEAL, SIGNATURE) and not name.startswith("board/"):
            files[name] = {"sha256": sha256_file(path), **_keys(path)}
    write_json(folder / SEAL, sealed({"format": 1, "files": files}))


def seal_faults(folder: Path) -> list[str]:
    """What is not as it was sealed, a line a file; [] also where a folder has no seal."""
    path = folder / SEAL
    if not path.is_file():
        return []
    try:
        content, changed = unsealed(
            parse_json(read_bytes(inside(folder, path), limits.ITEMS_BYTES))
        )
        files: dict[str, Any] = dict(content["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{path}: not a seal ({type(error).__name__}: {plain(error):.200})"]
    if changed is None or changed:
        return [f"{path}: changed in {', '.join(changed or ['its own seal'])}"]
    return [plain(fault) for fault in _faults(folder, files)]


def _faults(folder: Path, files: dict[str, Any]) -> Iterator[str]:
    for name, entry in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            yield f"{path}: missing"
            continue
        inside(folder, path)
        if sha256_file(path) != entry["sha256"]:
            yield f"{path}: changed since it was published{_where(path, entry.get('keys'))}"
    for part in _WHOLE:
        for path in sorted((folder / part).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name not in files and not path.name.startswith("."):
                yield f"{path}: added since the board was published"


def _where(path: Path, known: Any) -> str:
    """Which keys of a table were changed, as far as it can be told."""
    table = _table(path)
    if table is None:
        return ""
    if isinstance(table.get("keys"), dict) and "sha256" in table:  # a record.json
        rest = {key: value for key, value in table.items() if key not in ("keys", "sha256")}
        changed = changed_keys(rest, table["keys"])
    elif IN_TABLE in table:
        changed = unsealed(table)[1] or []
    else:
        changed = changed_keys(table, known)
    return f", in {', '.join(changed):.300}" if changed else ", and sealed anew"


def _keys(path: Path) -> dict[str, Any]:
    """Digests of the keys of a table that has no seal of its own."""
    table = _table(path)
    if table is None or IN_TABLE in table or "keys" in table:
        return {}
    return {"keys": key_digests(table)}


def _table(path: Path) -> dict[str, Any] | None:
    if path.suffix != ".json":
        return None
    try:
        table = parse_json(read_bytes(path, limits.ITEMS_BYTES))
    except (OSError, ValueError, UserError):
        return None
    return table if isinstance(table, dict) else None


def sign(folder: Path, key: Path) -> None:
    """Sign a folder's seal with an SSH key; a key with a passphrase is asked for by ssh-agent.

    Raises:
        UserError: no such key, or ssh-keygen is not installed or does not sign.
    """
    if not key.is_file():
        raise UserError(f"--sign {key}: no such file; expected a private SSH key.")
    (folder / SIGNATURE).unlink(missing_ok=True)
    done = _ssh_keygen("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(folder / SEAL))
    if done.returncode:
        raise UserError(f"--sign {key}: ssh-keygen did not sign: {_said(done)}")


def signature_told(folder: Path, signers: Path | None) -> tuple[str, str]:
    """Who signed a folder's seal, and what is wrong with it; each "" where there is nothing.

    Args:
        signers: ssh-keygen's file of allowed signers (a line "name key" each); without it
            only the key is told.
    Raises:
        UserError: ssh-keygen is not installed.
    """
    signature = folder / SIGNATURE
    if not signature.is_file():
        return "", f"{signature}: missing; {folder} is not signed" if signers else ""
    inside(folder, signature)
    form = ("-n", NAMESPACE, "-s", str(signature))
    text = (folder / SEAL).read_bytes() if (folder / SEAL).is_file() else b""
    if signers is None:
        done = _ssh_keygen("-Y", "check-novalidate", *form, text=text)
        key = next((word for word in _said(done).split() if word.startswith("SHA256:")), "a key")
        if not done.returncode:
            return f"signed with {key}; whose it is says --signers FILE", ""
        return "", f"{signature}: does not fit {SEAL}: {_said(done)}"
    if not signers.is_file():
        raise UserError(f"--signers {signers}: no such file; expected lines of NAME KEYTYPE KEY.")
    found = _ssh_keygen("-Y", "find-principals", "-s", str(signature), "-f", str(signers))
    names = found.stdout.decode("utf-8", "replace").split("\n")[0].strip()
    if found.returncode or not names:
        return "", f"{signature}: its key is not among those of {signers}"
    who = ("-f", str(signers), "-I", names.split(",")[0])
    done = _ssh_keygen("-Y", "verify", *form, *who, text=text)
    if done.returncode:
        return "", f"{signature}: does not fit {SEAL}: {_said(done)}"
    return f"signed by {plain(names)}", ""


def _ssh_keygen(*args: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", *args], input=text, capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError(
            "signatures are made and checked by ssh-keygen, which is not installed. Install "
            "OpenSSH's client, or leave --sign and --signers out."
        ) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    said = (done.stderr + b" " + done.stdout).decode("utf-8", "replace")
    return plain(" ".join(said.split()))[:300]
