"""How a plan and a run look to a person: rich tables at a terminal, plain lines elsewhere.

Old → new values are private: they are shown at a terminal only, and only when asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from redcap_jobs.grouped import IDS_SHOWN, Told, grouped
from redcap_jobs.plan import CALLS, KEYS, Plan, Problem, Table

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.executor import Executed
    from redcap_jobs.notify.outcome import RunOutcome

PROBLEMS_SHOWN = 20
CHANGES_SHOWN = 200
NEVER_SHORTENED = ("run", "state", "decision", "about")
"""Columns whose words are typed again or are the answer itself."""
ENDINGS = ("sent", *CALLS.values(), "taken over", "rejected", "unknown", "withheld", "not begun")
"""How an action may end that a person wants to hear of; one done before is no news."""
MANY = 50
"""Of fewer actions no line says how far they are where no bar can be drawn."""
PLAIN_WIDTH = 160
"""Where there is no terminal nothing is wrapped to 80 columns: a log line stays one line."""


def console_for(*, terminal: bool, stderr: bool = False) -> Console:
    """Return a console that draws at a terminal and writes plain, unwrapped text elsewhere."""
    if terminal:
        return Console(stderr=stderr, highlight=False)
    return Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH, no_color=True)


def rich_table(table: Table) -> RichTable:
    """Turn a plan's table into a rich one; columns after the first that hold numbers go right."""
    drawn = RichTable(title=escape(table.title), title_justify="left", header_style="bold")
    for number, column in enumerate(table.columns):
        cells = [row[number] for row in table.rows]
        numeric = number > 0 and all(
            cell.rstrip(" %").replace(".", "").isdigit() or not cell for cell in cells
        )
        drawn.add_column(
            escape(column),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=column in NEVER_SHORTENED,
        )
    for row in table.rows:
        drawn.add_row(*(escape(cell) for cell in row))
    return drawn


def show_plan(plan: Plan, console: Console, *, values: bool, all_of_them: str) -> None:
    """Show a plan: its tables, what would change, what is skipped, and the problems.

    ``values`` adds every change as old → new; the caller grants it at a terminal only.
    ``all_of_them`` is the command that shows every problem.
    """
    for table in plan.tables:
        console.print(rich_table(table))
    console.print(
        f"[bold]Plan[/bold] as of {plan.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {summary(plan)}"
    )
    show_skips(plan, console)
    show_problems(plan.problems, console, all_of_them=all_of_them)
    if values:
        show_changes(plan.changes, console)


def counted(number: int, noun: str) -> str:
    """Return ``1 record`` or ``2 records``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summary(plan: Plan) -> str:
    """Say in one line what a plan would do; "nothing to do" when it would do nothing."""
    parts = []
    changes = plan.changes
    if len(changes):
        rows = len(changes[KEYS].drop_duplicates())
        fills = int(((changes["old"] == "") & (changes["new"] != "")).sum())
        erased = int((changes["new"] == "").sum())
        overwritten = len(changes) - fills - erased
        parts.append(
            f"{counted(len(changes), 'cell')} in {counted(rows, 'row')} of "
            f"{counted(changes['record'].nunique(), 'record')} "
            f"({fills} filled, {overwritten} overwritten, {erased} erased)"
        )
    kinds = Counter(action.wanted for action in plan.actions)
    parts.extend(f"{count} x {kind}" for kind, count in kinds.items())
    return "; ".join(parts) if parts else "nothing to do"


@contextmanager
def progress_bar(
    console: Console, *, wanted: bool, in_lines: bool = False, of_what: str = "texts"
) -> Iterator[Callable[[int, int], None]]:
    """Show how far actions are, where somebody looks on; give what it is to be told by.

    At a terminal (``wanted``) a bar, that is gone at the end; else ``in_lines`` a line at each
    tenth of many.
    """
    if not wanted:
        yield partial(tenth, console, of_what) if in_lines else lambda done, of: None  # noqa: ARG005 - nobody looks on
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn(of_what), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(of_what, total=None, visible=False)
        yield lambda done, of: bar.update(task, completed=done, total=of, visible=True)


def tenth(console: Console, of_what: str, done: int, of: int) -> None:
    """Print a line where another tenth of many is done."""
    if of >= MANY and done < of and done * 10 // of > (done - 1) * 10 // of:
        console.print(f"  {done} of {of} {of_what}", soft_wrap=True)


def told(executed: Executed) -> str:
    """Say in one line what was done: actions by how they ended, then cells."""
    parts = [f"{executed.actions[how]} {how}" for how in ENDINGS if executed.actions.get(how)]
    if executed.cells:
        cells, records = counted(executed.cells, "cell"), counted(executed.records, "record")
        parts.append(f"{cells} of {records} written")
    return ", ".join(parts) if parts else "nothing to write"


def show_skips(plan: Plan, console: Console) -> None:
    """Count the skips by reason."""
    reasons = Counter(skip.reason for skip in plan.skips)
    for reason, count in reasons.most_common():
        console.print(f"  skipped {count}: {escape(reason)}")


def show_problems(problems: Sequence[Problem], console: Console, *, all_of_them: str = "") -> None:
    """List the problems, the first twenty kinds; ``all_of_them`` is the command that shows all."""
    if not problems:
        return
    console.print(f"[bold]{counted(len(problems), 'problem')}[/bold] in the data:")
    kinds = grouped(map(str, problems))
    show_told(kinds[:PROBLEMS_SHOWN], console)
    more = sum(len(kind.records) for kind in kinds[PROBLEMS_SHOWN:])
    if more:
        console.print(f"  … and {more} more" + (f": {escape(all_of_them)}" if all_of_them else ""))


def show_told(kinds: Sequence[Told], console: Console, most: int | None = IDS_SHOWN) -> None:
    """Print what is told, a line for each sentence and one for (``most`` of) its records."""
    for kind in kinds:
        if len(kind.records) == 1:
            console.print(f"  record {escape(kind.whom())}: {escape(kind.what)}", soft_wrap=True)
            continue
        console.print(f"  {len(kind.records)} records: {escape(kind.what)}", soft_wrap=True)
        console.print(f"    {escape(kind.whom(most))}", soft_wrap=True)


def show_changes(changes: pd.DataFrame, console: Console) -> None:
    """Draw every change as old → new, the first two hundred."""
    drawn = RichTable(title="Changes", title_justify="left", header_style="bold")
    for column in ("record", "event", "field", "old → new"):
        drawn.add_column(column)
    for row in changes.head(CHANGES_SHOWN).to_dict("records"):
        change = {name: str(value) for name, value in row.items()}
        place = change["event"] or change["repeat_instrument"]
        if change["repeat_instance"]:
            place = f"{place} #{change['repeat_instance']}"
        arrow = f"{change['old'] or '(blank)'} → {change['new'] or '(erased)'}"
        drawn.add_row(*map(escape, (change["record"], place, change["field"], arrow)))
    console.print(drawn)
    if len(changes) > CHANGES_SHOWN:
        console.print(f"  … and {len(changes) - CHANGES_SHOWN} more")


def show_outcome(outcome: RunOutcome, console: Console) -> None:
    """Close a run at a terminal with one line."""
    colour = {"done": "green", "partial": "yellow", "dry": "cyan"}.get(outcome.state, "red")
    console.print(
        f"[{colour}]{outcome.state}[/{colour}] {escape(outcome.message)} "
        f"(run {outcome.run_id}, exit {int(outcome.exit_code)})"
    )
