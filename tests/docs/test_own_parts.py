"""Every listing of docs/own-parts.md runs as it stands, in a folder that holds nothing but what its section writes."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "own-parts.md"
NEEDS = {"SpikingJelly": "spikingjelly", "snnTorch": "snntorch"}


def sections():
    """The page's headings, each with its blocks of code: (language, text)."""
    _, *parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    found = {}
    for part in parts:
        title, _, text = part.partition("\n")
        found[title] = re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return found


SECTIONS = sections()


def test_the_page_names_its_sections():
    linked = re.findall(r"^- \[(.+?)\]\(#(.+?)\)$", PAGE.read_text(), flags=re.MULTILINE)
    assert [title for title, _ in linked] == list(SECTIONS)
    for title, anchor in linked:
        assert anchor == title.lower().replace(" ", "-")


@pytest.mark.slow
@pytest.mark.parametrize("title", SECTIONS)
def test_it_runs(title, tmp_path):
    for word, package in NEEDS.items():
        if word in title and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    blocks = SECTIONS[title]
    assert {language for language, _ in blocks} == {"python", "sh"}
    script = ['spikedistill() { "$PYTHON" -m spikedistill.cli "$@"; }', 'python() { "$PYTHON" "$@"; }']
    for language, text in blocks:
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", text)
            assert name, "a listing's first line names its file"
            (tmp_path / name[1]).write_text(text)
        else:
            script.append(text)
    done = subprocess.run(
        ["sh", "-euc", "\n".join(script)],
        cwd=tmp_path,
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
