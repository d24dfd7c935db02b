"""What jobs took: Snakemake's files of measurements, whole and damaged."""

from __future__ import annotations

import math

import pytest

from nadir.provenance.benchmarks import read_all, read_taken, usual

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def line(seconds, rss="100.0", cpu="3.0"):
    return f"{seconds}\t0:00:07\t{rss}\t1.0\t1.0\t1.0\t0.5\t2.5\t24.1\t{cpu}\n"


@pytest.fixture
def write(tmp_path):
    def call(name, text):
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return call


def test_a_file(write):
    taken = read_taken(write("train/a.b.tsv", HEAD + line(7.8)), "train", "a.b")
    assert (taken.seconds, taken.memory_mb, taken.cpu_seconds) == (7.8, 100.0, 3.0)
    assert (taken.read_mb, taken.written_mb) == (0.5, 2.5)


def test_repetitions_are_averaged(write):
    path = write("train/a.tsv", HEAD + line(1) + line(3, rss="NA") + line(5, rss="300"))
    taken = read_taken(path, "train", "a")
    assert (taken.seconds, taken.memory_mb) == (3.0, 200.0)


def test_what_snakemake_could_not_tell(write):
    taken = read_taken(write("a/b.tsv", HEAD + line(0.2, "NA", "-")), "a", "b")
    assert taken.seconds == 0.2
    assert math.isnan(taken.memory_mb)
    assert math.isnan(taken.cpu_seconds)


@pytest.mark.parametrize(
    "text", ["", HEAD, "x\ty\n1\t2\n", HEAD + "\n", HEAD + line("no"), HEAD + line("-1"), "\0" * 99]
)
def test_what_is_no_file_of_measurements(text, write):
    assert read_taken(write("a/b.tsv", text), "a", "b") is None


def test_no_text_and_no_file(write, tmp_path):
    path = write("a/b.tsv", "")
    path.write_bytes(b"\xff\xfe\x00")
    assert read_taken(path, "a", "b") is None
    assert read_taken(tmp_path / "none", "a", "b") is None


def test_all_of_a_folder(write, tmp_path):
    write("train/a b.Карта.tsv", HEAD + line(1))
    write("train/deep/c.tsv", HEAD + line(2))
    write("plot/x.tsv", HEAD + line(3))
    write("plot/notes.txt", "x")
    (tmp_path / "benchmarks/plot/link.tsv").symlink_to(tmp_path / "benchmarks/plot/x.tsv")
    (tmp_path / "benchmarks/loop").symlink_to(tmp_path)
    found = [(one.rule, one.job) for one in read_all(tmp_path)]
    assert found == [("plot", "x"), ("train", "a b.Карта"), ("train", "deep/c")]
    assert read_all(tmp_path / "none") == []


def test_what_is_usual_is_the_median(write, tmp_path):
    for name, seconds, rss in (("a", 1, "10"), ("b", 9, "NA"), ("c", 2, "30")):
        write(f"train/{name}.tsv", HEAD + line(seconds, rss))
    found = usual(read_all(tmp_path))["train"]
    assert (found.seconds, found.memory_mb) == (2.0, 20.0)
