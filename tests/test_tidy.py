"""Properties of the code that no linter knows, from the house and style pages of the design.

Each rule is a function from a file to what it finds wrong there. Beside every rule stand snippets
that it must find and snippets that it must leave alone: a rule that cannot fail says nothing.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

TOP = Path(__file__).resolve().parents[1]
SELF = PurePosixPath("tests/test_tidy.py")  # its snippets are what it looks for
PACKAGES = ("infra", "web", "schema", "odr", "evidence")
NOT_OURS = {".git", ".venv", "build", ".data", "node_modules", "__pycache__"}
TEXT = {
    *(".cfg", ".css", ".editorconfig", ".ftl", ".graphql", ".html", ".in", ".ini", ".j2", ".js"),
    *(".json", ".mako", ".md", ".po", ".pot", ".py", ".sh", ".sql", ".svg", ".toml", ".txt"),
    *(".yaml", ".yml", "Makefile", "Dockerfile", "run", "LICENSE", ".gitignore"),
}
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500
LINE_LENGTH_MAX = 100
REASON_LETTERS_MIN = 4

Rule = Callable[[PurePosixPath, str], Iterator[str]]


@dataclass(frozen=True)
class Tidy:
    """A rule, the files that it is about, and what it finds and leaves alone."""

    rule: Rule
    about: tuple[str, ...]  # the beginnings of paths
    suffix: str | None
    finds: tuple[tuple[str, str], ...]
    leaves: tuple[tuple[str, str], ...]

    def covers(self, path: PurePosixPath) -> bool:
        suited = self.suffix is None or path.suffix == self.suffix
        return suited and any(str(path).startswith(beginning) for beginning in self.about)


# --- size and shape ------------------------------------------------------------------------------


def functions_are_short(_: PurePosixPath, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {lines} lines"


def modules_are_short(_: PurePosixPath, text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > MODULE_LINES_MAX:
        yield f"1: {lines} lines; make it a package of the same name"


def lines_are_short(_: PurePosixPath, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_LENGTH_MAX:
            yield f"{number}: {len(line)} characters"


def imports_stand_at_the_top(_: PurePosixPath, text: str) -> Iterator[str]:
    tree = ast.parse(text)
    for outer in ast.walk(tree):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            for node in ast.walk(outer):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield f"{node.lineno}: an import below the top"


def packages_say_nothing(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.name == "__init__.py" and text:
        yield "1: an __init__.py is empty"


def modules_are_nouns_of_the_field(path: PurePosixPath, _: str) -> Iterator[str]:
    words = {"service", "util", "utils", "manager", "helper", "helpers", "base", "common", "misc"}
    for part in (*path.parent.parts, path.stem):
        if set(part.split("_")) & (words | {f"{word}s" for word in words}):
            yield f"1: {part} says nothing about what it is"


# --- time, environment, state --------------------------------------------------------------------


def instants_come_in_as_arguments(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.name == "__main__.py":  # a program of its own has a clock of its own
        return
    clocks = {
        *(("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")),
        *(("time", "time"), ("time", "time_ns"), ("time", "gmtime"), ("time", "localtime")),
        *(("func", "now"), ("func", "current_timestamp"), ("func", "clock_timestamp")),
    }
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if (name, node.attr) in clocks:
                yield f"{node.lineno}: {name}.{node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            for alias in node.names:
                if ("time", alias.name) in clocks:
                    yield f"{node.lineno}: from time import {alias.name}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in DATABASE_CLOCK.finditer(node.value):
                yield f"{node.lineno}: {found.group()} in SQL"


def the_database_s_clock_is_service_now(_: PurePosixPath, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        code = line.partition("--")[0]
        for found in DATABASE_CLOCK.finditer(code):
            yield f"{number}: {found.group()}"


DATABASE_CLOCK = re.compile(
    r"(?<![\w.])(?:now|clock_timestamp|transaction_timestamp|statement_timestamp)\(\)"
    r"|\b(?:CURRENT_TIMESTAMP|CURRENT_DATE|LOCALTIMESTAMP)\b"
)


def only_infra_reads_the_environment(_: PurePosixPath, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        named = {"environ", "environb", "getenv", "getenvb"}
        if isinstance(node, ast.Attribute) and node.attr in named:
            yield f"{node.lineno}: {node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if alias.name in named:
                    yield f"{node.lineno}: from os import {alias.name}"


GUARDED = {"state", "outcome", "version"}
CASES_SET = re.compile(
    r"\bUPDATE\s+(?:ONLY\s+)?(?:public\.)?\"?cases\b.*?\bSET\b(?P<set>.*?)(?:\bWHERE\b|$)",
    re.IGNORECASE | re.DOTALL,
)


def only_cases_moves_a_case(path: PurePosixPath, text: str) -> Iterator[str]:
    # The bench's limit writes by hand, in a database of its own, what the one door writes.
    if str(path) in {"odr/cases.py", "infra/bench/writes.py"}:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from _assigned_states(node)
        if isinstance(node, ast.Call):
            yield from _written_states(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for statement in CASES_SET.finditer(node.value):
                if any(re.search(rf"\b{word}\s*=", statement["set"]) for word in GUARDED):
                    yield f"{node.lineno}: UPDATE cases"


def _assigned_states(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else (node.target,):
        if isinstance(target, ast.Attribute) and target.attr == "state":
            owner = target.value
            if not (isinstance(owner, ast.Name) and owner.id in {"self", "cls"}):
                yield f"{node.lineno}: .state is assigned"


def _written_states(node: ast.Call) -> Iterator[str]:
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    named = {word.arg for word in node.keywords}
    if name == "setattr" and any(
        isinstance(a, ast.Constant) and a.value in GUARDED for a in node.args
    ):
        yield f"{node.lineno}: setattr"
    if name == "Case" and "state" in named:
        born = next(word.value for word in node.keywords if word.arg == "state")
        if ast.unparse(born) != "table.START.target":
            yield f"{node.lineno}: a case is born in table.START.target"
    if name == "values" and isinstance(called, ast.Attribute) and _updates_cases(called.value):
        for given in node.args:
            if isinstance(given, ast.Dict) and all(
                isinstance(key, ast.Constant) for key in given.keys
            ):
                named |= {key.value for key in given.keys if isinstance(key, ast.Constant)}
            else:
                yield f"{node.lineno}: an update of cases with values that cannot be read here"
        if None in named or named & GUARDED:
            yield f"{node.lineno}: update(Case)"


def _updates_cases(chain: ast.expr) -> bool:
    for node in ast.walk(chain):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = name or getattr(node.func, "id", "")
            if name == "update" and node.args:
                return ast.unparse(node.args[0]).split(".")[-1] == "Case"
    return False


# --- text ----------------------------------------------------------------------------------------


def nothing_is_left_to_do(_: PurePosixPath, text: str) -> Iterator[str]:
    marks = re.compile(r"\b(?:TODO|FIXME|HACK)\b")
    for number, line in enumerate(text.splitlines(), 1):
        if found := marks.search(line):
            yield f"{number}: {found.group()}"


def no_registry_and_no_machine_is_named(_: PurePosixPath, text: str) -> Iterator[str]:
    names = re.compile(
        r"pypi\.(?:org|io)|pythonhosted\.|npmjs\.|registry\.[a-z]|proxy\.golang|ghcr\.io"
        r"|docker\.io|quay\.io|deb\.debian|/work/(?:main|shared)|/home/\w|/Users/\w"
    )
    for number, line in enumerate(text.splitlines(), 1):
        if found := names.search(line):
            yield f"{number}: {found.group()}"


def an_exception_to_a_rule_has_its_reason(_: PurePosixPath, text: str) -> Iterator[str]:
    directive = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?|type:\s*ignore(?:\[[\w, -]+\])?)")
    for number, line in enumerate(text.splitlines(), 1):
        found = directive.search(line)
        if found:
            rest = directive.sub("", line[found.start() :])
            if len(re.findall(r"\w", rest)) < REASON_LETTERS_MIN:
                yield f"{number}: {found.group()} without a reason"


def real_parts_are_tested_and_all_tests_run(_: PurePosixPath, text: str) -> Iterator[str]:
    shams = re.compile(
        r"\b(?:unittest\.mock|from unittest import mock|monkey"
        r"patch|MagicMock|pytest_mock"
        r"|mark\.skip|mark\.xfail|importorskip|pytest\.skip|pytest\.xfail)\b"
    )
    for number, line in enumerate(text.splitlines(), 1):
        if found := shams.search(line):
            yield f"{number}: {found.group()}"


# --- the table -----------------------------------------------------------------------------------

OURS = tuple(f"{package}/" for package in PACKAGES)
CODE = (*OURS, "tests/")
ALL = ("",)
# A page of numbers as long as the rule allows, and one longer.
LONG = "x = 1\n" * MODULE_LINES_MAX
BODY = "    x = 1\n" * (FUNCTION_LINES_MAX - 1)

TIDY = {
    tidy.rule.__name__: tidy
    for tidy in (
        Tidy(
            functions_are_short,
            CODE,
            ".py",
            finds=(
                ("odr/a.py", f"def f():\n{BODY}    x = 1\n"),
                ("odr/a.py", f"class A:\n  async def f():\n{BODY}    x = 1\n"),
            ),
            leaves=(("odr/a.py", f"def f():\n{BODY}"),),
        ),
        Tidy(
            modules_are_short,
            OURS,
            ".py",
            finds=(("odr/a.py", LONG + "x = 1\n"),),
            leaves=(("odr/a.py", LONG),),
        ),
        Tidy(
            lines_are_short,
            (
                "web/",
                "schema/",
                "odr/",
                "evidence/",
                "infra/migrations/clock",
            ),  # not what is rendered
            ".sql",
            finds=(("odr/a.sql", "x" * (LINE_LENGTH_MAX + 1)),),
            leaves=(("odr/a.sql", "x" * LINE_LENGTH_MAX + "\n" + "ä" * LINE_LENGTH_MAX),),
        ),
        Tidy(
            imports_stand_at_the_top,
            CODE,
            ".py",
            finds=(
                ("odr/a.py", "def f():\n    import os\n"),
                (
                    "odr/a.py",
                    "class A:\n    def f():\n        if x:\n            from a import b\n",
                ),
            ),
            leaves=(("odr/a.py", "import os\nif TYPE_CHECKING:\n    import sys\n"),),
        ),
        Tidy(
            packages_say_nothing,
            CODE,
            ".py",
            finds=(("odr/__init__.py", '"""Words."""\n'), ("odr/a/__init__.py", "\n")),
            leaves=(("odr/__init__.py", ""), ("odr/a.py", "x = 1")),
        ),
        Tidy(
            modules_are_nouns_of_the_field,
            CODE,
            ".py",
            finds=(
                ("odr/utils.py", ""),
                ("odr/case_service.py", ""),
                ("odr/common/words.py", ""),
                ("tests/helpers.py", ""),
            ),
            leaves=(("odr/baseline.py", ""), ("odr/basement/commonwealth.py", "")),
        ),
        Tidy(
            instants_come_in_as_arguments,
            ("odr/", "evidence/"),
            ".py",
            finds=(
                ("odr/a.py", "datetime.now(UTC)"),
                ("odr/a.py", "datetime.datetime.utcnow()"),
                ("odr/a.py", "f = datetime.now"),
                ("odr/a.py", "date.today()"),
                ("odr/a.py", "time.time()"),
                ("odr/a.py", "from time import time_ns"),
                ("odr/a.py", "func.now()"),
                ("odr/a.py", "typed('SELECT now()')"),
                ("odr/a.py", "typed('UPDATE x SET y = CURRENT_TIMESTAMP')"),
            ),
            leaves=(
                ("odr/a.py", "work.now\ntime.monotonic()\nfrom time import monotonic"),
                ("odr/a.py", "func.service_now()\ntyped('SELECT public.service_now()')"),
                ("odr/a.py", "'what to do now (at once)'"),
            ),
        ),
        Tidy(
            the_database_s_clock_is_service_now,
            ("odr/", "evidence/"),
            ".sql",
            finds=(
                ("odr/a.sql", "SELECT now();"),
                ("odr/a.sql", "x timestamptz = clock_timestamp()"),
            ),
            leaves=(("odr/a.sql", "SELECT public.service_now(); -- not now()"),),
        ),
        Tidy(
            only_infra_reads_the_environment,
            ("web/", "schema/", "odr/", "evidence/"),
            ".py",
            finds=(
                ("web/a.py", "os.environ['X']"),
                ("web/a.py", "os.getenv('X')"),
                ("web/a.py", "from os import environ"),
            ),
            leaves=(("web/a.py", "import os\nos.urandom(1)\n"),),
        ),
        Tidy(
            only_cases_moves_a_case,
            OURS,
            ".py",
            finds=(
                ("odr/a.py", "case.state = State.CLOSED"),
                ("odr/a.py", "held.case.state: State = x"),
                ("odr/a.py", "setattr(case, 'state', x)"),
                ("odr/a.py", "Case(id=1, state=State.CLOSED)"),
                ("odr/a.py", "update(Case).where(x).values(state=x)"),
                ("odr/a.py", "update(models.Case).values(a=1).values({'version': 2})"),
                ("odr/a.py", "update(Case).values(**given)"),
                ("odr/a.py", "update(Case).values(given)"),
                ("infra/a.py", "text('UPDATE cases SET a = 1, state = :s WHERE id = :id')"),
                ("odr/a.py", "'with x as (update  public.cases\\n c set outcome= 1)'"),
            ),
            leaves=(
                ("odr/cases.py", "case.state = State.CLOSED"),
                ("odr/a.py", "self.state = x"),
                ("odr/a.py", "Case(id=1, state=table.START.target)"),
                ("odr/a.py", "update(Case).values(granted_minor=1)"),
                ("odr/a.py", "update(Case).values({'terms': 1})"),
                ("odr/a.py", "update(Offer).values(state=x)"),
                ("odr/a.py", "'UPDATE cases SET a = 1 WHERE state = 2'"),
                ("odr/a.py", "case.state == State.CLOSED"),
            ),
        ),
        Tidy(
            nothing_is_left_to_do,
            ALL,
            None,
            finds=(("a.md", "TODO: all"), ("odr/a.py", "# FIXME")),
            leaves=(("a.md", "what to do; todos"),),
        ),
        Tidy(
            no_registry_and_no_machine_is_named,
            ALL,
            None,
            finds=(
                ("a.txt", "--index-url https://pypi.org/simple"),
                ("a.json", "https://registry.npmjs.org/x"),
                ("a.md", "see /work/main/a.py"),
            ),
            leaves=(("a.md", "the registry of companies; https://github.com/kleros"),),
        ),
        Tidy(
            an_exception_to_a_rule_has_its_reason,
            CODE,
            ".py",
            finds=(
                ("odr/a.py", "x = 1  # noqa"),
                ("odr/a.py", "x = 1  # noqa: S105"),
                ("odr/a.py", "x = 1  # type: ignore[attr-defined]"),
                ("odr/a.py", "x = 1  # type: ignore[a]  # noqa: B1, C2 - so"),
            ),
            leaves=(
                ("odr/a.py", "x = 1  # noqa: S105, S106 - it opens nothing"),
                ("odr/a.py", "x = 1  # type: ignore[a]  # noqa: B1 - a column collection"),
            ),
        ),
        Tidy(
            real_parts_are_tested_and_all_tests_run,
            ("tests/",),
            ".py",
            finds=(
                ("tests/test_a.py", "from unittest import mock"),
                ("tests/test_a.py", "def test(monkeypatch):"),
                ("tests/test_a.py", "@pytest.mark.skip(reason='slow')"),
            ),
            leaves=(("tests/test_a.py", "@pytest.mark.long"),),
        ),
    )
}


@cache
def files() -> dict[PurePosixPath, str]:
    found = {}
    folders = [TOP]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name in NOT_OURS or path.name.endswith("_cache"):
                continue
            if path.is_dir():
                folders.append(path)
            elif path.suffix in TEXT or path.name in TEXT:
                name = PurePosixPath(path.relative_to(TOP).as_posix())
                found[name] = path.read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("name", TIDY)
def test_the_code_is_tidy(name):
    tidy = TIDY[name]
    found = [
        f"{path}:{finding}"
        for path, text in files().items()
        if tidy.covers(path) and path != SELF
        for finding in tidy.rule(path, text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [(name, path, text) for name, tidy in TIDY.items() for path, text in tidy.finds],
)
def test_the_rule_can_fail(name, path, text):
    assert TIDY[name].covers(PurePosixPath(path))
    assert list(TIDY[name].rule(PurePosixPath(path), text))


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [(name, path, text) for name, tidy in TIDY.items() for path, text in tidy.leaves],
)
def test_the_rule_leaves_what_is_right(name, path, text):
    assert not list(TIDY[name].rule(PurePosixPath(path), text))


def test_the_rules_see_the_code():
    for package in (*PACKAGES, "tests"):
        assert any(path.parts[0] == package for path in files())
    assert PurePosixPath("odr/cases.py") in files()
    assert PurePosixPath("Makefile") in files()
