"""The graph of jobs as Snakemake draws it now: which would run, and because of what.

Snakemake's own interface is asked for a dry run, so the answer is the one that `snakemake -n`
gives. Nothing is run and no lock is taken.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nadir.errors import InputError


@dataclass(frozen=True)
class Cause:
    """One reason for which a job would run.

    Attributes:
        kind: "missing", "incomplete", "input" (newer than the output), "above" (made by a job that
            runs as well), "set" (other inputs than before), "params", "code" (of the rule itself),
            "software", "forced" or "always".
        files: The files that it is about.
        before: Values of parameters that are no longer there.
        now: Values of parameters that are new.
    """

    kind: str
    files: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    now: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A job that would run.

    Attributes:
        number: Its number in this drawing.
        rule: Its rule.
        wildcards: Name -> value.
        outputs: Files that it makes.
        benchmark: File of measurements that it writes, if any.
        threads: Threads that it asks for.
        causes: Why it would run.
        above: Numbers of the jobs that run before it, and whose products it reads.
    """

    number: int
    rule: str
    wildcards: dict[str, str]
    outputs: tuple[str, ...]
    benchmark: str | None
    threads: int
    causes: tuple[Cause, ...]
    above: tuple[int, ...]


@dataclass(frozen=True)
class Drawing:
    """The graph.

    Attributes:
        jobs: Jobs that would run, those that are needed first before those that need them.
        known: How many jobs the graph has in all.
    """

    jobs: tuple[Job, ...]
    known: int


@dataclass(frozen=True)
class Place:
    """Which workflow, where, with which configuration, as Snakemake's options of these names say.

    Attributes:
        snakefile: The Snakefile; None to look for it as Snakemake does.
        directory: The working folder; None for the present one.
        configfiles: Configurations, later ones over earlier ones.
        config: Keys of the configuration, over all files.
    """

    snakefile: Path | None = None
    directory: Path | None = None
    configfiles: Sequence[Path] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def draw(targets: Sequence[str], place: Place, forced: Sequence[str] = ()) -> Drawing:
    """Return the jobs that would run now.

    The working folder of the process is changed while this runs; to be called once a process.

    Args:
        targets: Rules or files; empty for what the Snakefile makes by default.
        place: Which workflow, and where.
        forced: Rules or files that are to be made again, as `--forcerun` says.

    Raises:
        InputError: When there is no Snakefile or no such target, or the configuration is wrong.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    output = OutputSettings(
        dryrun=True,
        quiet={Quietness.ALL},
        enable_file_logging=False,
        log_level_override=logging.CRITICAL,
    )
    said = io.StringIO()
    try:
        with SnakemakeApi(output) as api, contextlib.redirect_stdout(said):
            found = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(
                    config=dict(place.config), configfiles=list(place.configfiles)
                ),
                snakefile=place.snakefile,
                workdir=place.directory,
            )
            graph = found.dag(
                DAGSettings(
                    targets=frozenset(targets),
                    forcerun=frozenset(forced),
                    force_incomplete=True,  # as the default profile does
                )
            )
            graph.execute_workflow(executor="dryrun")
            return _drawing(found._workflow.dag)
    except (WorkflowError, RuleException, OSError, SyntaxError) as error:
        what = " ".join(targets) or str(place.snakefile or "Snakefile")
        problem = f"the graph cannot be drawn: {_words(error)}"
        raise InputError(what, problem, "Mend this, then ask again.") from error


def _words(error: BaseException) -> str:
    """Return what Snakemake says, of the innermost cause that says anything."""
    texts = []
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen).strip().rstrip(".")
        if text:
            texts.append(text)
        seen = seen.__cause__ or seen.__context__
    return texts[0] if texts else type(error).__name__


def _drawing(dag: Any) -> Drawing:
    """Return what Snakemake has drawn."""
    order = [job for level in dag.toposorted() for job in sorted(level, key=_place)]
    # Rules that only gather targets make nothing and cost nothing.
    jobs = [job for job in order if dag.needrun(job) and job.output]
    numbers = {job: number for number, job in enumerate(jobs)}
    return Drawing(tuple(_job(dag, job, numbers) for job in jobs), len(list(dag.jobs)))


def _place(job: Any) -> tuple[str, list[str]]:
    """Return what orders jobs that do not wait for each other."""
    return job.rule.name, list(map(str, job.output))


def _job(dag: Any, job: Any, numbers: Mapping[Any, int]) -> Job:
    """Return one job as it is known outside Snakemake."""
    above = sorted(numbers[other] for other in dag.dependencies[job] if other in numbers)
    benchmark = getattr(job, "benchmark", None)
    return Job(
        numbers[job],
        job.rule.name,
        {name: str(value) for name, value in (job.wildcards_dict or {}).items()},
        tuple(map(str, job.output)),
        str(benchmark) if benchmark else None,
        int(job.threads),
        tuple(_causes(dag.reason(job))),
        tuple(above),
    )


def _causes(reason: Any) -> list[Cause]:
    """Return Snakemake's reasons one by one."""
    found = []
    above = set(map(str, reason.updated_input_run))
    files = {
        "missing": set(map(str, reason.missing_output)),
        "incomplete": set(map(str, reason.incomplete_output)),
        "input": set(map(str, reason.updated_input)) - above,
        "above": above,
    }
    if reason.forced:
        found.append(Cause("forced"))
    found += [Cause(kind, tuple(sorted(names))) for kind, names in files.items() if names]
    if reason.params_changed:
        change = reason.params_changed
        before, now = (tuple(sorted(map(str, part))) for part in (change.only_old, change.only_new))
        found.append(Cause("params", (), before, now))
    for kind, there in (
        ("set", reason.input_changed),
        ("code", reason.code_changed),
        ("software", reason.software_stack_changed),
        ("always", reason.noio or reason.nooutput),
    ):
        if there:
            found.append(Cause(kind))
    return found
