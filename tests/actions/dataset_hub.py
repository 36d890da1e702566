"""A hub on this computer that datasets can be pushed to: it keeps files as the real one's answers say it would."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import yaml

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secret"
LARGE = (".png", ".parquet")
"""What the hub keeps in git-lfs."""


class Kept:
    """What the hub holds."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        """Repository → path → content."""
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        """sha256 → content, of git-lfs."""
        self.asked: list[str] = []
        self.messages: list[str] = []
        self.may_write = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    @property
    def kept(self) -> Kept:
        assert isinstance(self.server, _Server)
        return self.server.kept

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path.partition("?")[0]).strip("/")
        self.kept.asked.append(f"{self.command} {path}")
        is_known = self.headers.get("Authorization") == f"Bearer {TOKEN}" or path.startswith("put/")
        if not is_known:
            self._send(401, {"error": "Invalid username or password."})
        elif path == "api/whoami-v2":
            self._send(200, {"name": "ann", "type": "user", "orgs": []})
        elif path == "api/validate-yaml":
            head = json.loads(body)["content"].split("---\n")[1]
            self._send(
                200, {"errors": [] if yaml.safe_load(head)["configs"] else [{"message": "no configs"}], "warnings": []}
            )
        elif path == "api/repos/create":
            self._create(json.loads(body))
        elif path.startswith("put/"):
            self.kept.objects[path.removeprefix("put/")] = body
            self._send(200, {})
        elif path.startswith("api/datasets/"):
            self._repository(path.removeprefix("api/datasets/"), body)
        elif "/resolve/main/" in path:
            repo, _, name = path.removeprefix("datasets/").partition("/resolve/main/")
            self._file(self.kept.repos.get(repo, {}).get(name))
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        else:
            self._send(404, {"error": path})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization') or 'ann'}/{asked['name']}"
        self.kept.repos[name] = {".gitattributes": b"*.png filter=lfs\n"}
        self.kept.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
        self._send(200, {"url": f"{self._host}/datasets/{name}", "id": name})

    def _repository(self, path: str, body: bytes) -> None:
        repo, verb = "/".join(path.split("/")[:2]), path.split("/")[2:3]
        files = self.kept.repos.get(repo)
        if files is None:
            self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        elif verb == ["tree"]:
            rows = [{"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in files.items()]
            self._send(200, rows)
        elif not self.kept.may_write:
            self._send(403, {"error": "You have no right to write here"})
        elif verb == ["preupload"]:
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for one in json.loads(body)["files"]
            ]
            self._send(200, {"files": modes})
        elif verb == ["commit"]:
            self._commit(repo, [json.loads(line) for line in body.splitlines()])
        else:
            self._send(200, {"id": repo, "sha": COMMIT, "private": True, "siblings": []})

    def _batch(self, asked: dict[str, Any]) -> None:
        rows = [
            {
                "oid": one["oid"],
                "size": one["size"],
                **(
                    {}
                    if one["oid"] in self.kept.objects
                    else {"actions": {"upload": {"href": f"{self._host}/put/{one['oid']}", "header": {}}}}
                ),
            }
            for one in asked["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": rows})

    def _commit(self, repo: str, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            key, value = line["key"], line["value"]
            if key == "header":
                self.kept.messages.append(value["summary"])
            elif key == "file":
                self.kept.repos[repo][value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                self.kept.repos[repo][value["path"]] = self.kept.objects[value["oid"]]
            elif key == "deletedFile":
                del self.kept.repos[repo][value["path"]]
        url = f"{self._host}/datasets/{repo}/commit/{COMMIT}"
        self._send(200, {"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})

    def _file(self, data: bytes | None) -> None:
        if data is None:
            self._send(404, {"error": "no such file"}, {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        self._send_bytes(200, data, headers)

    def _send(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send_bytes(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    @property
    def _host(self) -> str:
        return f"http://{self.headers['Host']}"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        del format, args


class _Server(ThreadingHTTPServer):
    def __init__(self, kept: Kept) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kept = kept


@contextmanager
def serve() -> Iterator[tuple[str, Kept]]:
    """(address, what it holds), while it runs."""
    kept = Kept()
    server = _Server(kept)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
