"""The report: one self-contained HTML page that a colleague understands without help."""

from robustseg.report.page.write import write_report

__all__ = ["write_report"]
