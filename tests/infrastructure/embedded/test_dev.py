"""`./dev`: what it decides before it installs anything."""

import ast
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

DEV = Path(__file__).parents[3] / "dev"


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, for a clone in an empty directory."""
    # Python keeps compiled code beside its source, where only the script itself belongs.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("dev", str(DEV))
    spec = spec_from_loader("dev", loader)
    assert spec is not None
    module: Any = module_from_spec(spec)
    loader.exec_module(module)
    for name, path in {"ROOT": ".", "VENV": ".venv", "BOOT": ".boot", "STAMP": ".venv/installed"}.items():
        setattr(module, name, tmp_path / path)
    return module


def put_python(dev: Any) -> None:
    """An environment of this very Python."""
    (dev.VENV / "bin").mkdir(parents=True)
    (dev.VENV / "bin" / "python").symlink_to(sys.executable)


def test_an_old_python_can_read_the_script_to_say_that_it_is_too_old() -> None:
    ast.parse(DEV.read_text(), feature_version=(3, 6))


def test_the_mark_changes_with_the_packages_and_with_the_place(dev: Any) -> None:
    mark = dev.wanted_mark(b"one", Path("/here"))

    assert dev.wanted_mark(b"one", Path("/here")) == mark
    assert dev.wanted_mark(b"two", Path("/here")) != mark
    assert dev.wanted_mark(b"one", Path("/there")) != mark
    assert sys.implementation.cache_tag in mark


def test_it_is_installed_only_with_the_wanted_mark_and_a_python(dev: Any) -> None:
    mark = dev.wanted_mark(b"packages", dev.ROOT)
    assert not dev.is_installed(mark)

    put_python(dev)
    assert not dev.is_installed(mark)
    dev.write_mark(mark)
    assert dev.is_installed(mark)
    assert not dev.is_installed(dev.wanted_mark(b"other packages", dev.ROOT))

    (dev.VENV / "bin" / "python").unlink()
    (dev.VENV / "bin" / "python").symlink_to("/nowhere/python")
    assert not dev.is_installed(mark)


def test_an_environment_is_kept_when_only_the_packages_changed(dev: Any) -> None:
    put_python(dev)
    mark = dev.wanted_mark(b"new", Path("/here"))

    assert dev.may_keep_venv(dev.wanted_mark(b"old", Path("/here")), mark)
    assert not dev.may_keep_venv(dev.wanted_mark(b"new", Path("/elsewhere")), mark)
    assert not dev.may_keep_venv(mark.replace(sys.implementation.cache_tag, "cpython-310"), mark)
    assert not dev.may_keep_venv(dev.HALF, mark)


def test_an_environment_made_by_hand_is_kept_if_its_python_is_this_one(dev: Any) -> None:
    mark = dev.wanted_mark(b"packages", dev.ROOT)
    assert not dev.may_keep_venv(None, mark)

    put_python(dev)

    assert dev.may_keep_venv(None, mark)


def test_pips_index_is_handed_to_uv_unless_uv_has_its_own(dev: Any) -> None:
    index = "https://index.example/simple"

    assert dev.uv_environment({}, index)["UV_DEFAULT_INDEX"] == index
    assert "UV_DEFAULT_INDEX" not in dev.uv_environment({}, None)
    assert dev.uv_environment({"UV_DEFAULT_INDEX": "https://own.example"}, index)["UV_DEFAULT_INDEX"] != index
    assert "UV_DEFAULT_INDEX" not in dev.uv_environment({"UV_INDEX_URL": "https://own.example"}, index)
    (dev.ROOT / "uv.toml").touch()
    assert "UV_DEFAULT_INDEX" not in dev.uv_environment({}, index)


def test_pips_variable_names_the_index_before_its_configuration(dev: Any) -> None:
    assert dev.pip_index({"PIP_INDEX_URL": "https://index.example/simple"}) == "https://index.example/simple"


def test_what_is_set_for_uv_stays_as_it_is(dev: Any) -> None:
    ours = {"UV_SYSTEM_CERTS": "false", "UV_PYTHON_DOWNLOADS": "automatic", "UV_CACHE_DIR": "/cache"}

    assert dev.uv_environment(ours, None) == ours
    assert dev.uv_environment({}, None)["UV_SYSTEM_CERTS"] == "true"
    assert dev.uv_environment({}, None)["UV_PYTHON_DOWNLOADS"] == "never"


def test_uv_keeps_its_cache_in_the_clone_where_there_is_no_home(dev: Any, tmp_path: Path) -> None:
    assert dev.uv_environment({}, None)["UV_CACHE_DIR"] == str(dev.BOOT / "cache")
    assert dev.uv_environment({"HOME": "/no/such/home"}, None)["UV_CACHE_DIR"] == str(dev.BOOT / "cache")
    assert "UV_CACHE_DIR" not in dev.uv_environment({"HOME": str(tmp_path)}, None)


def test_installers_lines_are_shown_without_addresses(dev: Any) -> None:
    assert dev.shown("Looking in indexes: https://user:password@index.example/simple") is None
    assert dev.shown("error: Failed to fetch: `https://user:password@index.example/simple`") == (
        "error: Failed to fetch: `<address>`"
    )
    assert dev.shown("Installed 92 packages in 57ms") == "Installed 92 packages in 57ms"


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["help"], 0), (["tset"], 2)])
def test_the_list_of_commands_needs_nothing_installed(arguments: list[str], code: int) -> None:
    done = subprocess.run([sys.executable, DEV, *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert "./dev test ARGS" in (done.stdout if code == 0 else done.stderr)
