import pytest

from midspan.data.licence import (
    Licence,
    LicenceFinder,
    header_licence,
    is_permissive,
    join,
    normalise,
    permissive_ids,
)
from midspan.data.sources import list_projects
from midspan.data.sources.project import Declaration, LicenceText, Location, is_licence_file
from midspan.recipe.sources import FolderSource

MIT = """MIT License

Copyright (c) 2020 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


@pytest.mark.parametrize(
    ("expression", "tier", "expected"),
    [
        ("MIT", "lead", True),
        ("MIT", "silver", True),
        ("MIT", "gold", False),
        ("BlueOak-1.0.0", "model", True),
        ("GPL-3.0-only", "lead", False),
        ("MPL-2.0", "lead", False),
        ("MIT OR GPL-2.0-only", "lead", True),
        ("MIT AND GPL-2.0-only", "lead", False),
        ("Apache-2.0 AND (MIT OR GPL-3.0-or-later)", "lead", True),
        ("Apache-2.0 WITH LLVM-exception", "lead", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "lead", False),
        ("", "lead", False),
        ("No Such Licence", "lead", False),
        ("MIT AND", "lead", False),
    ],
)
def test_permissive(expression, tier, expected):
    assert is_permissive(expression, tier) is expected


def test_the_list_is_whole_and_tiers_nest():
    sizes = [len(permissive_ids(tier)) for tier in ("model", "gold", "silver", "bronze", "lead")]
    assert sizes == [1, 2, 32, 152, 224]
    assert permissive_ids("gold") < permissive_ids("lead")


def test_expressions_are_spelled_canonically():
    assert normalise("mit or gpl-2.0+") == "MIT OR GPL-2.0-or-later"
    assert normalise("whatever") == normalise("()") == normalise("( OR . .") == ""
    assert join(["MIT", "Apache-2.0", "mit"]) == "Apache-2.0 AND MIT"
    assert join(["MIT", "whatever"]) == join([]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# SPDX-License-Identifier: Apache-2.0\nimport os\n", "Apache-2.0"),
        ("/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */\nint x;\n", "GPL-2.0-only OR MIT"),
        ("<!-- SPDX-License-Identifier: MIT -->\n", "MIT"),
        ("# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: ISC\n", "ISC AND MIT"),
        ("# SPDX-License-Identifier: Private\n", ""),
        (
            "# This is free software; you can redistribute it and/or modify it\n"
            "# under the terms of the GNU\n# General Public License\n",
            "",
        ),
        ("# Released under the LGPL.\n", ""),
        ("# you may use it under the terms of version 2 of the\n# GNU General Public License\n", ""),
        ("# Licensed under the terms of the GNU GPL v3\n", ""),
        ("# License: GPLv3\n", ""),
        ("/* This Source Code Form is subject to the terms of the\n * Mozilla Public License, v. 2.0. */\n", ""),
        ("// Licensed under the Eclipse Public License 2.0\n", ""),
        ("# PROPRIETARY AND CONFIDENTIAL\n", ""),
    ],
)
def test_header(text, expected):
    found = header_licence(text)
    assert found is not None
    assert found.expression == expected


def test_a_header_that_says_nothing():
    assert header_licence("# Licensed under the Apache License, Version 2.0\nimport os\n") is None
    assert header_licence("x = 1\n" * 2_000 + "# SPDX-License-Identifier: MIT\n") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LICENSE", True),
        ("LICENCE.md", True),
        ("license.txt", True),
        ("COPYING.LESSER", True),
        ("LICENSE-APACHE-2.0.txt", True),
        ("UNLICENSE", True),
        ("license.py", False),
        ("licenses.json", False),
        ("licenses.json.gz", False),
        ("licensing.md", False),
    ],
)
def test_names_of_licence_files(name, expected):
    assert is_licence_file(name) is expected


def test_the_nearest_licence_file_holds(tmp_path):
    project = tmp_path / "thing"
    for path, text in {
        "LICENSE": MIT,
        "a.py": "x",
        "vendor/gpl/COPYING": "GNU GENERAL PUBLIC LICENSE, or so it seems",
        "vendor/gpl/deep/b.py": "x",
        "vendor/c.py": "x",
    }.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    (listed,) = list_projects([FolderSource(kind="folder", path=str(project))])
    found = LicenceFinder().by_directory(listed)
    assert found[""] == found["vendor"] == Licence("MIT", "licence file LICENSE", 0.9881)
    assert found["vendor/gpl/deep"] == Licence("", "licence file vendor/gpl/COPYING", 0.0)


def text_at(path):
    return LicenceText(path.name, Location(str(path)))


def test_a_text_that_is_too_long_to_read_whole_is_unknown(tmp_path):
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "COPYING").write_text(MIT + " " * 500_000 + "GNU GENERAL PUBLIC LICENSE")
    finder = LicenceFinder()
    assert finder.classify(text_at(tmp_path / "LICENSE")) == ("MIT", 0.9881)
    assert finder.classify(text_at(tmp_path / "COPYING")) == ("", 0.0)


def test_declarations_by_strength(tmp_path):
    text = tmp_path / "LICENSE"
    text.write_text(MIT)
    finder = LicenceFinder()
    assert finder.declared(Declaration(expression="mpl-2.0", files=(text_at(text),))).expression == "MPL-2.0"
    assert finder.declared(Declaration(name="BSD", files=(text_at(text),))).expression == "MIT"
    strange = tmp_path / "LICENSES.txt"
    strange.write_text("Parts of this package are under other terms, see their authors.")
    assert finder.declared(Declaration(name="BSD", files=(text_at(text), text_at(strange)))).expression == ""
    assert finder.declared(Declaration(name="New BSD License")).expression == "BSD-3-Clause"
    assert finder.declared(Declaration(name="Apache License, Version 2.0")).expression == "Apache-2.0"
    assert finder.declared(Declaration(classifiers=("License :: OSI Approved :: MIT License",))).expression == "MIT"
    both = ("License :: OSI Approved :: MIT License", "License :: OSI Approved :: GNU General Public License (GPL)")
    assert finder.declared(Declaration(classifiers=both)).expression == ""
    assert finder.declared(Declaration()) == Licence("", "no licence found", 0.0)
