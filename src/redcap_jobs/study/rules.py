"""What must hold between the tables of a study file; each rule yields the flaws it finds.

A rule may be given a study with mistakes (see :mod:`redcap_jobs.study.salvage`): what touches a
refused value is left aside, since that value is reported already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from redcap_jobs.redcap.records import EventPlace, RepeatPlace
from redcap_jobs.study.config import HardClose, Offset, Study, Visit
from redcap_jobs.study.flaws import Flaw, KeyPath, written_path
from redcap_jobs.study.nearest import did_you_mean
from redcap_jobs.study.overlap import always_before, always_overlap, closes_too_soon
from redcap_jobs.study.rules_partner import broken_partner_rules
from redcap_jobs.study.rules_texts import broken_text_rules
from redcap_jobs.study.salvage import ABSENT, NotSalvaged, judged, known
from redcap_jobs.study.uses import SHARED_OUTPUTS, FieldUse, fields, log_fields


def projects_agree(study: Study) -> Iterator[Flaw]:
    """Two tokens of one project must not say different things about it."""
    seen: dict[int, tuple[str, str, bool]] = {}
    for name, project in study.redcap.projects.items():
        says = (name, project.role, project.in_production)
        first = seen.setdefault(project.project_id, says)
        if first[1:] != says[1:]:
            yield Flaw(
                ("redcap", "projects", name),
                f"says something else about project {project.project_id} than {first[0]}",
            )


def development_is_not_in_production(study: Study) -> Iterator[Flaw]:
    """Refuse a development project that is in production: its data are real.

    It would be written under the rules and the state of a development project.
    """
    for name, project in study.redcap.projects.items():
        at = ("redcap", "projects", name, "role")
        if known(lambda p=project: p.role == "development" and p.in_production):  # type: ignore[misc]  # bound early
            yield Flaw(
                at,
                "is development, but in_production = true: a project in production holds real data",
                'write role = "production" (or "source" if it is only read), or correct '
                "in_production if REDCap says the project is in development",
            )


def arm_numbers_differ(study: Study) -> Iterator[Flaw]:
    """No two arms have one number."""
    seen: dict[int, str] = {}
    for name, arm in study.arms.items():
        first = seen.setdefault(arm.number, name)
        if first != name:
            yield Flaw(("arms", name, "number"), f'arm "{first}" has that number')


def outputs_are_no_inputs(study: Study) -> Iterator[Flaw]:
    """No field is written that anything is decided from: the job would feed on itself.

    Only ``participants.opted_out`` may read what ``participants.write.opted_out`` writes.
    """
    uses = [*fields(study), *log_fields(study)]
    inputs: dict[str, FieldUse] = {}
    for use in uses:
        if not use.written and use.path != ("participants", "opted_out"):
            inputs.setdefault(use.reference.field, use)
    opt_outs = {
        use.reference.field: use for use in uses if use.path == ("participants", "opted_out")
    }
    for use in uses:
        source = inputs.get(use.reference.field)
        if use.written and source is None and use.role not in SHARED_OUTPUTS:
            source = opt_outs.get(use.reference.field)
        if use.written and source is not None:
            yield Flaw(
                use.path,
                f'"{use.reference.field}" is also read, by {written_path(source.path)}',
                "write to a field of its own",
            )


def cells_are_written_once(study: Study) -> Iterator[Flaw]:
    """No cell is written twice, by two visits or by one."""
    first: dict[tuple[str, str], KeyPath] = {}
    for use in chain(fields(study), log_fields(study)):
        if not use.written:
            continue
        taken = {cell: first[cell] for cell in cells(use) if cell in first}
        if taken:
            (where, _), by = min(taken.items())
            place = f" on {where}" if where else ""
            yield Flaw(
                use.path, f'"{use.reference.field}"{place} is also written by {written_path(by)}'
            )
        for cell in cells(use):
            first.setdefault(cell, use.path)


def cells(use: FieldUse) -> set[tuple[str, str]]:
    """Return the cells of one record that a reference may mean: (event or instance, field)."""
    if use.reference.event is not None:
        places = [use.reference.event]
    elif isinstance(use.own, EventPlace):
        places = list(use.own.events)
    elif isinstance(use.own, RepeatPlace):
        places = [f"{use.own.form} {use.own.instance}"]
    else:
        places = [""]
    return {(place, use.reference.field) for place in places}


def visit_ids_differ(study: Study, index: int, visit: Visit) -> Iterator[Flaw]:
    """No two visits have one id."""
    first = visit_index(study).get(visit.id, index)
    if first != index:
        yield Flaw(("visits", index, "id"), f'visits[{first}] has the id "{visit.id}" already')


def anchors_exist(study: Study, index: int, visit: Visit) -> Iterator[Flaw]:
    """Anchors are a name of [participants.anchors], or an earlier visit; never a circle."""
    at, visits = ("visits", index, "anchor"), visit_index(study)
    anchor = visit.anchored
    if anchor.visit is None:
        names = list(study.participants.anchors)
        if anchor.name not in names and anchor.name in visits:
            hint = f'for the date of that visit: {{ visit = "{anchor.name}", if_missed = ... }}'
            yield Flaw(at, f'no anchor "{anchor.name}" in [participants.anchors]', hint)
        elif anchor.name not in names:
            hint = did_you_mean(str(anchor.name), names)
            yield Flaw(at, f'no anchor "{anchor.name}" in [participants.anchors]', hint)
    elif anchor.visit not in visits:
        yield Flaw(at, f'no visit "{anchor.visit}"', did_you_mean(anchor.visit, visits))
    elif circle := circle_from(study, index):
        if index == min(circle):
            ids = [study.visits[each].id for each in (*circle, circle[0])]
            yield Flaw(at, f"visits anchor each other in a circle: {' → '.join(ids)}")
    elif visits[anchor.visit] > index:
        yield Flaw(
            at, f'visit "{anchor.visit}" stands later in the file', "anchor on an earlier one"
        )


def circle_from(study: Study, index: int) -> list[int]:
    """Follow the anchors of a visit; return the visits passed if that leads back to it."""
    visits, passed = visit_index(study), [index]
    while (anchor := study.visits[passed[-1]].anchored.visit) in visits:
        following = visits[str(anchor)]
        if following == index:
            return passed
        if following in passed:
            return []
        passed.append(following)
    return []


def targets_are_given(study: Study, index: int, visit: Visit) -> Iterator[Flaw]:  # noqa: ARG001 - one signature for all rules
    """Every visit has a target and widths, its own or REDCap's."""
    at = ("visits", index)
    if visit.target is None and not (visit.windows and all(w.target for w in visit.windows)):
        hint = 'add target = { months = N }, { days = N } or "redcap"'
        yield Flaw((*at, "target"), "is required", hint)
    if not visit.windows and visit.target != "redcap":
        yield Flaw((*at, "windows"), "is required", "add windows = [{ early = N, late = N }]")


