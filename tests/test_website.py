"""What the site's references are made of: configs with their comments, and links that hold in another place."""

from dataclasses import astuple

import pytest
from website import links, settings, yaml_comments

FILE = """\
# python train.py \\
#   model=mine
# A net of mine.
defaults: [mlp]
name: mine
_target_: mine.Net
# How many
# units.
width: 128 # at least 1
text: "a # b"
pair: {first: 1, second: [2, 3]} # both
part:
  _target_: mine.Part
  size: 3
"""


@pytest.fixture
def config(tmp_path):
    def written(text, group="model"):
        folder = tmp_path / group
        folder.mkdir()
        (folder / "mine.yaml").write_text(text)
        return yaml_comments.read(folder / "mine.yaml")

    return written


def test_a_config_is_read_with_its_comments(config):
    found = config(FILE)
    assert (found.about, found.commands) == ("A net of mine.", "python train.py \\\nmodel=mine")
    assert (found.target, found.defaults) == ("mine.Net", ("mlp",))
    assert [astuple(each)[:3] for each in found.settings] == [
        ("width", "128", "How many units. at least 1"),
        ("text", '"a # b"', ""),
        ("pair", "", "both"),
        ("pair.first", "1", ""),
        ("pair.second", "[2, 3]", ""),
        ("part", "{_target_: mine.Part, size: 3}", ""),
    ]


def test_recipes_by_name_are_opened_and_say_what_takes_their_settings(config):
    recipe, every = config("mine: {_target_: mine.Watch, every: 3}\n", "callbacks").settings
    assert astuple(recipe) == ("mine", "{_target_: mine.Watch}", "", "")
    assert astuple(every) == ("mine.every", "3", "", "mine.Watch")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (yaml_comments.Setting("data.val_fraction"), "a number at least 0 and below 1"),
        (yaml_comments.Setting("trainer.deterministic"), "one of true, false, warn"),
        (yaml_comments.Setting("model.channels", target="encore.models.cnn.CNN"), "a list"),
        (yaml_comments.Setting("model.unknown", target="encore.models.cnn.CNN"), ""),
    ],
)
def test_a_setting_says_what_values_it_takes(setting, says):
    assert settings.type_of(setting, setting.path.rpartition(".")[2]) == says


def test_nothing_in_a_comment_is_markup_but_code():
    assert settings.escaped("a_b [c] `d_e` <f> {g} *") == r"a\_b \[c] `d_e` &lt;f> \{g} \*"


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        ("README.md", "[a](docs/data.md#splits)", "[a](data.md#splits)"),
        ("README.md", "![a](docs/images/curves.png)", "![a](images/curves.png)"),
        ("README.md", "[a](docs/notebooks/first_look.ipynb)", "[a](notebooks/first_look.md)"),
        ("README.md", "[a](LICENSE)", "[a](source/LICENSE.md)"),
        ("docs/extend.md", "[a](../src/course/README.md)", "[a](source/src/course/README.md)"),
        ("docs/gallery.md", "[a](gallery/gan/src/study/gan.py)", "[a](source/docs/gallery/gan/src/study/gan.py.md)"),
        ("src/course/README.md", "[a](../../docs/course.md)", "[a](../../../course.md)"),
        ("README.md", "[a](https://x.org/docs/a.md)", "[a](https://x.org/docs/a.md)"),
        ("README.md", "`[a](docs/data.md)`", "`[a](docs/data.md)`"),
        ("README.md", "```\n[a](docs/data.md)\n```", "```\n[a](docs/data.md)\n```"),
        ("README.md", "[`a`](docs/data.md)", "[`a`](data.md)"),
    ],
)
def test_links_between_files_become_links_between_pages(page, before, after):
    assert links.rewritten(before, page) == after
