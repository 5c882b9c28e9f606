"""Settings: the order of the layers, and one sentence for what is wrong."""

from __future__ import annotations

import math
import os
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui import config
from damontui.analysis.estimator import PIECES
from damontui.declare import Setting, parse_history, parse_pieces
from damontui.errors import UsageError


def written(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text)
    return str(path)


def test_built_in_settings_are_the_packaged_file() -> None:
    settings = config.settings(environ={})
    assert settings.target == "auto"
    assert settings.enabled is True
    assert settings.read_only is False
    assert settings.speed == 1.0
    assert settings.span_us is None  # four minutes, or a whole record
    assert settings.sample_us is None
    assert settings.keys == {}


def test_every_setting_is_explained_in_the_packaged_file() -> None:
    text = resources.files("damontui").joinpath("defaults.toml").read_text()
    for setting in config.SETTINGS:
        if not setting.file:
            continue
        assert f"\n{setting.name} = " in text or f"\n# {setting.name} = " in text


def test_a_packager_can_switch_it_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = resources.files("damontui").joinpath("defaults.toml").read_text()
    (tmp_path / "defaults.toml").write_text(text.replace("enabled = true", "enabled = false"))
    monkeypatch.setattr(config.resources, "files", lambda _: tmp_path)
    assert config.settings(environ={}).enabled is False
    assert config.settings(environ={"DAMONTUI_ENABLED": "Y"}).enabled is True


def test_command_line_over_environment_over_file_over_built_in(tmp_path: Path) -> None:
    file = written(tmp_path, 'seed = 1\nspeed = 2\n[monitoring]\nsample = "7ms"\nmax_regions = 77\n')
    environ = {"DAMONTUI_SPEED": "3", "DAMONTUI_MAX_REGIONS": "88"}
    settings = config.settings({"max_regions": 99}, environ, file)
    assert (settings.seed, settings.speed, settings.max_regions, settings.sample_us) == (1, 3.0, 99, 7_000)
    assert settings.insisted == ("--max-regions",)
    assert not settings.disabled
    assert config.settings({"enabled": False}, {}).disabled


