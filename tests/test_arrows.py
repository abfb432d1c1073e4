"""The import rules of pyproject.toml are kept, and each of them can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PACKAGES = ("infra", "web", "schema", "odr", "evidence")

# What the offline verifier may load beside the standard library, by the name of its package.
VERIFIER_MAY_LOAD = {"evidence", "cryptography", "_openssl", "_cffi_backend"}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrows")
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(TOP / package, folder / package, ignore=ignore)
    shutil.copy(TOP / "pyproject.toml", folder)
    return folder


def test_every_import_follows_the_arrows():
    done = lint(TOP)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("evidence/note.py", "import odr.errors", "the four arrows"),
        ("odr/money.py", "import schema", "the four arrows"),
        ("schema/scalars.py", "import web", "the four arrows"),
        ("web/__init__.py", "import infra.settings", "the four arrows"),
        ("odr/errors.py", "import odr.cases", "nothing goes round in a circle"),
        ("odr/calendar.py", "import sqlalchemy", "the law's words and rules are pure"),
        ("odr/words.py", "import odr.models.cases", "the law's words and rules are pure"),
        ("evidence/merkle.py", "import pydantic", "the record's formats and their verifier"),
        ("odr/cases.py", "import starlette", "law and vault know no HTTP"),
        ("evidence/vault.py", "import arq", "law and vault know no HTTP"),
        ("odr/exhibits.py", "import boto3", "only the S3 store and the KMS ring speak to AWS"),
    ],
)
def test_an_import_against_the_arrows_is_found(copy, module, line, contract):
    path = copy / module
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    done = lint(copy)
    path.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), done.stdout


def test_the_offline_verifier_loads_the_standard_library_and_cryptography_only():
    """An import contract does not see that a parent's __init__ runs; the interpreter does."""
    script = "import sys, evidence.verify; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}; {script}"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name for name in done.stdout.split() if name != "__main__"}
    assert "evidence" in loaded
    strangers = loaded - sys.stdlib_module_names - VERIFIER_MAY_LOAD
    assert not strangers


DECODERS = {"PIL", "pillow_heif", "pypdfium2", "pypdfium2_raw", "av"}


def test_the_service_loads_no_library_that_decodes_files():
    """Hostile files are opened in processes of their own; nothing that decodes is at hand here."""
    script = "import sys, infra.site; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "evidence" in loaded
    assert not loaded & DECODERS
