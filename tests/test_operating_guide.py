"""The guides say what is so: each setting as it is read, each code that a client may meet, examples that are valid."""

import re
import sys
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate
from prometheus_client.metrics import MetricWrapperBase
from pydantic_core import PydanticUndefined

import graphql_api
from domain.errors import ProblemCode
from graphql_api import limits, metrics, websocket
from graphql_api.messages import MESSAGES
from graphql_api.pagination import DEFAULT_PAGE, LARGEST_PAGE
from infrastructure.db.cipher import token_keys
from infrastructure.settings import PREFIX, BadSettings, Settings, load_settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
OPERATING = (DOCS / "operating.md").read_text(encoding="utf-8")
FRONT_ENDS = (DOCS / "front-ends.md").read_text(encoding="utf-8")
SCHEMA = build_schema(Path(graphql_api.__file__).with_name("schema.graphql").read_text(encoding="utf-8"))


def settings_table() -> str:
    """The table of operating.md as the settings have it."""
    rows = ["| variable | default | what |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        assert field.default is not PydanticUndefined
        default = {None: "", "": "", (): "", True: "`1`", False: "`0`"}.get(field.default, f"`{field.default}`")
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_table_of_settings_is_what_the_service_reads() -> None:
    found = re.search(r"^\| variable \|.*?(?=\n\n)", OPERATING, re.MULTILINE | re.DOTALL)

    assert found is not None
    assert found[0] == settings_table(), "write it anew: python -m tests.test_operating_guide"


def test_the_settings_that_production_demands_are_those_that_the_guide_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = re.search(r"Production also demands (.*?)\. ", OPERATING)
    assert named is not None
    variables = set(re.findall(r"`(SFERUM_\w+)`", named[1]))
    for variable in variables:
        monkeypatch.setenv(variable, "https://a.example")

    token_keys(load_settings(environment="production"))

    for variable in variables:
        with monkeypatch.context() as environment:
            environment.delenv(variable)
            with pytest.raises(BadSettings, match=variable):
                token_keys(load_settings(environment="production"))


def test_every_metric_and_every_event_of_the_logs_is_explained() -> None:
    code = [path for layer in ("graphql_api", "infrastructure") for path in (ROOT / layer).rglob("*.py")]
    sources = [path.read_text(encoding="utf-8") for path in code if "sandbox" not in path.parts]

    events = {
        event
        for source in sources
        for event in re.findall(r'\blog\.(?:info|warning|error|exception)\(\s*"(\w+)"', source)
    }
    measured = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    names = {described.name for metric in measured for described in metric.describe()}

    assert len(events) > 10
    assert len(names) > 3
    assert {name for name in events | names if f"`{name}`" not in OPERATING} == set()


def test_every_code_of_a_refusal_is_explained_with_its_message() -> None:
    explained = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", FRONT_ENDS, re.MULTILINE))

    assert {code.value: MESSAGES[code][1] for code in ProblemCode}.items() <= explained.items()


def test_every_code_of_an_error_is_explained() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(graphql_api.__file__).parent.glob("*.py")]
    used = {code for source in sources for code in re.findall(r'code"?[=:] ?"([A-Z_]+)"', source)}

    assert len(used) >= 8
    assert {code for code in used if not re.search(rf"^\|.*`{code}`.* \|", FRONT_ENDS, re.MULTILINE)} == set()


def test_every_close_code_is_explained() -> None:
    ours = {value for name, value in vars(websocket).items() if name.isupper() and value in range(1000, 5000)}

    assert ours > {4400, 4403}
    assert ours | {1011, 1012} == {int(code) for code in re.findall(r"^\| (\d{4}) \|", FRONT_ENDS, re.MULTILINE)}


def test_the_limits_are_those_that_hold() -> None:
    most = dict(
        re.findall(r"^\| ([\w ]+?)(?: \(.*?\)|:.*?)? \| ([\d,]+)(?: items)?(?:,| \|| \()", FRONT_ENDS, re.MULTILINE)
    )

    stated = {what: int(number.replace(",", "")) for what, number in most.items() if number.strip(",")}

    assert {
        "depth": limits.MOST_DEPTH,
        "aliases and repeated fields": limits.MOST_ALIASES,
        "directives": limits.MOST_DIRECTIVES,
        "fragment spreads": limits.MOST_SPREADS,
        "cost": limits.MOST_COST,
        "page": LARGEST_PAGE,
        "operations at once on a socket": websocket.MOST_SUBSCRIPTIONS,
        "sockets a user": Settings.model_fields["sockets_per_user"].default,
    }.items() <= stated.items()
    assert f"(0 to {LARGEST_PAGE}, else {DEFAULT_PAGE})" in FRONT_ENDS
    assert f"{limits.MOST_TOKENS:,} tokens" in FRONT_ENDS


@pytest.mark.parametrize("text", re.findall(r"```graphql\n(.*?)```", FRONT_ENDS, re.DOTALL))
def test_every_example_is_valid(text: str) -> None:
    assert validate(SCHEMA, parse(text)) == []


@pytest.mark.parametrize("guide", [OPERATING, FRONT_ENDS], ids=["operating", "front-ends"])
def test_no_link_of_a_guide_leads_nowhere(guide: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", guide)

    for link in links:
        path, _, heading = link.partition("#")
        assert not path or (DOCS / path).exists(), link
        assert not heading or f"# {heading}" in guide.lower(), link


if __name__ == "__main__":
    sys.stdout.write(settings_table() + "\n")
