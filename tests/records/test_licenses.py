"""Licenses are told apart however they are written, and never taken for freer ones."""

import pytest

from stages.config.schema import License
from stages.records.licenses import CODES, license_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cc-by-nc", "cc-by-nc"),
        ("CC BY-NC 4.0", "cc-by-nc"),
        ("CC_BY_NC_ND_4_0", "cc-by-nc-nd"),
        ("cc by nc sa 3.0 de", "cc-by-nc-sa"),
        ("http://creativecommons.org/licenses/by-sa/4.0/legalcode", "cc-by-sa"),
        ("Creative Commons Attribution-NonCommercial 4.0", "cc-by-nc"),
        ("(c) someone, some rights reserved (CC BY)", "cc-by"),
        ("CC0 1.0", "cc0"),
        ("CC0_1_0", "cc0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("Public Domain Mark 1.0", "pd"),
        ("pd", "pd"),
        ("Creative Commons Attribution-Share Alike 3.0 Unported", "cc-by-sa"),
        ("Attribution Share Alike", "cc-by-sa"),
        ("Attribution, NonCommercial", "cc-by-nc"),
        ("Attribution 4.0 International", "cc-by"),
        ("Creative Commons Attribution", "cc-by"),
        ("Attribution-NonCommercial-No Derivative Works 3.0", "cc-by-nc-nd"),
        ("CC BY non commercial", "cc-by-nc"),
        ("CC BY, NC", "cc-by-nc"),
        ("CC BY/NC", "cc-by-nc"),
        ("CC BY-NC/SA", "cc-by-nc-sa"),
        ("CC BY\u2011NC 4.0", "cc-by-nc"),
        ("CC BY\u2013NC-ND", "cc-by-nc-nd"),
        ("CC BY-ND-SA", "other"),
        # What is not clear is no free license.
        ("CC BY (non-commercial use only)", "other"),
        ("CC BY, no commercial use", "other"),
        ("Attribution required, ask for permission", "other"),
        ("GFDL", "other"),
        ("© someone", "none"),
        ("all rights reserved", "none"),
        # In Spanish, and with a condition in any language.
        ("CC BY-NoComercial", "cc-by-nc"),
        ("CC BY no comercial", "cc-by-nc"),
        ("CC BY-CompartirIgual", "cc-by-sa"),
        ("CC BY-NoComercial-CompartirIgual 3.0 ES", "cc-by-nc-sa"),
        ("CC BY nicht kommerziell", "cc-by-nc"),
        ("CC BY não comercial", "cc-by-nc"),
        ("CC BY-SA NoComercial", "cc-by-nc-sa"),
        ("Creative Commons Reconocimiento 4.0", "cc-by"),
        ("Reconocimiento-NoComercial-SinObraDerivada 3.0 España", "cc-by-nc-nd"),
        ("Atribución-CompartirIgual 4.0", "cc-by-sa"),
        ("dominio público", "pd"),
        ("todos los derechos reservados", "none"),
        ("cc-by-sa (c) todos los derechos reservados", "none"),
        ("sin licencia", "none"),
        ("CC BY (uso no comercial)", "other"),
        ("CC-BY, solo uso educativo", "other"),
        ("CC BY con permiso", "other"),
        ("CC BY prohibida la venta", "other"),
        ("CC0 (no comercial)", "other"),
        ("Public domain, con permiso del autor", "other"),
        ("CC BY pas de vente", "other"),
        # Of several, the one that allows least.
        ("CC0; CC BY-NC", "cc-by-nc"),
        ("cc-by; all rights reserved", "none"),
        ("CC0, some rights reserved", "none"),
        ("CC0 and CC BY-NC", "other"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_licenses_are_told_apart_however_they_are_written(text, code):
    assert license_code(text) == code


def test_params_know_the_licenses_that_the_code_tells_apart():
    assert License.__args__ == CODES
