"""The sheet shows what a file begins with as it is."""

from stages.report.contact_sheet import Row, Tile, draw_contact_sheet


def test_bytes_that_are_no_image_are_no_formula_either(tmp_path):
    """What a file begins with is shown, and ``$`` begins a formula where it may."""
    tile = Tile(None, "#!/bin/sh\n$A{$B $^$_", "12 bytes")
    draw_contact_sheet([Row("not an image", [tile], [])], tmp_path / "sheet.png", a_side=3)
    assert (tmp_path / "sheet.png").stat().st_size > 1000
