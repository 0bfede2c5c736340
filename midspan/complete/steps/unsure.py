"""Better no suggestion than one that is probably wrong."""

from midspan.complete.draft import Draft


def drop_unsure(draft: Draft) -> Draft:
    """Drop text whose calibrated confidence is below the threshold; without a calibration nothing is dropped."""
    evidence = draft.evidence
    if evidence is None or evidence.calibration is None or not draft.text:
        return draft
    confidence = evidence.confidence(draft.text)
    if confidence < draft.min_confidence:
        return draft.drop(f"confidence {confidence:.2f} is below {draft.min_confidence:.2f}")
    return draft
