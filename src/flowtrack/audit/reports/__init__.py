"""Reports: what people are told who do not ask the ledger themselves, each a value built from its answers.

A report is built by one pure function from answers and documents; its JSON is the value, and pages are made from it.
"""
