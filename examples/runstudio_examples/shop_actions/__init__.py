"""The shop's own actions. A worker knows them after ``--actions runstudio_examples.shop_actions``.

A package names its actions here: what is imported into the module is what a worker registers.
"""

from runstudio_examples.shop_actions.invoices import check_line, match_po, read_invoice
from runstudio_examples.shop_actions.ledger import post_ledger
from runstudio_examples.shop_actions.mail import notify
from runstudio_examples.shop_actions.payments import charge_card
from runstudio_examples.shop_actions.stock import release_stock, reserve_stock
from runstudio_examples.shop_actions.warehouse import count_shelf

__all__ = [
    "charge_card",
    "check_line",
    "count_shelf",
    "match_po",
    "notify",
    "post_ledger",
    "read_invoice",
    "release_stock",
    "reserve_stock",
]