@pytest.mark.parametrize("text", ["enabled = false", "enabled=false # off\n[screen]\nspan = '1h'\n"])
def test_the_file_can_switch_it_off(tmp_path: Path, text: str) -> None:
    assert config.settings(environ={}, file=written(tmp_path, text)).enabled is False


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("enabled = 1", "enabled: 1 is not true or false"),
        ("enabled = 'yes'", "enabled: 'yes' is not true or false"),
        ("seed = true", "seed: True is not a whole number"),
        ("seed = -1", "seed: '-1' is not a whole number"),
        ("speed = 0", "speed: '0' is not a speed"),
        ("speed = nan", "speed: 'nan' is not a speed"),
        ("sample = '5ms'", "sample: there is no such setting"),
        ("[monitoring]\nsample = true", "monitoring.sample: True is not text"),
        ("[monitoring]\nsample = '5x'", "monitoring.sample: '5x' is not a duration"),
        ("[monitoring]\nseed = 5", "monitoring.seed: there is no such setting; known here: sample"),
        ("[screen]\nmode = 'pink'", "screen.mode: 'pink' is none of: rate, temperature, idle"),
        ("monitoring = 3", "monitoring: there is no such setting"),
        ("[keys]\nquit = 3", "keys.quit: 3 is not text"),
        ("colour = 'red'", "colour: there is no such setting; known here: enabled"),
        ("target = ''", "target: a word is missing"),
        ("enabled", "not TOML"),
        ("enabled = tru\0e", "not TOML"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_name(tmp_path: Path, text: str, part: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(UsageError) as error:
        config.settings(environ={}, file=file)
    assert str(error.value).startswith(file)
    assert part in str(error.value)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(UsageError, match="UTF-8"):
        config.settings(environ={}, file=str(path))
    path.write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(UsageError, match="1 MiB"):
        config.settings(environ={}, file=str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        config.settings(environ={}, file=str(tmp_path))


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("xdg", "home/.config"):
        (tmp_path / name / "damontui").mkdir(parents=True)
        (tmp_path / name / "damontui/config.toml").write_text("")
    home, xdg = str(tmp_path / "home"), str(tmp_path / "xdg")
    at = "damontui/config.toml"
    assert config.find({"HOME": home}) == tmp_path / "home/.config" / at
    assert config.find({"HOME": home, "XDG_CONFIG_HOME": xdg}) == tmp_path / "xdg" / at
    assert config.find({"HOME": str(tmp_path)}) is None
    assert config.find({"HOME": home, "DAMONTUI_CONFIG": "/x"}) == Path("/x")
    assert config.find({}) is None
    # under sudo: root's own file, else the one of the user who called
    import pwd

    caller = pwd.struct_passwd(("me", "x", 1234, 1234, "", home, ""))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {1234: caller}[uid])
    for euid, sudo, found in [(0, "1234", True), (0, "99", False), (0, "x", False), (1000, "1234", False)]:
        monkeypatch.setattr(os, "geteuid", lambda euid=euid: euid)
        path = config.find({"HOME": str(tmp_path), "SUDO_UID": sudo})
        assert path == (tmp_path / "home/.config" / at if found else None)


@pytest.mark.parametrize(
    ("text", "value"), [("Y", True), ("1", True), ("on", True), ("N", False), ("0", False), ("", False), ("no", False)]
)
def test_switches_are_read_as_the_kernel_reads_them(text: str, value: bool) -> None:
    assert config.settings(environ={"DAMONTUI_READ_ONLY": text}).read_only is value


def test_speed_max_is_infinite() -> None:
    assert config.settings(environ={"DAMONTUI_SPEED": "max"}).speed == math.inf


@given(text=st.text(max_size=40), setting=st.sampled_from(config.SETTINGS))
def test_any_text_is_taken_or_refused_in_one_sentence(text: str, setting: Setting) -> None:
    try:
        setting.parse(text, setting.option)
    except UsageError as error:
        assert str(error).startswith(setting.option)  # noqa: PT017 - most texts are refused, some are not


def test_a_duration_without_a_unit_is_seconds_in_every_layer(tmp_path: Path) -> None:
    file = written(tmp_path, "[monitoring]\nsample = 2\naggr = 0.5\n[screen]\nspan = '90'\n")
    settings = config.settings(environ={"DAMONTUI_UPDATE": "5"}, file=file)
    assert [settings.sample_us, settings.aggr_us, settings.span_us, settings.update_us] == [2e6, 5e5, 9e7, 5e6]


def test_keys_are_handed_on(tmp_path: Path) -> None:
    settings = config.settings(environ={}, file=written(tmp_path, '[keys]\nquit = "x,ctrl+x"\n'))
    assert settings.keys == {"quit": "x,ctrl+x"}


def test_the_memory_for_the_past_has_a_unit_and_a_least() -> None:
    assert parse_history("64M", "--history") == 64 << 20
    assert config.settings(environ={"DAMONTUI_HISTORY": "1.5 GiB"}).history == 3 << 29
    for text, sentence in (("64K", "less than 1M"), ("much", "is not a size")):
        with pytest.raises(UsageError, match=f"--history: '{text}'.*{sentence}|--history: '{text}' {sentence}"):
            parse_history(text, "--history")


def test_the_pieces_of_the_estimate_are_bounded(tmp_path: Path) -> None:
    assert config.settings(environ={}).estimate_pieces == PIECES
    assert config.settings(environ={}, file=written(tmp_path, "estimate_pieces = 64")).estimate_pieces == 64
    assert config.settings(environ={"DAMONTUI_ESTIMATE_PIECES": "65536"}).estimate_pieces == 65_536
    for text in ("63", "65537", "0"):
        with pytest.raises(UsageError, match=f"--estimate-pieces: '{text}' is not within 64 … 65536"):
            parse_pieces(text, "--estimate-pieces")


def test_a_callers_file_does_not_say_where_root_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[screen]\nscreenshots = "/etc/cron.d"\nspan = "1m"\n')
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    file.chmod(0o664)  # its group could write it
    for settings in (config.settings(environ={"DAMONTUI_CONFIG": str(file)}), config.settings({}, {}, str(file))):
        assert settings.screenshots is None
        assert settings.span_us == 60_000_000
        assert "does not say where root writes; give it with --screenshots" in settings.left_out[0]
    file.chmod(0o600)
    owned_by_root = os.stat(file).st_uid == 0
    assert (config.settings({}, {}, str(file)).screenshots == "/etc/cron.d") is owned_by_root
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert config.settings({}, {}, str(file)).screenshots == "/etc/cron.d"


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5_000 + "]" * 5_000,
        "seed = " + "9" * 5_000,
        "seed = 0x" + "f" * 6_000,
        "target = 0x" + "f" * 6_000,
        "[keys]\nquit = 0x" + "f" * 6_000,
        "[screen]\nspan = [[[[1]]]]",
    ],
)
def test_what_no_configuration_holds_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.settings({}, {}, str(written(tmp_path, text)))
    assert len(str(caught.value)) < 500


def test_only_a_file_is_a_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="it is a pipe, not a file"):
        config.settings({}, {}, str(tmp_path / "pipe"))
