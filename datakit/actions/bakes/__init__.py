"""The ledger of bakes: making them, and everything that is asked of them afterwards."""
