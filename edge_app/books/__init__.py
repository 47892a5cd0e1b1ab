"""Every counter of the appliance, and whether they add up."""
from edge_app.books.ledger import REASONS, Balance, balance, settle_analyze, settle_capture, settle_for_analyze
from edge_app.books.pages import NOTE_BYTES, STATES, Books, Page

__all__ = ['Books', 'NOTE_BYTES', 'Page', 'STATES', 'REASONS', 'Balance', 'balance',
           'settle_analyze', 'settle_capture', 'settle_for_analyze']
