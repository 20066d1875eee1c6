"""``redcap-jobs sandbox``: a REDCap of one's own, on this machine."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click
from click.core import ParameterSource

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import Instant

BEHAVIOURS = ("strict_arrays", "refusals_name_event", "delete_logging")
"""Named here as well, so that --help needs no web server; a test compares them."""


@click.command("sandbox", epilog=EXIT_CODES)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8021,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--study",
    type=click.Choice(["ismile", "none"]),
    default="ismile",
    show_default=True,
    help="The bundled study to serve, in a production and a development copy.",
)
@click.option(
    "--participants",
    type=click.IntRange(1, 100_000),
    default=850,
    show_default=True,
    help="How many made-up participants the bundled study has.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which made-up participants.")
@click.option(
    "--project",
    "files",
    multiple=True,
    metavar="FILE.xml",
    type=click.Path(path_type=Path),
    help="A project exported from REDCap as XML (CDISC ODM); may be given several times.",
)
@click.option(
    "--data",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything in DIR (made if lacking, mode 700) and serve it again after a restart.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=RATE",
    help="Strike this share of the calls (0.1 or 10%), see above. May be given several times.",
)
@click.option(
    "--behaviour",
    "behaviours",
    multiple=True,
    metavar="NAME",
    help=f"Answer as some servers do: {', '.join(BEHAVIOURS)}. May be given several times.",
)
@click.option(
    "--super-token-env",
    metavar="NAME",
    help="NAME of the variable with a super token (64 characters), which may create projects.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="What survey links begin with, instead of http://127.0.0.1:PORT: the address under which a "
    "proxy or tunnel of yours leads here. The server itself listens on 127.0.0.1 all the same.",
)
@click.option(
    "--now",
    type=Instant(),
    help="Stop the server's clock at this instant, e.g. 2026-11-22T12:00:00-05:00.",
)
@click.option(
    "--write-env",
    "env_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write tokens and the credentials of both accounts into this file (mode 600) instead of "
    "printing them.",
)
@click.pass_context
def command(
    context: click.Context,
    port: int,
    study: str,
    participants: int,
    seed: int,
    files: tuple[Path, ...],
    folder: Path | None,
    faults: tuple[str, ...],
    behaviours: tuple[str, ...],
    super_token_env: str | None,
    public_url: str | None,
    now: datetime | None,
    env_file: Path | None,
) -> None:
    """Serve a local REDCap of made-up participants, a Twilio account and a texting partner.

    Answers like REDCap 14.9 on http://127.0.0.1:PORT/api/, like Twilio and like the partner on
    http://127.0.0.1:PORT, to this machine only. Without --data everything lives in memory and is
    gone when it stops; texts always are.

    With --data, the folder's content wins: the bundled study is added by default to an empty folder
    only, a --project that was loaded from the same file (by its content or its path) is served as
    it was left, and what is not loaded again is said. Tokens and credentials stay the same; faults
    and texts are not kept. An answered import or enrolment survives even kill -9. Remove the folder
    to begin anew.

    \b
    Faults, as NAME=RATE[,after][,seconds=S][,content=C][,action=A]:
      login-page, html-200       a web page with status 200 instead of the answer
      empty-200, empty-500, 504  no answer; a gateway's time-out
      memory-200, memory-500     out of memory, with either status
      cut-json, cut-connection   half of the answer; with its full length announced
      missing-rows               one row of each ten of a table is left out
      slow                       the answer comes S seconds late (1)
      ban                        ban=N: more than N requests within a minute and the
                                 address gets a ban page for good
    ",after" lets a call take effect before its answer is lost.

    \b
    Faults of Twilio, as NAME=RATE[,seconds=S][,action=A]:
      twilio-drop, twilio-5xx-after, twilio-cut-json, twilio-timeout
                                 the text is accepted; its answer is lost, 500, half,
                                 or comes S seconds late
      twilio-refuse-drop, twilio-503, twilio-429
                                 no answer, 503, 429; the text is not accepted
      twilio-list-lag            lists lack texts younger than S seconds
      twilio-out-of-order        lists show half of the texts at an earlier status
    They strike texts being sent; action=list, fetch, update, delete, account, numbers,
    service or all says otherwise.

    \b
    Faults of the partner, as NAME=RATE[,seconds=S][,action=A]:
      partner-drop, partner-5xx-after, partner-cut-json, partner-html, partner-timeout
                                 takes effect; its answer is lost, 500, half, a web
                                 page, or comes S seconds late
      partner-late               no answer, and it takes effect S seconds later
      partner-refuse-drop, partner-503, partner-429
                                 no answer, 503, 429 (Retry-After: S); nothing happens
      partner-double             an enrolment makes two members
      partner-empty-list, partner-shift
                                 a list is empty; moves under the reader of its pages
    They strike enrolments; action=update, arm, fetch, list or all says otherwise.

    All of them can be switched while it runs, on /sandbox/faults; /sandbox/bans lifts bans,
    /sandbox/behaviour turns the switches of --behaviour, /sandbox/projects/PID/locks locks forms,
    /sandbox/projects/PID/users hands out tokens, /sandbox/twilio/phones says what becomes of texts
    to a phone, /sandbox/twilio/inbound lets phones reply, /sandbox/partner/clock lets months go by
    for the partner's members, /sandbox/partner/plant spoils some. GET /sandbox/ lists them all.

    \b
    Ends with 0 when it is told to stop (Ctrl-C, SIGTERM), 2 when a --project does not
    exist, 3 when what a --project or --data holds cannot be used, 75 when another
    sandbox keeps its data in --data.

    \b
    Examples:
      redcap-jobs sandbox --write-env .env
      redcap-jobs sandbox --study none --project MyProject.REDCap.xml --data ~/sandbox
      redcap-jobs sandbox --fault 504=0.1 --fault login-page=5% --fault ban=600
      redcap-jobs sandbox --fault 504=20%,after,content=record,action=import
      redcap-jobs sandbox --fault twilio-drop=5% --fault twilio-list-lag=1,seconds=600
      curl -X POST http://127.0.0.1:8021/sandbox/faults \\
           -H 'Content-Type: application/json' -d '{"name": "504", "times": 3}'
      curl -X DELETE http://127.0.0.1:8021/sandbox/faults
      curl -X DELETE http://127.0.0.1:8021/sandbox/bans
    """  # noqa: D301 - click reads the backspace
    import sys

    from redcap_jobs.errors import SetupError
    from redcap_jobs.render import console_for

    try:
        from redcap_jobs.sandbox import serve
        from redcap_jobs.sandbox.asked_projects import Asked, add_projects, projects_to_serve
        from redcap_jobs.sandbox.behaviour import behaviour_of
        from redcap_jobs.sandbox.env_file import write_env_file
        from redcap_jobs.sandbox.fault_options import fault_of
        from redcap_jobs.sandbox.keep import Keeper
        from redcap_jobs.sandbox.partner_account import made_up_partner
        from redcap_jobs.sandbox.partner_keep import kept_partner
        from redcap_jobs.sandbox.partner_members_kept import MembersFile
        from redcap_jobs.sandbox.server import Sandbox
        from redcap_jobs.sandbox.twilio_account import made_up_account
        from redcap_jobs.sandbox.twilio_keep import kept_account
    except ModuleNotFoundError as error:
        raise SetupError(
            f"the sandbox needs its extra ({error.name} is missing); "
            "type: pip install 'redcap-jobs[sandbox]'"
        ) from error

    rules = [fault_of(text) for text in faults]
    behaviour = behaviour_of(behaviours)
    token = serve.super_token(super_token_env)
    named = context.get_parameter_source("study") is ParameterSource.COMMANDLINE
    asked = Asked(study == "ismile", named, participants, seed, files, now)
    serve.collect_rarely()
    with ExitStack() as stack:
        keeper = None if folder is None else stack.enter_context(Keeper(folder))
        notices = add_projects(asked, keeper) if keeper else []
        projects = keeper.projects if keeper else projects_to_serve(asked)
        if not projects and not token:
            raise click.UsageError("nothing to serve; name a --project, or leave out --study none")
        serve.loaded()
        sandbox = Sandbox(
            projects,
            port=port,
            now=now,
            behaviour=behaviour,
            super_token=token,
            public_url=public_url or "",
            created=keeper.created if keeper else None,
            twilio=made_up_account() if folder is None else kept_account(folder),
            partner=made_up_partner(lives=True, seed=seed)
            if folder is None
            else kept_partner(folder, lives=True, seed=seed),
            members=None if folder is None else MembersFile(folder),
        )
        for rule in rules:
            sandbox.api.faults.switch_on(rule)
        told = stack.enter_context(serve.until_told_to_stop())
        stack.enter_context(sandbox)
        if env_file is not None:
            write_env_file(env_file, sandbox.variables)
        serve.show_sandbox(
            sandbox,
            console_for(terminal=sys.stdout.isatty()),
            env_file=env_file,
            folder=folder,
            notices=notices,
        )
        told.wait()
