"""What runs do one after the other until all that was uploaded is read."""

from invoice_pipelines.intake.stages.stages import Intake, RecognitionReport, parse_uploads, recognize_pages


def read_all(intake: Intake) -> RecognitionReport:
    """Parses, recognizes pages, and parses what waited for them; returns what recognition did."""
    parse_uploads(intake)
    report = recognize_pages(intake)
    parse_uploads(intake)
    return report
