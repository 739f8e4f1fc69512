"""Excerpts of checklists, in the form in which their publishers write them."""

import gzip
import zipfile
from pathlib import Path

WCVP_HEADER = (
    "plant_name_id|ipni_id|taxon_rank|taxon_status|family|genus_hybrid|genus|species_hybrid|species|infraspecific_rank|"
    "infraspecies|parenthetical_author|primary_author|publication_author|place_of_publication|volume_and_page|"
    "first_published|nomenclatural_remarks|geographic_area|lifeform_description|climate_description|taxon_name|"
    "taxon_authors|accepted_plant_name_id|basionym_plant_name_id|replaced_synonym_author|homotypic_synonym|"
    "parent_plant_name_id|powo_id|hybrid_formula|reviewed"
)
WFO_HEADER = (
    "taxonID\tscientificNameID\tlocalID\tscientificName\ttaxonRank\tparentNameUsageID\tscientificNameAuthorship\tfamily\t"
    "genus\tspecificEpithet\tinfraspecificEpithet\tnomenclaturalStatus\tnamePublishedIn\ttaxonomicStatus\t"
    "acceptedNameUsageID\toriginalNameUsageID\ttaxonRemarks\treferences"
)
GBIF_HEADER = (
    "taxonID\tdatasetID\tparentNameUsageID\tacceptedNameUsageID\toriginalNameUsageID\tscientificName\t"
    "scientificNameAuthorship\tcanonicalName\tgenericName\tspecificEpithet\tinfraspecificEpithet\ttaxonRank\t"
    "nameAccordingTo\tnamePublishedIn\ttaxonomicStatus\tnomenclaturalStatus\ttaxonRemarks\tkingdom\tphylum\tclass\t"
    "order\tfamily\tgenus"
)
# id, rank, status, name, authors, id of the accepted name
PLANTS = [
    ("1", "Species", "Accepted", "Symphyotrichum novi-belgii", "(L.) G.L.Nesom", "1"),
    ("2", "Species", "Synonym", "Aster novi-belgii", "L.", "1"),
    ("3", "Variety", "Synonym", "Aster novi-belgii var. litoreus", "A.Gray", "4"),
    ("4", "Species", "Accepted", "Symphyotrichum elodes", "(Torr. & A.Gray) G.L.Nesom", "4"),
    ("10", "Species", "Accepted", "Lycianthes rantonnetii", "(Carrière) Bitter", "10"),
    ("11", "Species", "Synonym", "Solanum rantonnetii", "Carrière", "10"),
    ("20", "Species", "Accepted", "Pleroma urvilleanum", "(DC.) P.J.F.Guim. & Michelang.", "20"),
    ("21", "Species", "Synonym", "Tibouchina urvilleana", "(DC.) Cogn.", "20"),
    ("30", "Species", "Accepted", "Mentha × piperita", "L.", "30"),
    ("31", "Species", "Synonym", "Mentha × citrata", "Ehrh.", "30"),
    ("40", "Species", "Accepted", "Rosa canina", 'L. "sensu Linnaeo', "40"),
    ("41", "Species", "Illegitimate", "Rosa canina", "Hort.", "42"),
    ("42", "Species", "Accepted", "Rosa gallica", "L.", "42"),
    ("60", "Species", "Accepted", "Quercus rotundifolia", "Lam.", "60"),
    ("61", "Species", "Synonym", "Quercus ilex", "L.", "60"),
    ("50", "Genus", "Accepted", "Aster", "L.", "50"),
]


def wcvp(rows=PLANTS) -> str:
    """The table of Kew's checklist, pipes between its cells and quotes where authors have them."""
    names = WCVP_HEADER.split("|")
    lines = [WCVP_HEADER]
    for number, rank, status, name, authors, accepted in rows:
        cells = dict.fromkeys(names, "") | {"genus": name.split()[0], "family": "Rosaceae", "place_of_publication": '"'}
        cells |= {"plant_name_id": number, "taxon_rank": rank, "taxon_status": status, "taxon_name": name}
        cells |= {"taxon_authors": authors, "accepted_plant_name_id": accepted, "reviewed": "Y"}
        lines.append("|".join(cells.values()))
    return "\n".join(lines) + "\n"


def wfo(rows=PLANTS) -> str:
    """World Flora Online's table: an accepted name has no id of an accepted one."""
    names = WFO_HEADER.split("\t")
    lines = [WFO_HEADER]
    for number, rank, status, name, authors, accepted in rows:
        cells = dict.fromkeys(names, "") | {"taxonID": _wfo_id(number), "taxonRank": rank.lower()}
        cells |= {"scientificName": name.replace("× ", "×"), "scientificNameAuthorship": authors}
        cells |= {"taxonomicStatus": "Synonym" if status == "Illegitimate" else status}
        cells |= {"acceptedNameUsageID": "" if status == "Accepted" else _wfo_id(accepted)}
        lines.append("\t".join(cells.values()))
    return "\r\n".join(lines) + "\r\n"


def gbif(rows=PLANTS, kingdom="Plantae") -> str:
    """GBIF's table: authors are in the name too, and the canonical name has no hybrid sign."""
    names = GBIF_HEADER.split("\t")
    lines = [GBIF_HEADER]
    for number, rank, status, name, authors, accepted in rows:
        cells = dict.fromkeys(names, "") | {"taxonID": number, "taxonRank": rank.lower(), "kingdom": kingdom}
        cells |= {"scientificName": f"{name.replace('× ', '×')} {authors}", "scientificNameAuthorship": authors}
        cells |= {"canonicalName": name.replace("× ", "").replace("var. ", "")}
        cells |= {"taxonomicStatus": "accepted" if status == "Accepted" else "heterotypic synonym"}
        cells |= {"acceptedNameUsageID": "" if status == "Accepted" else accepted}
        lines.append("\t".join(cells.values()))
    return "\n".join(lines) + "\n"


def _wfo_id(number: str) -> str:
    return f"wfo-{int(number):010}"


def write_packed(path: Path, members: dict[str, str]) -> Path:
    """Write a text as the file's name says: in a zip archive, gzip or plain."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        return path
    (text,) = members.values()
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
