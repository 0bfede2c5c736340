import pytest

from midspan.data.licence import Licence, LicenceFinder, header_licence, licence_refusal
from midspan.data.licence_text import chosen, classified, identify, named
from midspan.data.sources import list_projects
from midspan.data.sources.project import Declaration, LicenceText, Location, is_licence_file
from midspan.data.spdx import identifiers, is_permissive, join, normalise, permissive_ids
from midspan.recipe.schema import DataConfig
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


BSD = """Redistribution and use in source and binary forms, with or without modification, are permitted provided that
the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions and the
following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the
following disclaimer in the documentation and/or other materials provided with the distribution.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED
WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A
PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY
DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO,
PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR
OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH
DAMAGE.
"""


def test_what_surrounds_a_licence_lowers_the_confidence_unless_it_gives_credit():
    assert identify(MIT + "Copyright (c) 2021 Someone Else\n" * 200).share == identify(MIT).share
    half = identify(MIT + "This project is about many things.\n" * 30)
    assert half.expression == "MIT" and 0.4 < half.share < 0.6
    assert identify("This project is about many things.\n" * 200 + MIT) == ("", 0.0)


def test_several_licences_in_a_text_all_hold_unless_one_may_choose():
    assert identify(MIT + BSD).expression == "BSD-2-Clause AND MIT"
    assert identify("You may use this under either of the following licenses.\n" + MIT + BSD).expression == (
        "BSD-2-Clause OR MIT"
    )
    later = "You can use it under version 2, or (at your option) any later version.\n"
    assert identify(later + MIT + BSD).expression == "BSD-2-Clause AND MIT"


def test_a_text_can_leave_the_choice_among_files_beside_it(tmp_path):
    pointer = "This software is made available under the terms of *either* of LICENSE.BSD or LICENSE.MIT.\n"
    for name, text in {"LICENSE": pointer, "LICENSE.BSD": BSD, "LICENSE.MIT": MIT, "a.py": "x"}.items():
        (tmp_path / name).write_text(text)
    (listed,) = list_projects([FolderSource(kind="folder", path=str(tmp_path))])
    assert LicenceFinder().by_directory(listed)[""].expression == "BSD-2-Clause OR MIT"
    assert chosen("See LICENSE.BSD and LICENSE.MIT.", {"LICENSE.BSD": identify(BSD)}) == ("", 0.0)
    (tmp_path / "LICENSE.BSD").write_text("All rights reserved, or so it seems; ask the author for the terms of use.")
    assert LicenceFinder().by_directory(listed)[""].expression == ""


def test_metadata_says_how_texts_go_together_if_it_names_the_same_licences(tmp_path):
    for name, text in {"LICENSE-BSD": BSD, "LICENSE-MIT": MIT}.items():
        (tmp_path / name).write_text(text)
    texts = (text_at(tmp_path / "LICENSE-BSD"), text_at(tmp_path / "LICENSE-MIT"))
    finder = LicenceFinder()
    assert finder.declared(Declaration(files=texts)).expression == "BSD-2-Clause AND MIT"
    assert finder.declared(Declaration(files=texts, name="MIT OR BSD-2-Clause")).expression == "MIT OR BSD-2-Clause"
    assert finder.declared(Declaration(files=texts, name="MIT OR GPL-2.0-only")).expression == "BSD-2-Clause AND MIT"


def test_names_and_identifiers():
    assert identify("Apache 2.0\n") == named("Apache License, Version 2.0") == ("Apache-2.0", 0.9)
    assert named("BSD") == ("BSD-3-Clause", 0.75) and classified("MIT License") == ("MIT", 0.75)
    assert named("as free as the wind") == classified("OSI Approved") == ("", 0.0)
    assert identifiers("MIT OR (GPL-2.0-only WITH Classpath-exception-2.0)") == {"MIT", "GPL-2.0-only"}
    assert identifiers("whatever") == frozenset()


def test_what_is_refused_and_why():
    def reason(licence, **settings):
        refusal = licence_refusal(licence, DataConfig(**settings))
        return refusal and (refusal.reason, refusal.detail)

    assert reason(Licence("MIT", "SPDX header", 1.0)) is None
    assert reason(Licence("MIT", "SPDX header", 1.0), licence_tier="gold") == ("licence_not_permissive", "SPDX header")
    assert reason(Licence("", "no licence found", 0.0)) == ("licence_unknown", "no licence found")
    half = Licence("MIT", "licence file COPYING", 0.5)
    assert reason(half) == ("licence_uncertain", "licence file COPYING: confidence 0.5 < 0.75")
    assert reason(half, min_licence_confidence=0.5) is None
