"""Every command, JSON and expected output of the documentation is what it says."""

import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import Kind, UnknownBlockError, blocks_of, documents
from tests.docs.checkout import ROOT, Printed, copied
from tests.docs.running import Said, answers, differences

DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text() for path in documents(ROOT)}
RUN = [
    name
    for name, text in DOCUMENTS.items()
    if any(block.kind in (Kind.RUN, Kind.SERVE) for block in blocks_of(text))
]

CANNOT_RUN = {
    ("docs/tutorial.md", ".venv/bin/python -m training simulate"): "a minute of annealing;"
    " tests/training/test_simulate.py makes the same bytes",
    ("docs/how_to/deploy.md", "deploy/make-secrets"): "there is no Docker on the machine that"
    " tests; tests/image checks deploy/compose.yaml and runs what it says",
    ("docs/how_to/deploy.md", "docker build"): "tests/image builds and runs the image",
    ("docs/how_to/deploy.md", "export HSCT2_AUDIT_URL='postgresql:"): "the address is an example;"
    " tests/service/audit runs on a real PostgreSQL",
}
"""Blocks of ``console`` by document and beginning, and why no test runs them."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("checkout"))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_commands_run_and_print_what_the_document_says(
    name: str, checkout: Path, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    shutil.rmtree(checkout / "build", ignore_errors=True)
    shutil.rmtree(checkout / "var", ignore_errors=True)
    wrong = [
        f"{name}:{said.block.begin}: {difference}"
        for said in answers(DOCUMENTS[name], checkout, tmp_path / "served.log")
        for difference in differences(said)
    ]
    assert not wrong, "\n".join(["python -m tests.docs.record rewrites answers", *wrong])


def test_the_tutorial_and_every_how_to_but_none_other_is_run() -> None:
    how_to = [name for name in DOCUMENTS if name.startswith("docs/how_to/")]
    assert {"docs/tutorial.md", *how_to} == set(RUN)


def test_what_no_test_runs_is_listed_with_its_reason() -> None:
    shown = [
        (name, block.text)
        for name, text in DOCUMENTS.items()
        for block in blocks_of(text)
        if block.kind is Kind.SHOWN
    ]
    for name, text in shown:
        assert any(name == of and text.startswith(begin) for of, begin in CANNOT_RUN), text
    for of, begin in CANNOT_RUN:
        assert any(name == of and text.startswith(begin) for name, text in shown), begin


def test_every_answer_follows_a_command() -> None:
    for name, text in DOCUMENTS.items():
        kinds = [block.kind for block in blocks_of(text) if block.kind is not Kind.DIRECTIVE]
        for before, kind in zip([None, *kinds], kinds, strict=False):
            if kind in (Kind.ANSWER, Kind.PART, Kind.LINES):
                assert before is Kind.RUN, name


def test_no_answer_is_empty() -> None:
    for name, text in DOCUMENTS.items():
        assert all(block.text.strip() for block in blocks_of(text)), name


@pytest.mark.parametrize("document", ["```\nls\n```", "```bash\nls\n```", "```json\n{}"])
def test_a_block_that_says_not_what_it_is_is_refused(document: str) -> None:
    with pytest.raises(UnknownBlockError):
        blocks_of(document)


def said(info: str, text: str, printed: str) -> Said:
    [block] = blocks_of(f"```{info}\n{text}\n```")
    return Said(block, Printed(printed, "a message\n"))


@pytest.mark.parametrize(
    ("info", "text", "printed"),
    [
        ("json", '{"a": 1}', '{"a": 2}'),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}'),
        ("json", '{"a": 1, "b": 2}', '{"a": 1}'),
        ("json part", '{"a": 1, "b": 2}', '{"a": 1}'),
        ("json part", '{"a": [1]}', '{"a": [1, 2]}'),
        ("json", '{"a": 1.00000002}', '{"a": 1.0}'),
        ("text", "one\nthree", "one\ntwo\n"),
    ],
)
def test_a_wrong_answer_is_found(info: str, text: str, printed: str) -> None:
    assert differences(said(info, text, printed))


@pytest.mark.parametrize(
    ("info", "text", "printed"),
    [
        ("json", '{"a": 1.0, "created_at": "now"}', '{"created_at": "then", "a": 1.0000000001}'),
        ("json part", '{"a": {"b": 1}}', '{"a": {"b": 1, "c": 2}, "d": 3}'),
        ("text", "two\na message", "one\ntwo\n"),
    ],
)
def test_a_right_answer_is_not_complained_of(info: str, text: str, printed: str) -> None:
    assert not differences(said(info, text, printed))
