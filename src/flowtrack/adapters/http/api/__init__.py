"""The auditors' HTTP API: every family of questions under /v1, for people and programs with a token."""
