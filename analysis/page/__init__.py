"""The report's page and files: what they are made of, and how they are drawn and written."""

from analysis.page.model import Figure, Headline, Page, Section, Table
from analysis.page.render import render_page

__all__ = ["Figure", "Headline", "Page", "Section", "Table", "render_page"]
