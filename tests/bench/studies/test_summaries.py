"""Long pages open with a summary and a figure, and the figure is of the page's own tables."""

import re
from pathlib import Path

import pytest

from splitopt.bench.studies.summaries.study import FIGURES, main, tables
from splitopt.instances.core.errors import InputError

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    "name", ["baselines", "campaign", "claims", "epochs", "jqodi", "learner", "strength"]
)
def test_a_long_page_opens_with_at_most_120_words_and_a_figure(name):
    title, short, figure = (DOCS / f"{name}.md").read_text().split("\n\n")[:3]
    assert title.startswith("# ")
    assert short.startswith("**In short.** ")
    assert len(short.split()) <= 120
    path = re.fullmatch(r"!\[.{20,}\]\((figures/\S+\.svg)\)", figure)[1]
    assert (DOCS / path).is_file()


def test_the_committed_figures_are_of_the_pages(tmp_path):
    assert main(["--out", str(tmp_path)]) == 0
    texts = re.compile(r"<text[^>]*>([^<]*)</text>")
    for name in FIGURES:
        drawn, kept = (
            texts.findall((folder / f"short-{name}.svg").read_text())
            for folder in (tmp_path, DOCS / "figures")
        )
        assert drawn == kept, f"python -m splitopt.bench.studies summaries: {name} is old"
    campaign = (tmp_path / "short-campaign.svg").read_text()
    assert "116 of 116" in campaign  # jqodi-exact, by the table
    assert "86 of 86" in campaign  # lagrangian


def test_a_table_is_found_by_its_columns_and_reads_as_it_is_written(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "| a | b | b |\n|---|---|---|\n| `x` | 1 | 2 |\n|  | 3 | 4 |\n\n| c |\n|---|\n| d |\n"
    )
    # The first of two columns called b counts; an empty first cell means the one above.
    assert tables(page, "a", "b") == [[{"a": "x", "b": "1"}, {"a": "x", "b": "3"}]]
    with pytest.raises(InputError, match="no such table"):
        tables(page, "e")
