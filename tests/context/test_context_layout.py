import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.context.layout import Layout, directory_of, directory_steps

PATHS = st.sets(st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map("/".join)).map(
    lambda paths: sorted(f"{path}.py" for path in paths)
)


@pytest.mark.parametrize(
    ("one", "other", "steps"),
    [("", "", 0), ("", "a", 1), ("a/b", "a", 1), ("a/b", "a/c", 2), ("a/b", "ab/b", 4), ("a/b/c", "", 3)],
)
def test_directory_steps(one: str, other: str, steps: int) -> None:
    assert directory_steps(one, other) == directory_steps(other, one) == steps


@given(PATHS, st.lists(st.sampled_from("abcd"), max_size=4).map("/".join))
def test_outwards_is_the_order_of_steps_then_paths(paths: list[str], directory: str) -> None:
    steps = {path: directory_steps(directory, directory_of(path)) for path in paths}
    found = list(Layout(paths).outwards(directory))
    assert found == [(steps[path], path) for path in sorted(paths, key=lambda path: (steps[path], path))]


def test_only_what_is_taken_is_looked_at() -> None:
    layout = Layout([f"d{number:04}/a.py" for number in range(5000)])
    layout.inside = {key: value for key, value in layout.inside.items() if key == "d0007"}
    assert next(layout.outwards("d0007")) == (0, "d0007/a.py")
