"""A throw-away SLURM on this machine: own keys, ports and folder, ended by process id.

Nothing outside its folder is written, `/etc` included, so a SLURM that the machine has already is
not touched: the commands are found in a folder of small wrappers that name this cluster's
configuration, which also reaches the `srun` inside a job (executors remove every `SLURM_*`
variable there, `SLURM_CONF` too). No systemd and no cgroups; root, though, as slurmd wants to be.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol", "sacct", "sacctmgr")
_SBIN = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/sbin"))
_TIMEOUT = 30.0


def find(program: str) -> str | None:
    """Return the path of a program of SLURM or munge, or None."""
    return shutil.which(program) or shutil.which(program, path=_SBIN)


def missing() -> list[str]:
    """Return the programs that a SLURM needs and this machine lacks."""
    return [name for name in (*DAEMONS, *CLIENTS, "setpriv") if find(name) is None]


@dataclass(frozen=True)
class Nodes:
    """What nodes there are, all of them on this machine.

    Attributes:
        count: Nodes, named n1, n2, ...
        cpus: CPUs of each; they may be more than there are, since nothing binds to them.
        memory: Megabytes of each.
        gpus: Fake GPUs of each.
    """

    count: int = 1
    cpus: int = 4
    memory: int = 30000
    gpus: int = 2


class Slurm:
    """One cluster; `start` it, and `stop` it whatever happens.

    Args:
        nodes: What it consists of.
    """

    def __init__(self, nodes: Nodes = Nodes()) -> None:
        # Sockets have names of some hundred bytes at most: not in a test's long folder.
        self.folder = Path(tempfile.mkdtemp(prefix="nadir-slurm-"))
        self.folder.chmod(0o755)  # munge wants its socket to be reached by all
        self.nodes = nodes
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Slurm:
        self.start()
        return self

    def __exit__(self, *given: object) -> None:
        self.stop()

    @property
    def conf(self) -> Path:
        """The configuration file."""
        return self.folder / "slurm.conf"

    def environment(self) -> dict[str, str]:
        """Return the environment in which all commands talk to this cluster."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "SLURM_CONF": str(self.conf)}

    def run(self, *words: str) -> str:
        """Run a command of SLURM and return what it says."""
        done = subprocess.run(
            words, env=self.environment(), capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    def jobs(self) -> dict[int, tuple[str, str]]:
        """Return every job that SLURM remembers: id -> (state, comment, which names the rule)."""
        lines = self.run("squeue", "--noheader", "--states=all", "--format=%i|%T|%k").splitlines()
        rows = (line.split("|", 2) for line in lines)
        return {int(number): (state, comment) for number, state, comment in rows}

    def start(self) -> None:
        """Start the daemons and wait until all nodes are idle.

        Raises:
            RuntimeError: When they do not come up, with the ends of their logs.
        """
        for name in ("state", "bin", "log", *(f"spool/{node}" for node in self._names())):
            (self.folder / name).mkdir(parents=True)
        self._write_files()
        try:
            self._start_munge()
            self._spawn("slurmctld", "-D", "-c", "-i", "-f", str(self.conf))
            for node in self._names():
                self._spawn("slurmd", "-D", "-N", node, "-f", str(self.conf))
            self._await(lambda: self._states() == ["idle"] * self.nodes.count)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cancel all jobs, end the daemons, remove the folder."""
        if len(self._daemons) > 1:
            try:
                self.run("scancel", "--signal=KILL", "--full", "--user", _user())
                self.run("scancel", "--user", _user())
                self._await(lambda: not self.run("squeue", "--noheader").strip())
            except (subprocess.SubprocessError, RuntimeError):
                pass  # what is left is ended below
        for process in reversed(self._daemons):
            process.terminate()
        for process in reversed(self._daemons):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._daemons.clear()
        self._end_steps()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self) -> str:
        """Return the ends of the daemons' logs, for a failure's message."""
        files = sorted((self.folder / "log").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text()[-1500:]}" for file in files)

    def _names(self) -> list[str]:
        return [f"n{number + 1}" for number in range(self.nodes.count)]

    def _states(self) -> list[str]:
        return self.run("sinfo", "--noheader", "--Node", "--format=%T").split()

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        named = {
            "key-file": key,
            "socket": self._socket,
            "pid-file": self.folder / "munged.pid",
            "log-file": self.folder / "log" / "munged.log",
            "seed-file": self.folder / "munge.seed",
        }
        options = [f"--{name}={path}" for name, path in named.items()]
        self._spawn("munged", "--foreground", "--force", *options)
        self._await(self._socket.exists)

    @property
    def _socket(self) -> Path:
        return self.folder / "munge.socket"

    def _spawn(self, program: str, *options: str) -> None:
        """Start a daemon that ends with this process, should that be killed."""
        log = self.folder / "log" / f"{program}{len(self._daemons)}.out.log"
        with log.open("wb") as file:
            words = [find("setpriv"), "--pdeathsig", "KILL", find(program), *options]
            self._daemons.append(
                subprocess.Popen(
                    [str(word) for word in words],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=self.environment(),
                    cwd=self.folder,
                    start_new_session=True,
                )
            )

    def _await(self, condition) -> None:
        """Wait for a condition as long as all daemons live."""
        end = time.monotonic() + _TIMEOUT
        while True:
            try:
                if condition():
                    return
            except subprocess.CalledProcessError:
                pass  # the controller does not answer yet
            dead = [process.args for process in self._daemons if process.poll() is not None]
            if dead or time.monotonic() > end:
                raise RuntimeError(f"SLURM does not come up (ended: {dead})\n{self.logs()}")
            time.sleep(0.1)

    def _end_steps(self) -> None:
        """Kill what jobs left: processes that have this cluster's configuration around them."""
        mark = f"SLURM_CONF={self.conf}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            pid = int(path.name)
            try:
                ours = mark in (path / "environ").read_bytes().split(b"\0")
                if ours and pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                continue  # it has ended, or is another user's

    def _write_files(self) -> None:
        ports = _free_ports(1 + self.nodes.count)
        host, user, size = socket.gethostname().split(".")[0], _user(), self.nodes
        gres = f"Gres=gpu:{size.gpus} " if size.gpus else ""
        lines = [
            "ClusterName=nadirtest",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={ports[0]}",
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
            "AuthType=auth/munge",
            "CredType=cred/munge",
            f"AuthInfo=socket={self._socket}",
            f"StateSaveLocation={self.folder / 'state'}",
            f"SlurmdSpoolDir={self.folder / 'spool/%n'}",
            f"SlurmctldPidFile={self.folder / 'slurmctld.pid'}",
            f"SlurmdPidFile={self.folder / 'slurmd-%n.pid'}",
            f"SlurmctldLogFile={self.folder / 'log/slurmctld.log'}",
            f"SlurmdLogFile={self.folder / 'log/slurmd-%n.log'}",
            f"PlugStackConfig={self.folder / 'plugstack.conf'}",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SlurmdParameters=config_overrides",  # a node has what is said here, not what there is
            "JobAcctGatherType=jobacct_gather/none",
            "AccountingStorageType=accounting_storage/none",
            "JobCompType=jobcomp/none",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core_Memory",
            "SchedulerType=sched/backfill",
            "SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0",
            "ReturnToService=2",
            "SlurmdTimeout=60",
            "InactiveLimit=0",
            "KillWait=3",
            "MinJobAge=86400",
            "OverTimeLimit=0",
            *(["GresTypes=gpu"] if size.gpus else []),
        ]
        for name, port in zip(self._names(), ports[1:], strict=True):
            lines.append(
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
                f"CPUs={size.cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={size.cpus} "
                f"ThreadsPerCore=1 RealMemory={size.memory} {gres}State=UNKNOWN"
            )
        names = ",".join(self._names())
        lines.append(f"PartitionName=main Nodes={names} Default=YES MaxTime=2-0 State=UP")
        self.conf.write_text("\n".join(lines) + "\n")
        fakes = [
            f"NodeName={name} Name=gpu File=/dev/{device}"
            for name in self._names()
            for device in ("null", "zero", "full", "random")[: size.gpus]
        ]
        (self.folder / "gres.conf").write_text("".join(f"{line}\n" for line in fakes))
        (self.folder / "plugstack.conf").write_text("")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nConstrainCores=no\n")
        for name in CLIENTS:
            wrapper = self.folder / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {find(name)} "$@"\n')
            wrapper.chmod(0o755)


def _user() -> str:
    """Return whose process this is; variables such as USER may tell of somebody else."""
    return pwd.getpwuid(os.getuid()).pw_name


def _free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
