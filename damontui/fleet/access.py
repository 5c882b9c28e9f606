"""How an engine is reached: Prometheus' own ``http_config``, as far as a reader needs it; secrets are never shown."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from damontui.errors import SourceError, UsageError
from damontui.files import read_small

_MOST = 64 << 10
_KNOWN = {
    "": {"basic_auth", "authorization", "bearer_token", "bearer_token_file", "tls_config", "http_headers"},
    "basic_auth": {"username", "password", "password_file"},
    "authorization": {"type", "credentials", "credentials_file"},
    "tls_config": {"ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify"},
}
_PASSED_OVER = {"follow_redirects", "enable_http2"}
"""Keys of Prometheus that are ignored: no redirect is ever followed, since it could lead a password astray."""


@dataclass(frozen=True, slots=True)
class Access:
    """The credentials that each request sends, and the certificates that are trusted."""

    authorization: str = field(default="", repr=False)
    """The whole ``Authorization`` header, a secret."""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure: bool = False
    """Whether any certificate is trusted."""


def read_access(path: str | Path) -> Access:
    """The access that an ``http_config`` file (YAML) describes; files in it are looked for beside it.

    Raises:
        UsageError: a key is unknown, or there are two credentials. The message holds no value.
        SourceError: a file cannot be read.
    """
    import yaml

    path = Path(path)
    try:
        found = yaml.safe_load(read_small(path, _MOST))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise UsageError(f"{path}: this is no YAML{where}") from None
    except (RecursionError, ValueError):
        raise UsageError(f"{path}: this is no YAML") from None
    top = _table(found, "", path)
    tls = _table(top.get("tls_config"), "tls_config", path)
    return Access(
        _authorization(top, path),
        _in_its_folder(tls.get("ca_file"), path),
        _in_its_folder(tls.get("cert_file"), path),
        _in_its_folder(tls.get("key_file"), path),
        _text(tls.get("server_name"), "tls_config.server_name", path),
        tls.get("insecure_skip_verify") is True,
    )


def _table(value: object, name: str, path: Path) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name or 'the file'} is no table of keys and values")
    known = _KNOWN[name] - {"http_headers"}
    for key in value:
        if key not in known and key not in _PASSED_OVER:
            raise UsageError(f"{path}: {str(key)[:40]!r} is not known here; known: {', '.join(sorted(known))}")
    return value


def _authorization(top: dict[str, Any], path: Path) -> str:
    basic = _table(top.get("basic_auth"), "basic_auth", path)
    token = _table(top.get("authorization"), "authorization", path)
    ways = [name for name in ("basic_auth", "authorization", "bearer_token", "bearer_token_file") if name in top]
    if len(ways) > 1:
        raise UsageError(f"{path}: {' and '.join(ways)} are two ways to say who you are; one is enough")
    if basic:
        user = _text(basic.get("username"), "basic_auth.username", path)
        both = f"{user}:{_secret(basic, 'password', path)}".encode()
        return f"Basic {base64.b64encode(both).decode()}"
    if token:
        kind = _text(token.get("type") or "Bearer", "authorization.type", path)
        return f"{kind} {_secret(token, 'credentials', path)}"
    if ways:
        return f"Bearer {_secret(top, 'bearer_token', path)}"
    return ""


def _secret(table: dict[str, Any], name: str, path: Path) -> str:
    if f"{name}_file" in table:
        found = read_small(_in_its_folder(table[f"{name}_file"], path), _MOST).decode("utf-8", "replace").strip()
    else:
        found = _text(table.get(name), name, path)
    if not found or not found.isprintable():
        raise UsageError(f"{path}: {name} is empty, or holds what no header may")
    return found


def _text(value: object, name: str, path: Path) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        raise UsageError(f"{path}: {name} is no text in one line")
    return value


def _in_its_folder(value: object, path: Path) -> str:
    name = _text(value, "the name of a file", path)
    return str(path.parent / name) if name else ""


def check_files(access: Access) -> None:
    """Raise `SourceError` where a certificate or key cannot be read."""
    for name in (access.ca_file, access.cert_file, access.key_file):
        if name:
            try:
                with open(name, "rb") as file:
                    file.read(1)
            except OSError as error:
                raise SourceError(f"cannot read {name}", (error.strerror or str(error)).lower()) from error
