"""The procedure as documentation: diagram, table and lists, generated from the table.

``python -m odr.procedure.docs`` rewrites the parts of ``odr/README.md`` between its markers; a test
says that they are current.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from odr.procedure import clocks, facts, table
from odr.procedure.acts import Role, Stage, State

BEGIN: Final = "<!-- generated: procedure -->"
END: Final = "<!-- end: procedure -->"
README: Final = Path(__file__).parents[1] / "README.md"


def diagram() -> str:
    """The states and the acts that move a case, as a Mermaid state diagram."""
    return "\n".join(_diagram())


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {table.START.target}: {table.START.act}"
    for stage in Stage:
        states = [state for state in State if state.stage is stage and state is not table.FINAL]
        if states:
            yield f"    state {stage.title} {{"
            yield from (f"        {state}" for state in states)
            yield "    }"
    moves = defaultdict(list)
    for row in table.rows():
        if row.source is not row.target:
            moves[row.source, row.target].append(row.act)
    for (source, target), acts in moves.items():
        yield f"    {source} --> {target}: {', '.join(acts)}"
    yield f"    {table.FINAL} --> [*]"


def _roles(roles: frozenset[Role]) -> str:
    return ", ".join(role for role in Role if role in roles)


def rows() -> str:
    """The table: one line for each state and act."""
    lines = ["| in state | act | by | then | requires |", "|---|---|---|---|---|"]
    lines.append(
        f"| - | `{table.START.act}` | {_roles(table.START.roles)} | `{table.START.target}` | |"
    )
    for row in sorted(table.rows(), key=lambda row: list(State).index(row.source)):
        target = "-" if row.target is row.source else f"`{row.target}`"
        if row.outcome is not None:
            target += f" ({row.outcome})"
        needs = ", ".join(facts.REQUIRES.get(row.act, ()))
        lines.append(f"| `{row.source}` | `{row.act}` | {_roles(row.roles)} | {target} | {needs} |")
    return "\n".join(lines)


def timers() -> str:
    """The clocks: whom each awaits, its window, and what happens by default."""
    lines = ["| clock | awaits | window | by default | act |", "|---|---|---|---|---|"]
    for clock, timer in clocks.TIMERS.items():
        acts = " or ".join(f"`{act}`" for act in timer.acts)
        lines.append(
            f"| `{clock}` | {_roles(timer.awaits)} | {timer.window} | {clock.meaning} | {acts} |"
        )
    return "\n".join(lines)


def generated() -> str:
    """Everything between the markers of the README."""
    return (
        f"{BEGIN}\n```mermaid\n{diagram()}\n```\n\n### Every row\n\n{rows()}\n\n"
        f"### Every clock\n\n{timers()}\n{END}"
    )


def renewed(readme: str) -> str:
    """``readme`` with its generated part made anew; ``ValueError`` without both markers."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("the README lacks the markers of the procedure")
    return head + generated() + tail


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{README} is current\n")
