import pytest

from nadir.errors import InputError
from nadir.service.settings import Settings, read_api_key


def test_key_comes_from_the_environment_or_a_file(tmp_path):
    assert read_api_key({}) is None
    assert read_api_key({"NADIR_API_KEY": " some-long-key \n"}) == "some-long-key"
    path = tmp_path / "key"
    path.write_text("another-long-key\n")
    assert read_api_key({"NADIR_API_KEY_FILE": str(path)}) == "another-long-key"


@pytest.mark.parametrize("key", ["", "  ", "short", "with\nbreaks in it", "schlüssel-lang"])
def test_bad_keys_never_leave_a_service_open(key, tmp_path):
    with pytest.raises(InputError):
        read_api_key({"NADIR_API_KEY": key})
    path = tmp_path / "key"
    path.write_text(key, encoding="utf-8")
    with pytest.raises(InputError):
        read_api_key({"NADIR_API_KEY_FILE": str(path)})
    with pytest.raises(InputError, match="cannot be read"):
        read_api_key({"NADIR_API_KEY_FILE": str(tmp_path / "none")})


def test_settings_hide_the_key_and_refuse_nonsense():
    assert "secret" not in repr(Settings(api_key="secret-secret"))
    assert Settings(queue=0).queue == 0
    for wrong in (
        {"workers": 0},
        {"max_bytes": 0},
        {"queue": -1},
        {"max_pixels": 10**9},
        {"seconds": float("nan")},
    ):
        with pytest.raises(InputError):
            Settings(**wrong)
