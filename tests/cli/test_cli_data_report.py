from midspan.cli.main import run


def test_the_report_of_a_run_is_found(tmp_path, capsys):
    page = tmp_path / "small" / "data" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html>")
    assert run(["data", "report", "small", "--runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    page.unlink()
    assert run(["data", "report", "small", "--runs", str(tmp_path)]) == 2
    assert "has no report" in capsys.readouterr().err
