"""Every counter of the appliance, and whether they add up."""
from edge_app.stats.accounting import (REASONS, Balance, balance, reconcile_analyze, reconcile_capture,
                                       reconcile_for_analyze)
from edge_app.stats.counters import INFO_BYTES, STATES, CounterPage, Counters

__all__ = ['Counters', 'INFO_BYTES', 'CounterPage', 'STATES', 'REASONS', 'Balance', 'balance',
           'reconcile_analyze', 'reconcile_capture', 'reconcile_for_analyze']