def windows_can_be_reached(study: Study, index: int, visit: Visit) -> Iterator[Flaw]:
    """Windows name known arms and sites; one that fits everybody stands last."""
    last = len(visit.windows) - 1
    for number, window in enumerate(visit.windows):
        at = ("visits", index, "windows", number)
        if window.arm is not None and window.arm not in study.arms:
            hint = did_you_mean(window.arm, study.arms)
            yield Flaw((*at, "arm"), f'no arm "{window.arm}" in [arms]', hint)
        if window.site is not None and window.site not in study.sites:
            hint = did_you_mean(window.site, study.sites)
            yield Flaw((*at, "site"), f'no site "{window.site}" in [sites]', hint)
        if number < last and (window.when, window.arm, window.site) == (None, None, None):
            yield Flaw(at, "fits everybody, so those after it are never used", "put it last")


def hard_closes_follow(study: Study, index: int, visit: Visit) -> Iterator[Flaw]:  # noqa: ARG001 - one signature for all rules
    """Hard closes counted from the anchor do not lie before the window's own close."""
    for number, window in enumerate(visit.windows):
        own = window.hard_close is not None
        close = window.hard_close or visit.hard_close
        target = window.target or visit.target
        if isinstance(close, HardClose) and isinstance(target, Offset):
            last_day = close.days is not None or close.months is not None
            if last_day and closes_too_soon(
                target, window, Offset(days=close.days, months=close.months)
            ):
                at: KeyPath = ("visits", index)
                at = (*at, "windows", number, "hard_close") if own else (*at, "hard_close")
                yield Flaw(at, "lies before the close of the window itself")


def visits_follow_each_other(study: Study, index: int, visit: Visit) -> Iterator[Flaw]:
    """Of visits on one anchor, the later is planned later, and not always inside the earlier."""
    for earlier in range(index):
        if known(lambda i=earlier: study.visits[i].anchor) != visit.anchor:  # type: ignore[misc]  # bound early
            continue
        try:
            yield from two_visits(study, earlier, index)
        except NotSalvaged:
            continue


def two_visits(study: Study, earlier: int, later: int) -> Iterator[Flaw]:
    """Compare two visits on one anchor."""
    first, second = study.visits[earlier], study.visits[later]
    name = f'visits[{earlier}] ("{first.id}")'
    if always_before(first, second):
        hint = "list visits in the order in which they are planned"
        yield Flaw(("visits", later, "target"), f"always lies before that of {name}", hint)
    elif always_overlap(first, second):
        hint = "make the windows narrower, or the targets further apart"
        yield Flaw(("visits", later, "windows"), f"always overlaps the window of {name}", hint)


def visit_index(study: Study) -> dict[str, int]:
    """Map each visit's id to its first place in the file."""
    places: dict[str, int] = {}
    for index, visit in enumerate(study.visits if study.visits is not ABSENT else ()):
        name = known(lambda v=visit: v.id)  # type: ignore[misc]  # bound early
        if isinstance(name, str):
            places.setdefault(name, index)
    return places


STUDY_RULES: tuple[Callable[[Study], Iterator[Flaw]], ...] = (
    projects_agree,
    development_is_not_in_production,
    arm_numbers_differ,
    outputs_are_no_inputs,
    cells_are_written_once,
)
VISIT_RULES: tuple[Callable[[Study, int, Visit], Iterator[Flaw]], ...] = (
    visit_ids_differ,
    anchors_exist,
    targets_are_given,
    windows_can_be_reached,
    hard_closes_follow,
    visits_follow_each_other,
)


def broken_rules(study: Study) -> Iterator[Flaw]:
    """Yield the flaws of every rule that can be judged."""
    for rule in STUDY_RULES:
        yield from judged(rule(study))
    visits = study.visits if study.visits is not ABSENT else ()
    for index, visit in enumerate(visits):
        for each in VISIT_RULES:
            yield from judged(each(study, index, visit))
    yield from broken_text_rules(study)
    yield from broken_partner_rules(study)
