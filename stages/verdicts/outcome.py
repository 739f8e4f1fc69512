"""What becomes of a record by review, beside another species."""

DROPPED = "dropped_by_review"
DISAGREE = "reviewers_disagree"
MERGED = "merged_by_review"  # a second record of an image, which by review has the species of the first
