from nadir.cli.main import main
from nadir.provenance.atomic import temporary_beside


def test_what_a_killed_writer_left_beside_an_output_is_removed(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "results" / "landcover" / "d"
    folder.mkdir(parents=True)
    out = folder / "leakage.json"
    own, other = temporary_beside(out), temporary_beside(folder / "leakage.json.png")
    for path in (own, other, out):
        path.write_text("half")
    words = ["certify-split", "--split", "absent.parquet", "--tiles", "absent.parquet"]
    assert main([*words, "--out", str(out)]) == 2
    assert "absent.parquet" in capsys.readouterr().err
    assert not own.exists() and other.exists() and out.read_text() == "half"

    # It does not write where another process, the first of its run, does so in its place.
    own.write_text("half")
    monkeypatch.setenv("RANK", "1")
    assert main([*words, "--out", str(out)]) == 2
    assert own.exists()


def test_outside_a_folder_of_results_nothing_is_removed(tmp_path, capsys):
    out = tmp_path / "leakage.json"
    half = temporary_beside(out)
    half.write_text("half")
    words = ["certify-split", "--split", "absent.parquet", "--tiles", "absent.parquet"]
    assert main([*words, "--out", str(out)]) == 2
    assert half.exists()
