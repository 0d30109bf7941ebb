import io
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine import flags
from vitrine.errors import BadInput, BadSettings, GateFailed, Unavailable
from vitrine.settings import Settings

SECRET = "geheim-4711"
VALUES = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def load(*arguments: str) -> Settings:
    return flags.load(arguments, program="reindex.py", story="Reindex: a catalogue in.")


def refusal(*arguments: str) -> str:
    with pytest.raises(BadSettings) as refused:
        load(*arguments)
    return str(refused.value)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write the settings file that VITRINE_CONFIG names."""
    monkeypatch.setenv("VITRINE_CONFIG", str(tmp_path / "shop.toml"))

    def write(text: str) -> Path:
        (tmp_path / "shop.toml").write_text(text)
        return tmp_path / "shop.toml"

    return write


def test_without_anything_the_defaults_hold() -> None:
    assert load() == Settings()


def test_the_environment_wins_over_the_file_and_flags_win_over_both(
    file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file('work = "f"\nrun = "f"\nreport = "f"\n[milvus]\nuri = "f"\nalias = "f"\n[spark]\nmaster = "f"\nname = "f"\n')
    monkeypatch.setenv("VITRINE_RUN", "e")
    monkeypatch.setenv("VITRINE_REPORT", "e")
    monkeypatch.setenv("VITRINE_MILVUS__URI", "e")
    given = load("--report=x", "--milvus.keep=3", "--spark.master=x")
    assert (given.work, given.run, given.report) == ("f", "e", "x")
    assert (given.milvus.alias, given.milvus.uri, given.milvus.keep) == ("f", "e", 3)
    assert given.spark == {"master": "x", "name": "f"}


def test_the_file_can_be_named_by_a_flag(tmp_path: Path, file: Callable[[str], Path]) -> None:
    file('work = "other"\n')
    (tmp_path / "mine.toml").write_text('work = "mine"\n')
    assert load("--config", str(tmp_path / "mine.toml")).work == "mine"
    assert load(f"--config={tmp_path / 'mine.toml'}").work == "mine"


@pytest.mark.parametrize("variable", ["VITRINE_WROK", "VITRINE_MILVUS__URII", "vitrine_wrok", "VITRINE_MILVUS_URI"])
def test_an_unknown_variable_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, SECRET)
    said = refusal()
    assert variable in said
    assert SECRET not in said


@pytest.mark.parametrize("text", ["wrok = 1", "[milvus]\nwrok = 1", "[wrok]\na = 1"])
def test_an_unknown_key_of_the_file_is_an_error_that_names_it(file: Callable[[str], Path], text: str) -> None:
    file(text)
    assert "wrok" in refusal()


@pytest.mark.parametrize("flag", ["--wrok=a", "--milvus.wrok", "--milvus=a", "--milvus.ur=a", "--wrok.x=a", "--=a"])
def test_an_unknown_flag_is_an_error_that_names_it_without_its_value(flag: str) -> None:
    name = flag.removeprefix("--").partition("=")[0]
    assert refusal(flag).startswith(f"unknown setting {name}")
    assert SECRET not in refusal("--milvus.tokn", SECRET)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stray"], "stray"),
        (["--work"], "--work takes one value, none"),
        (["--work", "a", "b"], "--work takes one value, 2"),
        (["--config"], "--config takes one value"),
        (["--spark.master"], "--spark.master takes one value"),
        (["--spark={}"], "--spark.KEY=VALUE"),
        (["--catalog"], "--catalog"),
        (["--config", "/nowhere.toml"], "no settings file /nowhere.toml"),
        (["--config", "/"], "settings file / cannot be read"),
        (["--model.image_size", "big"], "--model.image_size: "),
        (["--model.image_size", "8"], "greater than or equal to 32"),
        (["--max-reject-ratio=1.5"], "--max_reject_ratio: "),
        (["--gates.skip", "count", "luck"], "'canaries'"),
        (["--milvus.index_params.M=x"], "--milvus.index_params.M: "),
    ],
)
def test_a_wrong_command_line_is_told_in_words(arguments: list[str], said: str) -> None:
    assert said in refusal(*arguments)


@pytest.mark.parametrize("flag", ["--max-reject-ratio", "--max_reject_ratio", "--max-reject_ratio"])
def test_hyphens_may_stand_for_underscores(flag: str) -> None:
    assert load(f"{flag}=0.25").max_reject_ratio == 0.25
    assert load(flag, "0.25").max_reject_ratio == 0.25


def test_a_spark_property_is_taken_as_it_is_written() -> None:
    given = load("--spark.any.key-Name=a,b=c", "--spark.driver.extraJavaOptions=-Dx=1 --add-opens=y", "--spark.ui", "")
    assert given.spark == {"any.key-Name": "a,b=c", "driver.extraJavaOptions": "-Dx=1 --add-opens=y", "ui": ""}


def test_parameters_of_the_index_are_set_one_by_one() -> None:
    assert load("--milvus.index-params.M=8").milvus.index_params == {"M": 8}


@pytest.mark.parametrize("arguments", [["--catalog", "a", "b"], ["--catalog=a", "b"], ["--catalog=a", "--catalog=b"]])
def test_a_list_takes_several_values_and_the_flag_again(arguments: list[str]) -> None:
    assert load(*arguments, "--work=w") == Settings(catalog=["a", "b"], work="w")


def test_of_two_equal_flags_the_last_counts() -> None:
    assert load("--work=a", "--work", "b").work == "b"


@given(paths=st.lists(VALUES.filter(lambda path: not path.startswith("--") and path != "-h"), min_size=1), uri=VALUES)
def test_values_arrive_unchanged_whatever_they_hold(paths: list[str], uri: str) -> None:
    given_settings = load("--catalog", *paths, f"--features.uri={uri}")
    assert given_settings.catalog == paths
    assert given_settings.features.uri == uri


def names(*left_out: str) -> list[str]:
    return [name for name, _ in flags.walk(Settings) if name.partition(".")[0] not in left_out]


@pytest.mark.parametrize("home", flags.HOMES)
def test_help_explains_every_setting_of_the_program_and_ends_well(
    capsys: pytest.CaptureFixture[str], home: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        flags.load(["--milvus.uri=x", "--help"], program="job.py", story="A story.", home=home)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "A story." in shown
    words = " ".join(shown.split())
    descriptions = {name: " ".join(str(field.description).split()) for name, field in flags.walk(Settings)}
    for name in names(*(set(flags.HOMES) - {"", *flags.HOMES[home]})):
        flag = flags.short(name, home)
        assert descriptions[name] in words
        assert f"--{flag}" in shown or name == "milvus.token"
    assert "--milvus.token=" not in shown
    assert max(map(len, shown.splitlines())) <= 110


def test_a_program_leaves_the_name_of_its_own_branch_out() -> None:
    def given(home: str, *arguments: str) -> Settings:
        return flags.load(arguments, program="job.py", story="", home=home)

    assert given("recommend", "--columns.session=invoice", "--types.buy", "2").recommend.types == {"buy": 2.0}
    assert given("recommend", "--columns.user=customer").recommend.columns.user == "customer"
    assert given("", "--columns.product-id=sku").columns.product_id == "sku"
    both = given("evaluate", "--measure", "llr", "--recommend.measure=jaccard", "--top=7")
    assert (both.evaluate.measure, both.recommend.measure, both.recommend.top) == (["llr"], ["jaccard"], 7)
    with pytest.raises(BadSettings, match=r"^--top: Input should be greater"):
        given("recommend", "--top=0")


def test_a_switch_needs_no_value() -> None:
    def tune(*arguments: str) -> bool:
        return flags.load(arguments, program="job.py", story="", home="evaluate").evaluate.tune

    assert (tune("--tune"), tune("--tune=true"), tune("--tune", "--seed=1"), tune("--tune=false"), tune()) == (
        *(True, True, True),
        *(False, False),
    )


def test_help_and_table_do_not_show_the_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VITRINE_MILVUS__TOKEN", SECRET)
    with pytest.raises(SystemExit):
        load("-h")
    assert SECRET not in capsys.readouterr().out + flags.settings_table()
    assert load().milvus.secret() == SECRET


def test_a_token_is_no_flag() -> None:
    said = refusal(f"--milvus.token={SECRET}")
    assert "VITRINE_MILVUS__TOKEN" in said
    assert SECRET not in said + refusal("--milvus.token", SECRET)


@pytest.mark.parametrize(
    "text", [f'{{"token": ["{SECRET}"]}}', f'{{"token": "{SECRET}"', f'{{"tokn": "{SECRET}"}}', f'["{SECRET}"]', SECRET]
)
def test_a_wrong_token_is_not_repeated_in_errors_and_tracebacks(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("VITRINE_MILVUS", text)
    with pytest.raises(BadSettings) as refused:
        load()
    assert "milvus" in str(refused.value)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_list_in_the_environment_is_json_and_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_CATALOG", '["a", "b,c"]')
    assert load().catalog == ["a", "b,c"]
    monkeypatch.setenv("VITRINE_CATALOG", "a")
    assert re.search("catalog.*JSON", refusal())


@pytest.mark.parametrize("text", ["[milvus\n", "work = 'a'\nwork = 'b'\n", "\0"])
def test_a_file_that_is_no_toml_is_named(file: Callable[[str], Path], text: str) -> None:
    assert str(file(text)) in refusal()


def test_the_table_has_a_row_for_every_setting() -> None:
    rows: list[str] = []
    for branch in flags.HOMES:
        head, line, *table = flags.settings_table(branch).splitlines()
        rows += table
    assert sorted(row.split("`")[1] for row in rows) == sorted(names())
    assert {row.count("|") for row in (head, line, *rows)} == {4}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadSettings("no\nsuch thing"), 2),
        (BadInput("no\nsuch thing"), 1),
        (GateFailed("count", "no\nsuch thing"), 1),
        (Unavailable("no\nsuch thing"), 1),
        (OSError(28, "no such thing as space", "rows.parquet"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_of_ours_ends_in_one_line_and_its_exit_code(error: BaseException, code: int) -> None:
    def program() -> None:
        raise error

    with redirect_stderr(io.StringIO()) as shown:
        assert flags.exit_code(program) == code
    assert re.fullmatch(r"vitrine: .+\n", shown.getvalue())
    assert "no such thing" in shown.getvalue() or code == 130


def test_a_program_that_ends_well_says_nothing_and_gives_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert flags.exit_code(lambda: sys.stdout.write("done\n")) == 0
    assert capsys.readouterr().err == ""


def test_an_error_that_is_not_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        flags.exit_code(lambda: 1 // 0)
