"""What programs and people write for "nothing"."""

NULL_LIKE = [
    *("", " ", "nan", "NaN", "None", "N/A", "n.a.", "null", "(null)", "<null>", "\\N", "[object Object]", "[null]"),
    *("[None]", "''", '""', "—", "–", "??", "..", "-", "N/D", "nd"),
    *("s.n.", "no consta", "sin número", "no hay", "NS/NC"),
    *("no aplica", "No disponible", "sin id", "pendiente"),
    *("tbd", "desconhecido", "nenhum", "não informado", "inconnu", "aucun", "unbekannt", "keine"),
    *("Verdadero", "falso"),
    *("#REF!", "#VALUE!", "#NAME?", "-1", "-1.0", "-999", "-9999", "0e0", "0x0"),
    *("None, None", "nan;nan", "ObjectId('')"),
]  # fmt: skip
