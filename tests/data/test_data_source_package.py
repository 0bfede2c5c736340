"""Packages through the real pip and npm, from a folder and a registry of our own."""

import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from test_data_licence import MIT
from test_data_source_archive import write_tar, write_zip

from midspan.data.sources import fingerprint, list_projects
from midspan.data.sources.project import Broken
from midspan.recipe.sources import PackageSource

METADATA = "Metadata-Version: 2.4\nName: some-thing\nVersion: 1.2\nLicense-Expression: MIT\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ABOUT = {"name": "@some/thing", "version": "1.2.0", "license": "MIT"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packages"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel that pip finds, and nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    info = "some_thing-1.2.dist-info"
    members = [
        ("thing.py", "x = 1\n"),
        (f"{info}/METADATA", METADATA),
        (f"{info}/WHEEL", WHEEL),
        (f"{info}/RECORD", ""),
    ]
    return write_zip(folder / "some_thing-1.2-py3-none-any.whl", members)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package(registry, name, version, digest):
    return PackageSource(kind="package", registry=registry, name=name, version=version, sha256=digest)


def listed(source):
    (found,) = list_projects([source])
    return found


def test_a_wheel_is_downloaded_once(wheel, cache):
    source = package("pypi", "some-thing", "1.2", sha256(wheel))
    project = listed(source)
    assert (project.name, project.source, project.revision) == ("some-thing", "pypi:some-thing", "1.2")
    assert project.url == "https://pypi.org/project/some-thing/1.2/"
    assert [file.path for file in project.files] == ["thing.py"]
    wheel.unlink()
    assert listed(source).files == project.files
    assert fingerprint([source]) == fingerprint([source])


def test_another_archive_than_the_recipe_names_is_refused(wheel, cache):
    found = listed(package("pypi", "some-thing", "1.2", "0" * 64))
    assert isinstance(found, Broken)
    assert f"has the sha256 {sha256(wheel)}, the recipe says {'0' * 64}" in found.reason
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_kept_archive_that_changed_is_refused(wheel, cache):
    source = package("pypi", "some-thing", "1.2", sha256(wheel))
    assert not isinstance(listed(source), Broken)
    (kept,) = cache.rglob("*.whl")
    kept.write_bytes(kept.read_bytes() + b"x")
    assert f"remove {kept}" in listed(source).hint


def test_what_is_not_there_is_named_with_the_folder_it_can_be_put_into(wheel, cache):
    source = package("pypi", "some-thing", "1.3", sha256(wheel))
    found = listed(source)
    assert "cannot download pypi:some-thing 1.3: ERROR: Could not find a version" in found.reason
    folder = cache / "pypi" / "some-thing-1.3"
    assert found.hint == f"put its archive into {folder}"
    shutil.copy(wheel, folder)
    assert listed(source).name == "some-thing"


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """A registry of npm packages with one in it; its tarball."""
    tarball = write_tar(
        tmp_path / "thing-1.2.0.tgz",
        [("package/package.json", json.dumps(ABOUT)), ("package/LICENSE", MIT), ("package/src/a.js", "let x = 1;\n")],
    )

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            known = {"/@some%2fthing": json.dumps(document).encode(), "/thing.tgz": tarball.read_bytes()}
            body = known.get(self.path.lower())
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body or b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    address = f"http://127.0.0.1:{server.server_port}"
    digest = hashlib.sha1(tarball.read_bytes()).hexdigest()
    version = ABOUT | {"dist": {"tarball": f"{address}/thing.tgz", "shasum": digest}}
    document = {"name": ABOUT["name"], "dist-tags": {"latest": "1.2.0"}, "versions": {"1.2.0": version}}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("npm_config_registry", address)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    yield tarball
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_tarball_of_npm(registry):
    source = package("npm", "@some/thing", "1.2.0", sha256(registry))
    project = listed(source)
    assert (project.name, project.source, project.revision) == ("@some/thing", "npm:@some/thing", "1.2.0")
    assert project.url == "https://www.npmjs.com/package/@some/thing/v/1.2.0"
    assert [file.path for file in project.files] == ["package.json", "src/a.js"]
    only = listed(source.model_copy(update={"folders": ("src/",)}))
    assert [file.path for file in only.files] == ["src/a.js"] and only.skipped["other_folder"] == 1
    assert "holds no code in lib" in listed(source.model_copy(update={"folders": ("lib",)})).reason
    missing = listed(package("npm", "@some/thing", "9.9.9", sha256(registry)))
    assert "cannot download npm:@some/thing 9.9.9: npm " in missing.reason


def test_without_npm_the_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = listed(package("npm", "thing", "1.0.0", "0" * 64))
    assert "npm is not installed" in found.reason and "put its archive into" in found.hint
