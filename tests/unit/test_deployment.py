"""What images, compose file and profiles say fits the repository and the tools that read it."""

import argparse
import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
PROFILES = sorted((ROOT / "profiles").glob("*/config.yaml"))
CLOUDS = ("kubernetes", "aws-batch")
# Least and most MB for each number of vCPUs as the plugin for AWS Batch knows them, in whole steps.
STEP = 1024
BATCH_MEMORY = {1: (2048, 8192), 2: (4096, 16384), 4: (8192, 30720)}


def instructions():
    """Return the instructions of the Dockerfile: (stage, word, rest), lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    stage, found = "", []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stage = rest.split(" AS ")[1]
        found.append((stage, word, rest.strip()))
    return found


def entries(name):
    """Return package -> (version, hashes) of a lock."""
    found = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", (REQUIREMENTS / name).read_text()):
        if match := re.match(r"([A-Za-z0-9_.\-]+)==([^\s;]+)", block):
            found[match[1]] = (match[2], frozenset(re.findall(r"sha256:\w+", block)))
    return found


def test_every_source_of_the_image_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*" or "*" in ignored
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    sources = set()
    for _, word, rest in instructions():
        if word in ("COPY", "ADD") and "--from=" not in rest:
            assert word == "COPY"
            sources.update(rest.split()[:-1])
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, f"{source} is kept out by .dockerignore"


def test_locks_of_the_image_are_there_and_installed_by_hash():
    text = " ".join(rest for _, word, rest in instructions() if word == "RUN")
    for name in re.findall(r"requirements/([\w-]+\.lock)", text):
        assert (REQUIREMENTS / name).is_file() or name == "torch-cpu.lock", name
    installs = re.findall(r"pip install [^&;|]+-r [^&;|]+", text)
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command, command


@pytest.mark.parametrize("name", ["runtime.lock", "clusters.lock"])
def test_locks_of_the_image_agree_with_the_lock(name):
    lock, other = entries("requirements.lock"), entries(name)
    assert len(other) > 20
    for package, entry in other.items():
        assert entry[1], f"{package} has no hash"
        assert lock.get(package, entry) == entry, f"{name}: {package}; run `make lock`"


def test_the_image_holds_what_nadir_asks_for_and_no_tools_of_tests():
    found = entries("runtime.lock")
    for line in (REQUIREMENTS / "nadir.in").read_text().splitlines():
        if line and not line.startswith("#"):
            name = re.match(r"[A-Za-z0-9_.\-]+", line)[0].lower()
            assert name in found, line
    assert not {"pytest", "moto", "mypy", "schemathesis"} & set(found)
    clusters = entries("clusters.lock")
    for line in (REQUIREMENTS / "clusters.in").read_text().splitlines():
        assert not line or line.startswith("#") or line in clusters, line


def test_images_do_not_run_as_root():
    last = {}
    for stage, word, rest in instructions():
        if word == "USER":
            last[stage] = rest
    assert last == {"service": "nadir", "workflow": "nadir"}
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        assert "privileged" not in service, name


def test_arguments_of_the_build_are_used_and_images_have_no_host():
    every = instructions()
    text = "\n".join(rest for _, _, rest in every)
    for _, word, rest in every:
        if word == "ARG":
            assert f"${{{rest.split('=')[0]}" in text, f"{rest} is never used"
    names = [rest.split()[0] for _, word, rest in every if word == "FROM"]
    given = [rest.split("=", 1)[1] for _, word, rest in every if word == "ARG" and "=" in rest]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    given += [item["image"] for item in compose["services"].values() if "image" in item]
    given += [yaml.safe_load(path.read_text()).get("container-image", "x") for path in PROFILES]
    for name in [*names, *given]:
        head, slash, _ = name.partition("/")
        assert not (slash and ("." in head or ":" in head)), f"{name} names a registry"


def test_what_compose_serves_is_a_setting_with_a_default():
    from nadir.cli.serve import SERVED

    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service = compose["services"]["service"]
    page = (ROOT / "docs" / "deploy.md").read_text()
    assert "command" not in service
    for variable in SERVED.values():
        default = "-/models/bundle" if variable == "NADIR_BUNDLES" else ":-"
        assert service["environment"][variable] == f"${{{variable}{default}}}"
        assert variable in page
    image = dict(
        rest.split("=")
        for stage, word, rest in instructions()
        if stage == "service" and word == "ENV"
    )
    assert image == {"NADIR_BUNDLES": "/models/bundle"}


def test_what_pods_install_lies_in_the_image():
    """Snakemake runs `pip install` of its storage plugin in each pod; no index may be asked."""
    given = {}
    run = ""
    for stage, word, rest in instructions():
        if stage == "workflow" and word == "ENV":
            given.update(item.split("=", 1) for item in rest.split())
        if stage == "workflow" and word == "RUN":
            run += rest
    assert given["PIP_NO_INDEX"] == given["PIP_NO_DEPS"] == "1"
    assert f"--dest {given['PIP_FIND_LINKS']}" in run
    cut = re.search(r"awk '[^']+'", run)[0]
    lock = subprocess.run(
        f"{cut} {REQUIREMENTS / 'clusters.lock'}", shell=True, capture_output=True, text=True
    ).stdout
    plugin = "snakemake-storage-plugin-s3"
    assert re.findall(r"^[a-z].*?(?===)", lock, re.M) == [plugin]
    assert set(re.findall(r"sha256:\w+", lock)) == entries("clusters.lock")[plugin][1]


def test_commands_of_the_image_are_ones_that_there_are():
    words = {}
    for stage, word, rest in instructions():
        if word in ("ENTRYPOINT", "CMD"):
            words[stage, word] = json.loads(rest)
    serve = words["service", "ENTRYPOINT"]
    assert serve[:4] == ["tini", "--", "nadir", "serve"]
    from nadir.cli import serve as verb

    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    options = parser.parse_args(serve[4:])
    assert (options.host, options.port, str(options.state)) == ("0.0.0.0", 8000, "/state")
    health = next(rest for _, word, rest in instructions() if word == "HEALTHCHECK")
    assert "/readyz" in health and ":8000/" in health
    compile(json.loads(health.split("CMD", 1)[1])[2], "health", "exec")
    run = words["workflow", "CMD"]
    assert (ROOT / run[run.index("--snakefile") + 1].removeprefix("/srv/workflow/")).is_file()


def test_shell_of_the_image_parses():
    for _, word, rest in instructions():
        if word == "RUN":
            done = subprocess.run(["sh", "-n", "-c", rest], capture_output=True, text=True)
            assert done.returncode == 0, f"{rest}\n{done.stderr}"


def test_compose_bounds_what_a_service_may_take():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service = compose["services"]["service"]
    assert {"mem_limit", "cpus", "pids_limit", "read_only", "stop_grace_period"} <= set(service)
    assert service["ports"][0].startswith("127.0.0.1:")
    folders = {entry.rsplit(":/", 1)[1].split(":")[0] for entry in service["volumes"]}
    assert {"models", "state", "cache"} <= folders
    stages = {stage for stage, *_ in instructions()}
    for name, item in compose["services"].items():
        assert item.get("build", {}).get("target", "service") in stages, name
    used = {entry.split(":")[0] for entry in service["volumes"] if entry[0].isalpha()}
    assert used <= set(compose["volumes"])


def test_the_lock_without_gpu(tmp_path):
    torch = tmp_path / "torch-cpu.lock"
    torch.write_text("torch==9.9+cpu \\\n    --hash=sha256:" + "0" * 64 + "\n")
    script = REQUIREMENTS / "without_gpu.py"
    command = [sys.executable, script, REQUIREMENTS / "runtime.lock"]
    done = subprocess.run([*command, torch], capture_output=True, text=True, check=True)
    assert "torch==9.9+cpu" in done.stdout
    names = re.findall(r"^([a-z0-9\-]+)==", done.stdout, re.M)
    assert not [name for name in names if re.match("nvidia|cuda|triton", name)]
    assert "torchmetrics" in names and "numpy" in names
    lacking = subprocess.run([*command, tmp_path / "none"], capture_output=True, text=True)
    assert lacking.returncode and "torch-cpu.lock is missing" in lacking.stderr


@pytest.fixture
def torch_index(tmp_path):
    """Serve an index on loopback that has CPU wheels of the lock's torch, as small as can be."""
    for name in ("torch", "torchvision"):
        folder = tmp_path / "simple" / name
        folder.mkdir(parents=True)
        version = entries("runtime.lock")[name][0]
        links = []
        for build, seed in ((f"{version}+cpu", b"cpu"), ("9.9.9+cpu", b"new")):
            wheel = f"{name}-{build}-py3-none-any.whl"
            with zipfile.ZipFile(folder / wheel, "w") as archive:
                info = f"{name}-{build}.dist-info"
                archive.writestr(
                    f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {build}\n"
                )
                archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
                archive.writestr(f"{name}.txt", seed)
            digest = hashlib.sha256((folder / wheel).read_bytes()).hexdigest()
            links.append(f'<a href="{wheel.replace("+", "%2B")}#sha256={digest}">{wheel}</a>')
        (folder / "index.html").write_text(f"<html><body>{''.join(links)}</body></html>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not shutil.which("uv"), reason="uv makes locks")
def test_the_lock_of_cpu_wheels_is_made_from_an_index(tmp_path, torch_index, monkeypatch):
    monkeypatch.setenv("UV_NO_CACHE", "1")
    out = tmp_path / "torch-cpu.lock"
    command = [sys.executable, REQUIREMENTS / "torch_cpu.py", REQUIREMENTS / "runtime.lock"]
    subprocess.run([*command, torch_index, out], check=True)
    versions = {name: entries("runtime.lock")[name][0] for name in ("torch", "torchvision")}
    for name, version in versions.items():
        assert f"{name}=={version}+cpu" in out.read_text()
    assert out.read_text().count("sha256:") == 2 and "127.0.0.1" not in out.read_text()
    script = [sys.executable, REQUIREMENTS / "without_gpu.py", REQUIREMENTS / "runtime.lock"]
    lock = subprocess.run([*script, out], capture_output=True, text=True, check=True).stdout
    assert f"torch=={versions['torch']}+cpu" in lock and "nvidia" not in lock
    lacking = subprocess.run([*command, "", out], capture_output=True, text=True)
    assert lacking.returncode and "TORCH_INDEX" in lacking.stderr


LIST_OPTIONS = """
import sys
sys.path.extend(sys.argv[1:])
from snakemake.cli import get_argument_parser
for action in get_argument_parser()._actions:
    print(*action.option_strings, sep="\\n")
"""


@pytest.fixture(scope="module")
def options():
    """Return the options of Snakemake and of plugins that lie beside the environment."""
    folders = [str(Path(sys.prefix) / name) for name in ("plugins", "clouds")]
    command = [sys.executable, "-c", LIST_OPTIONS, *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_key_of_a_profile_is_an_option(path, options):
    profile = yaml.safe_load(path.read_text())
    plugins = {"aws-batch": "aws-batch-", "kubernetes": "kubernetes-", "slurm": "slurm-"}
    prefixes = [*plugins.values(), "storage-s3-"]
    for key in profile:
        prefix = next((item for item in prefixes if key.startswith(item)), None)
        if prefix and not any(text.startswith(f"--{prefix}") for text in options):
            continue  # that plugin is not installed here
        assert f"--{key}" in options, f"{path}: {key}"


def test_every_rule_gets_more_at_a_second_attempt_on_slurm():
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    assert profile["retries"] >= 1
    assert profile["default-resources"] == {"runtime": "60 * attempt", "mem_mb": "2000 * attempt"}
    given = profile["set-resources"]
    found = set()
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^(?=rule |checkpoint )", path.read_text(), flags=re.M):
            minutes = re.search(r"^ {8}runtime=(\d+)", block, re.M)
            if minutes:
                rule = re.match(r"\w+ (\w+)", block)[1]
                found.add(rule)
                memory = re.search(r"^ {8}mem_mb=(\d+)", block, re.M)[1]
                more = {"runtime": f"{minutes[1]} * attempt", "mem_mb": f"{memory} * attempt"}
                assert given.get(rule) == more, rule
    assert set(given) == found and len(found) > 100


def asked():
    """Return rule -> (its text on memory or None, whether it takes a GPU)."""
    found = {}
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^(?=rule |checkpoint )", path.read_text(), flags=re.M)[1:]:
            memory = re.search(r"^ {8}mem_mb=(\d+)", block, re.M)
            gpu = bool(re.search(r"^ {8}gpu=", block, re.M))
            found[re.match(r"\w+ (\w+)", block)[1]] = (memory and int(memory[1]), gpu)
    return found


def profile_of(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.mark.parametrize("name", CLOUDS)
def test_one_job_of_all_rules_is_bounded(name):
    profile = profile_of(name)
    # resources of jobs that could run at once add up, unless there is a bound
    bounds = profile["resources"]
    assert bounds["gpu"] == 1 and profile["cores"] >= 2
    assert bounds["mem_mb"] >= max(memory for memory, _ in asked().values() if memory)
    # the file of the configuration has to travel
    file = ROOT / "profiles" / name / profile["configfile"]
    assert file.resolve() == ROOT / "config.yaml"


def test_rules_with_a_gpu_get_one_on_kubernetes():
    # the rules of a group must agree on a resource that is text, those without a GPU too
    profile = profile_of("kubernetes")
    assert profile["default-resources"]["gpu_manufacturer"] == "nvidia"
    assert not any("gpu_manufacturer" in keys for keys in profile.get("set-resources", {}).values())


def test_rules_with_a_gpu_get_one_on_aws_batch():
    profile = profile_of("aws-batch")
    given = {rule for rule, keys in profile["set-resources"].items() if "_gpus" in keys}
    assert given == {rule for rule, (_, gpu) in asked().items() if gpu}
    assert profile["resources"]["_gpus"] == 1


def test_whatever_runs_side_by_side_on_aws_batch_asks_for_what_there_is():
    profile = profile_of("aws-batch")
    most, cores = profile["resources"]["mem_mb"], profile["cores"]
    default = profile["default-resources"]["mem_mb"]
    sizes = {default}
    for rule, (memory, _) in asked().items():
        given = profile["set-resources"].get(rule, {}).get("mem_mb", memory or default)
        least = max(memory or 0, 4096)
        assert least <= given < least + STEP, f"{rule}: mem_mb: {-(-least // STEP) * STEP}"
        sizes.add(given)
    # one job of any size, on one vCPU or two, and any two that fit
    assert cores == 2
    pairs = {(count, size) for size in sizes for count in (1, 2)}
    pairs |= {(2, one + two) for one in sizes for two in sizes if one + two <= most}
    for count, memory in pairs:
        low, high = BATCH_MEMORY[count]
        assert low <= memory <= high and memory % STEP == 0, (count, memory)


def test_pages_name_files_that_are_there():
    for page in ("deploy.md", "clusters.md"):
        text = (ROOT / "docs" / page).read_text()
        for name in re.findall(r"\]\(((?!http)[^)#]+)", text):
            assert (ROOT / "docs" / name).exists(), f"{page}: {name}"
    text = (ROOT / "docs" / "deploy.md").read_text()
    for line in re.findall(r"^nadir [a-z].*", text, re.M):
        verb = line.split()[1].replace("-", "_")
        assert (ROOT / "workflow" / "nadir" / "cli" / f"{verb}.py").is_file(), line
